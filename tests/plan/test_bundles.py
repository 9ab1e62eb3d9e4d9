from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from abl.plan.bundles import (
    BUNDLE_VERSION,
    MEASURED,
    MeasuredGain,
    bundle_key,
    bundle_notes,
    in_bundles,
    measured_bundle,
)
from abl.plan.graph import Plan
from abl.plan.stage import Stage, StageResources


def training(seed: int = 0, most: int = 4, **train: Any) -> Stage:
    settings = {"train": {"network": "cnn2", **train}, "bundled": BUNDLE_VERSION}
    asked = in_bundles(StageResources(1, 1), most)
    return Stage("train", 1, settings, seed=seed, context={"view": "v"}, resources=asked)


@pytest.mark.parametrize(
    "own",
    [
        {"optimizer": {"name": "adam", "lr": 0.1}},
        {"schedule": {"name": "cosine"}},
        {"balance": "sampler"},
        {"early_stop": {"patience": 2}},
        {"last_k": 1},
    ],
)
def test_trainings_that_differ_in_numbers_go_together(own: dict[str, Any]) -> None:
    first = training(optimizer={"name": "adam", "lr": 0.2})
    second = training(1, **{"optimizer": {"name": "adam", "lr": 0.2}, **own})
    assert bundle_key(first) == bundle_key(second) != ""


@pytest.mark.parametrize(
    "other",
    [
        {"network": "cnn1"},
        {"epochs": 3},
        {"batch_size": 8},
        {"precision": "bf16"},
        {"optimizer": {"name": "sgd"}},
    ],
)
def test_trainings_of_another_shape_do_not(other: dict[str, Any]) -> None:
    assert bundle_key(training()) != bundle_key(training(**other))
    assert bundle_key(training()) != bundle_key(replace(training(), context={"view": "w"}))


def test_what_was_not_asked_for_runs_by_itself() -> None:
    assert bundle_key(training(most=1)) == ""
    assert bundle_key(replace(training(), settings={"train": {"network": "cnn2"}})) == ""
    assert in_bundles(StageResources(2, 1), 1) == StageResources(2, 1)
    # a share of a GPU that one took says nothing of what a bundle takes
    assert not in_bundles(StageResources(2, 1), 8).pack


def test_a_plan_counts_them() -> None:
    plan = Plan()
    assert bundle_notes(plan) == []
    for seed in range(5):
        plan.add(training(seed))
    plan.add(training(network="cnn1"))
    plan.add(training(most=1, network="alexnet"))
    (note,) = bundle_notes(plan)
    assert "6 trainings run as 3 programs" in note


def test_nothing_is_bundled_where_nothing_was_measured() -> None:
    assert MEASURED == ()
    assert measured_bundle("cnn2", 140, 32, gpus=1) == 1


def test_a_measured_gain_holds_for_images_that_fill_a_gpu_less() -> None:
    known = [
        MeasuredGain("cnn2", 140, 32, 16, 3.0),
        MeasuredGain("cnn2", 140, 32, 32, 6.0),
        MeasuredGain("vgg16", 224, 32, 4, 1.1),
    ]
    assert measured_bundle("cnn2", 64, 16, gpus=1, known=known) == 32
    assert measured_bundle("cnn2", 140, 32, gpus=0, known=known) == 1
    assert measured_bundle("cnn2", 224, 32, gpus=1, known=known) == 1
    assert measured_bundle("cnn2", 140, 64, gpus=1, known=known) == 1
    assert measured_bundle("vgg16", 224, 32, gpus=1, known=known) == 1
