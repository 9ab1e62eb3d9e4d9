"""An outcome survives the store exactly."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.plan.facts import Facts
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome
from abl.plan.outcome_json import outcome_from_json, outcome_to_json
from abl.spec.table_style import TableStyle

FLOATS = st.floats(allow_nan=True, allow_infinity=True)
WORDS = st.text(max_size=8)
VALUES = st.one_of(WORDS, st.integers(), FLOATS)
JSONABLE = st.recursive(
    st.one_of(st.none(), st.booleans(), VALUES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(WORDS, st.sampled_from(["$float", "$$", "$"])), inner, max_size=3
        ),
    ),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(WORDS, JSONABLE, max_size=2), max_size=2).map(tuple)
FACTS = st.builds(
    Facts,
    data=ROWS,
    training_patients=st.integers(0, 9),
    protocol=WORDS,
    study=st.dictionaries(WORDS.map("of_{}".format), JSONABLE, max_size=3),
    tests=ROWS,
    external=ROWS,
    activation=st.dictionaries(WORDS, JSONABLE, max_size=2),
    searches=ROWS,
    table=st.builds(TableStyle, per_cent=st.booleans(), decimals=st.none() | st.integers(0, 6)),
    unit=WORDS,
    margin=st.none() | FLOATS,
    classes=st.lists(WORDS, max_size=2).map(tuple),
    one_class=st.dictionaries(WORDS, st.integers(0, 9), max_size=2),
    imported=st.lists(WORDS, max_size=2).map(tuple),
    key_without_imported=WORDS,
)
CELLS = st.builds(Cell, FLOATS, FLOATS, FLOATS, FLOATS, st.integers(0, 99), st.integers(0, 99))
COMPARISONS = st.builds(Comparison, WORDS, FLOATS, FLOATS, FLOATS, FLOATS, FLOATS, WORDS)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 4))
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "float64": FLOATS,
        "float32": st.floats(width=32),
        "int64": st.integers(-(2**63), 2**63 - 1),
        "bool": st.booleans(),
        "str": WORDS,
        "object": st.one_of(VALUES, st.none()),
    }
    columns = draw(st.dictionaries(WORDS, st.sampled_from(sorted(kinds)), max_size=4))
    data = {
        name: pd.Series(draw(st.lists(kinds[kind], min_size=rows, max_size=rows)), dtype=kind)
        for name, kind in columns.items()
    }
    return pd.DataFrame(data, index=pd.RangeIndex(rows))


ARMS = st.builds(
    ArmOutcome,
    key=WORDS,
    params=st.dictionaries(WORDS, VALUES, max_size=3),
    cells=st.dictionaries(WORDS, CELLS, max_size=2),
    replicates=frames(),
    curve=st.none() | frames(),
    stages=st.lists(WORDS, max_size=2).map(tuple),
    comparison=st.none() | COMPARISONS,
    best=st.booleans(),
    tied=st.booleans(),
    failed=WORDS,
)
NAMES = st.lists(WORDS, max_size=3).map(tuple)
OUTCOMES = st.builds(
    Outcome,
    name=WORDS,
    key=WORDS,
    study=WORDS,
    title=WORDS,
    axes=NAMES,
    metrics=NAMES,
    primary=WORDS,
    curve_axis=WORDS,
    arms=st.lists(ARMS, max_size=2).map(tuple),
    notes=NAMES,
    facts=FACTS,
)


def assert_same(left: Any, right: Any) -> None:
    """Equal in type and value, nan and nan alike, -0.0 and 0.0 not."""
    assert type(left) is type(right)
    if isinstance(left, pd.DataFrame):
        assert list(left.columns) == list(right.columns)
        assert list(left.dtypes) == list(right.dtypes)
        assert len(left) == len(right)
        for name in left.columns:
            assert_same(left[name].tolist(), right[name].tolist())
    elif dataclasses.is_dataclass(left):
        for part in dataclasses.fields(left):
            assert_same(getattr(left, part.name), getattr(right, part.name))
    elif isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    elif isinstance(left, float):
        assert math.isnan(left) == math.isnan(right)
        assert math.isnan(left) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    else:
        assert left == right


@given(OUTCOMES)
@settings(max_examples=150, deadline=None)
def test_round_trip_is_exact(outcome: Outcome) -> None:
    text = outcome_to_json(outcome)
    again = outcome_from_json(text)
    assert_same(again, outcome)
    assert outcome_to_json(again) == text
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def plain(**changes: Any) -> Outcome:
    outcome = Outcome("n", "k", "s", "t", (), (), "accuracy", "", ())
    return dataclasses.replace(outcome, **changes)


def test_numpy_numbers_are_kept_as_numbers() -> None:
    facts = {"patients": np.int64(35), "share": np.float32(0.5), "sizes": (1, 2), "ok": np.True_}
    again = outcome_from_json(outcome_to_json(plain(facts=Facts(study=facts))))
    assert_same(again.facts.study, {"patients": 35, "share": 0.5, "sizes": [1, 2], "ok": True})


def test_facts_written_before_they_had_types_are_read_and_written_again_alike() -> None:
    """In the order in which a sweep of fusion modes with an imported arm had them."""
    flat = {
        "data": [{"role": "train", "images": 8}], "training_patients": 4, "protocol": "published",
        "modalities": ["bmode", "elasticity"], "network": "vgg16", "tests": [],
        "external": [{"name": "b"}], "activation": {"area": {"x": 0.25}},
        "searches": [{"points": 3}],
        "table": {"per_cent": False, "decimals": 2, "intervals": True}, "unit": "image",
        "margin": None, "classes": ["benign", "malignant"], "patients_by_split": "patient",
        "one_class": {}, "stages": 12, "asked": 16, "imported": ["k"], "key_without_imported": "l",
    }  # fmt: skip
    before = outcome_to_json(plain()).split('"facts": ')[0]
    text = f'{before}"facts": {json.dumps(flat)}, "arms": [\n\n]}}\n'
    outcome = outcome_from_json(text)
    assert outcome.facts.study == {"modalities": ["bmode", "elasticity"], "network": "vgg16"}
    assert outcome.facts.table == TableStyle(per_cent=False, decimals=2, intervals=True)
    assert outcome_to_json(outcome) == text


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        outcome_to_json(plain(facts=Facts(study={"x": {1, 2}})))
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(TypeError, match="two columns"):
        outcome_to_json(plain(arms=(ArmOutcome("k", {}, {}, twice),)))


@pytest.mark.parametrize("text", ["[]", '{"format": 99}', '{"format": 1, "name": "n"}', "{"])
def test_what_is_no_outcome_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"outcome|Expecting"):
        outcome_from_json(text)
