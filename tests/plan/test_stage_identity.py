"""A digest holds what changes the result, and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.plan.stage import Stage, StageResources, canonical_json, digest_of
from abl.runner.execute import stage_from_json, stage_to_json
from abl.spec.base import identity_of
from abl.spec.data import Image
from abl.spec.train import EarlyStop, Train

STAGE = Stage("train", 1, {"train": {"epochs": 4}}, {"select": "ab"}, reads="cd", seed=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def test_defaults_are_left_out_but_discriminators_never() -> None:
    assert identity_of(Train()) == {
        "optimizer": {"name": "adam"},
        "schedule": {"name": "constant"},
    }
    assert identity_of(Train(epochs=4))["epochs"] == 4
    assert identity_of(Train(epochs=10)) == identity_of(Train())


def test_a_default_written_out_is_the_same_identity() -> None:
    written = Train.model_validate(Train().model_dump())
    assert identity_of(written) == identity_of(Train())
    assert identity_of(Image.model_validate({"crop": {"to": "frame"}})) == identity_of(Image())


def test_what_nothing_reads_is_no_identity() -> None:
    unread = {"optimizer": {"momentum": 0.5}, "schedule": {"every": 2, "factor": 0.5}}
    assert identity_of(Train.model_validate(unread)) == identity_of(Train())
    read = {"optimizer": {"name": "sgd", "momentum": 0.5}, "schedule": {"name": "step", "every": 2}}
    found = identity_of(Train.model_validate(read))
    assert found["optimizer"]["momentum"] == 0.5
    assert found["schedule"]["every"] == 2


def test_an_option_that_is_on_at_its_defaults_differs_from_one_that_is_off() -> None:
    assert identity_of(Train(early_stop=EarlyStop())) != identity_of(Train())


def test_each_setting_of_a_training_changes_its_identity() -> None:
    changes = [
        {"epochs": 11}, {"network": "cnn2"}, {"batch_size": 16}, {"optimizer": {"lr": 0.1}},
        {"optimizer": {"name": "sgd"}}, {"schedule": {"name": "step"}}, {"balance": "none"},
        {"augment": {"flip": False}}, {"precision": "bf16"}, {"threads": 2}, {"last_k": 2},
        {"micro_batch": 8}, {"deterministic": False}, {"channels_last": True}, {"weights": "x"},
    ]  # fmt: skip
    found = {canonical_json(identity_of(Train.model_validate(each))) for each in changes}
    assert len(found) == len(changes)
    assert canonical_json(identity_of(Train())) not in found


@pytest.mark.parametrize(
    "change",
    [
        {"context": {"view": "x"}},
        {"label": "another name"},
        {"resources": StageResources(4, 1, 8)},
        {"local": True},
    ],
)
def test_names_places_and_resources_are_no_identity(change: dict[str, object]) -> None:
    assert replace(STAGE, **change).digest == STAGE.digest


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "select"},
        {"version": 2},
        {"settings": {"train": {"epochs": 5}}},
        {"inputs": {"select": "ac"}},
        {"inputs": {"other": "ab"}},
        {"reads": "ce"},
        {"seed": 4},
        {"seed": None},
    ],
)
def test_what_changes_the_result_changes_the_digest(change: dict[str, object]) -> None:
    assert replace(STAGE, **change).digest != STAGE.digest


def test_a_stage_sent_to_a_worker_is_the_same_stage() -> None:
    stage = replace(STAGE, context={"view": "x"}, resources=StageResources(2, 0.5, 3), label="l")
    assert stage_from_json(stage_to_json(stage)) == stage
    assert stage_from_json(stage_to_json(stage)).resources == stage.resources
    assert dict(stage_from_json(stage_to_json(stage)).context) == {"view": "x"}


@given(st.dictionaries(st.text(), values, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(settings: dict[str, object], draw) -> None:
    items = list(settings.items())
    draw.shuffle(items)
    assert digest_of(dict(items)) == digest_of(settings)


@given(values, values)
def test_equal_text_means_equal_values(one: object, other: object) -> None:
    if canonical_json(one) == canonical_json(other):
        assert one == other


@pytest.mark.parametrize("value", [math.nan, math.inf, [1, -math.inf]])
def test_an_identity_holds_no_nan(value: object) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        digest_of(value)
