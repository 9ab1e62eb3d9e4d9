"""Splits without a validation part, and columns that name two parts instead of three."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from abl.data.splits.splits import split_of
from abl.errors import InputError
from abl.spec.splits import Splits


def frame(parts: tuple[str, ...] = ("train", "train", "test")) -> pd.DataFrame:
    """Thirty patients with two images each; the column `part` goes through the given words."""
    at = np.arange(60)
    return pd.DataFrame(
        {
            "image": [f"{n}.png" for n in at],
            "label": at // 2 % 2,
            "patient": [f"p{n // 2}" for n in at],
            "part": [parts[n // 4 % len(parts)] for n in at],
        }
    )


@pytest.mark.parametrize("draw", [1, 2])
@pytest.mark.parametrize("kind", ["holdout", "kfold", "monte_carlo"])
def test_without_a_validation_part_its_patients_train(kind: str, draw: int) -> None:
    asked = {"kind": kind, "folds": 3, "test": 0.3, "draw": draw}
    whole = split_of(frame(), Splits.model_validate(asked), 0, 0)
    without = split_of(frame(), Splits.model_validate(asked | {"validation": 0}), 0, 0)
    assert not len(without.validation)
    assert set(without.train) == set(whole.train) | set(whole.validation)
    # who is tested does not hang on it
    assert without.test.tolist() == whole.test.tolist()


def test_two_patients_of_a_class_are_enough_without_validation() -> None:
    few = frame().head(8)
    found = split_of(few, Splits(validation=0, test=0.5), 0, 0)
    assert len(found.train) == len(found.test) == 4
    with pytest.raises(InputError, match="train, validation and test need 3 patients"):
        split_of(few, Splits(test=0.5), 0, 0)


def test_a_column_of_train_and_test() -> None:
    column = {"kind": "column", "column": "part"}
    drawn = split_of(frame(), Splits.model_validate(column), 0, 0)
    assert len(drawn.validation)
    none = split_of(frame(), Splits.model_validate(column | {"validation": 0}), 0, 0)
    assert not len(none.validation)
    assert none.test.tolist() == drawn.test.tolist()
    assert len(none.train) + len(none.test) == 60


def test_a_column_of_train_and_validation_is_scored_on_validation_if_told_so() -> None:
    rows = frame(("train", "train", "val"))
    column = {"kind": "column", "column": "part", "scored": "validation"}
    scored = np.flatnonzero(rows["part"] == "val").tolist()
    found = split_of(rows, Splits.model_validate(column | {"validation": 0}), 0, 0)
    assert (found.test.tolist(), len(found.validation)) == (scored, 0)
    # what is chosen on, if anything is, comes from the training rows
    chosen = split_of(rows, Splits.model_validate(column), 0, 0)
    assert chosen.test.tolist() == scored
    assert set(chosen.validation) < set(found.train)


@pytest.mark.parametrize(
    ("parts", "changes", "said"),
    [
        (("train", "val"), {}, "none of test: name some, or write scored: validation with publ"),
        (("train", "test"), {"scored": "validation"}, "no validation rows to score: leave scored"),
        (("train", "val", "test"), {"scored": "validation"}, "test rows, which are scored: leave"),
        (("train", "val", "test"), {"validation": 0}, "validation: 0 wants none: leave validation"),
    ],
)
def test_a_column_that_names_other_parts(
    parts: tuple[str, ...], changes: dict[str, object], said: str
) -> None:
    splits = Splits.model_validate({"kind": "column", "column": "part"} | changes)
    with pytest.raises(InputError, match=f"column 'part' names.*{said}"):
        split_of(frame(parts), splits, 0, 0)


def test_only_a_column_says_what_is_scored() -> None:
    with pytest.raises(ValidationError, match="scored: validation is of kind: column; kind: kfold"):
        Splits(kind="kfold", scored="validation")
