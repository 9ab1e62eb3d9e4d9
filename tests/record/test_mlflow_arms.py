from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_outcomes import arm_outcome, threshold_outcome, with_failed_arm

from abl.app.keeping import rendered
from abl.plan.outcome import Cell
from abl.record import mlflow_arms as rows
from abl.report.named import words_of


@settings(deadline=None)  # the first example pays for importing mlflow
@given(st.text(min_size=1, max_size=400))
def test_every_name_becomes_a_key_that_mlflow_accepts(name: str) -> None:
    from mlflow.utils.validation import _validate_length_limit, _validate_param_name

    key = rows.key_of("axis" + name)
    _validate_length_limit("key", 250, key)
    if not {".", "/"} & set(name):  # paths like a/../b are refused whatever their characters
        _validate_param_name(key)


def test_undefined_numbers_are_left_out_rather_than_recorded_as_something_else() -> None:
    arm = arm_outcome({"network": "a", "consensus": 1, "rule": "original"}, seed=0, points=0)
    nan = math.nan
    arm = dataclasses.replace(
        arm, cells={"f1": Cell(0.5, nan, nan, nan, 1), "auc": Cell(*[nan] * 4, 0)}
    )
    assert rows.arm_metrics(arm, "f1") == {"f1": 0.5}


def test_the_curve_is_stepped_in_whole_thousandths_of_the_axis() -> None:
    arm = arm_outcome({"network": "a", "consensus": 1, "rule": "model1"}, seed=0, points=41)
    points = [(step, value) for key, step, value, _ in rows.curve_points(arm, "f1") if "f1" in key]
    assert arm.curve is not None
    assert [step for step, _ in points] == [25 * i for i in range(41)]
    assert all(type(step) is int for step, _ in points)
    assert [value for _, value in points] == arm.curve["f1"].tolist()


def test_the_view_shows_the_primary_metric_the_difference_and_the_verdict_first() -> None:
    outcome = threshold_outcome()
    state = json.loads(rows.view_state(outcome))
    columns = state["selectedColumns"]
    assert columns[:3] == ["metrics.`f1`", "metrics.`f1_difference`", "tags.`abl.verdict`"]
    assert columns[-3:] == ["params.`network`", "params.`consensus`", "params.`rule`"]
    assert state["columnOrder"][:4] == ["attributes.`Run Name`", *columns[:3]]
    widths = state["columnWidths"]
    assert sum(widths[name] for name in state["columnOrder"][:4]) < 700
    assert {f"metrics.`{metric}`" for metric in outcome.metrics} <= set(columns)


def test_the_view_of_many_columns_fits_in_an_experiment_tag() -> None:
    outcome = dataclasses.replace(
        threshold_outcome(),
        axes=tuple(f"train.optimizer.setting{i}" for i in range(20)),
        metrics=tuple(f"external.metric{i}" for i in range(20)),
    )
    assert len(rows.view_state(outcome)) < 20_000


@pytest.mark.parametrize("change", ["cells", "curve", "params", "failed", "best", "stages"])
def test_the_content_of_an_arm_follows_everything_it_shows(change: str) -> None:
    arm = arm_outcome({"network": "a", "consensus": 1, "rule": "model1"}, seed=0)
    assert arm.curve is not None
    changes = {
        "cells": {**arm.cells, "f1": dataclasses.replace(arm.cells["f1"], sd=0.5)},
        "curve": arm.curve.assign(f1=0.5),
        "params": {**arm.params, "consensus": 2},
        "failed": "out of memory",
        "best": True,
        "stages": ("other",),
    }
    changed = dataclasses.replace(arm, **{change: changes[change]})
    assert rows.arm_content(changed) != rows.arm_content(arm)
    assert rows.arm_content(dataclasses.replace(arm, curve=arm.curve.copy())) == rows.arm_content(
        arm
    )


def test_the_table_names_a_failed_arm_in_its_row() -> None:
    outcome = with_failed_arm(threshold_outcome(), 1)
    table = json.loads(rendered(outcome)["table.json"])
    assert table["data"][1][:2] == [words_of(outcome.arms[1], outcome), "failed"]
    assert len(table["data"]) == len(outcome.arms)


def test_replicates_of_arms_with_words_and_numbers_share_one_table() -> None:
    outcome = threshold_outcome()
    always = outcome.arms[1]
    words = always.replicates.assign(threshold="always")
    arms = (outcome.arms[0], dataclasses.replace(always, replicates=words))
    table = rows.replicates_frame(dataclasses.replace(outcome, arms=arms))
    assert len(table) == sum(len(arm.replicates) for arm in arms)
    assert set(table.loc[table["row"] == 1, "threshold"]) == {"always"}
    assert table.loc[table["row"] == 0, "f1"].tolist() == arms[0].replicates["f1"].tolist()
