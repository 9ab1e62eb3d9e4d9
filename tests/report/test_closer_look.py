"""What figures that answer to the hand are drawn from: the predictions, as they are."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from figure_frames import Made, made_sweep

from abl.report.page import closer
from abl.report.page.closer import LEARNING, THUMBNAILS, closer_look, embedded

EMPTY = pd.DataFrame()


@pytest.fixture(scope="module")
def made() -> Made:
    return made_sweep()


def test_points_are_the_test_predictions_of_the_arms_shown(made: Made) -> None:
    points = closer_look(made.outcome, made.predictions, {})["points"]
    tests = made.predictions[made.predictions["role"] == "test"]
    assert len(points["rows"]) == len(tests)
    assert points["units"][points["rows"][0][2]] in set(tests["unit"].astype(str))
    words = dict(zip(range(len(points["arms"])), points["arms"], strict=True))
    assert len(set(words.values())) == len(made.outcome.arms)
    of_unit = tests.drop_duplicates("unit").set_index("unit")["label"]
    assert points["labels"] == [int(of_unit[unit]) for unit in points["units"]]
    p = sorted(row[3] for row in points["rows"])
    assert p == pytest.approx(sorted(tests["p_1"]), abs=1e-4)


def test_of_many_predictions_whole_replicates_are_left_out_and_counted(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closer, "MOST_POINTS", 500)
    points = closer_look(made.outcome, made.predictions, {})["points"]
    every = made.predictions[["repeat", "fold", "seed"]].drop_duplicates()
    assert len(points["replicates"]) + points["left_out"] == len(every)
    assert points["left_out"] > 0
    assert {row[1] for row in points["rows"]} == set(range(len(points["replicates"])))


def test_three_classes_have_the_probability_of_the_true_one_and_no_roc() -> None:
    made = made_sweep(classes=3, seeds=1, units=36)
    points = closer_look(made.outcome, made.predictions, {})["points"]
    assert not points["roc"]
    assert points["of"] == "the true class"
    tests = made.predictions[made.predictions["role"] == "test"]
    p = tests[["p_0", "p_1", "p_2"]].to_numpy()
    true = p[np.arange(len(p)), tests["label"].to_numpy()]
    assert sorted(row[3] for row in points["rows"]) == pytest.approx(sorted(true), abs=1e-4)


def test_axes_lie_between_their_ends_and_end_at_the_metric(made: Made) -> None:
    axes = closer_look(made.outcome, EMPTY, {})["axes"]
    assert [len(line[3]) for line in axes["lines"]] == [len(axes["names"])] * len(axes["lines"])
    assert all(0 <= place <= 1 for line in axes["lines"] for place in line[3])
    best = max(axes["lines"], key=lambda line: line[1])
    assert best[3][-1] == 1.0


def test_curves_of_trainings_without_validation_lack_it_and_are_no_nan(made: Made) -> None:
    learning = pd.DataFrame(
        {"arm": made.outcome.arms[0].key, "role": "original", "repeat": 0, "fold": 0, "seed": 0,
         "epoch": [1, 2], "train_loss": [0.7, 0.5], "validation_loss": [np.nan, np.nan]}
    )  # fmt: skip
    curves = closer_look(made.outcome, EMPTY, {LEARNING: learning})["curves"]
    told = [[row[2], curves["kinds"][row[3]], row[4]] for row in curves["rows"]]
    assert told == [[1, "train loss", 0.7], [2, "train loss", 0.5]]
    assert curves["kinds"] == ["train loss"]
    assert curves["trainings"] == ["repeat 0, fold 0, seed 0"]
    other = learning.assign(arm="of another sweep")
    assert closer_look(made.outcome, EMPTY, {LEARNING: other})["curves"] is None


def test_pictures_are_of_units_that_can_be_clicked(made: Made) -> None:
    unit = str(made.predictions["unit"].iloc[-1])
    pictures = pd.DataFrame({"unit": [unit, "elsewhere"], "jpeg": [b"\xff\xd8", b"\xff\xd8"]})
    found = closer_look(made.outcome, made.predictions, {THUMBNAILS: pictures})["pictures"]
    assert list(found) == [unit]


def test_no_text_ends_the_element_that_holds_it() -> None:
    nasty = {"name": "</script><script>alert(1)</script><!-- & \u2028"}
    text = str(embedded(nasty))
    assert not {"<", "&", "\u2028"} & set(text)
    assert json.loads(text) == nasty


def test_nothing_to_draw_is_nothing(made: Made) -> None:
    one = dataclasses.replace(made.outcome, arms=made.outcome.arms[:1])
    assert closer_look(one, EMPTY, {}) == {}


def test_the_script_is_the_same_where_python_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closer._vega_script.cache_clear()
    by_another = closer.vega_script()
    closer._vega_script.cache_clear()
    monkeypatch.setattr(closer.sys, "executable", "/nowhere/python")
    assert closer.vega_script() == by_another
    assert len(by_another) > 100_000
    assert "</script" not in by_another
