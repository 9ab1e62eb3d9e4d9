"""Figures of predictions: the numbers behind them, and what each shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from figure_frames import Made, made_sweep
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score, roc_curve

from abl.decide.reliability import expected_calibration_error
from abl.decide.replicates import Scores
from abl.report.figures.arms import MOST_SHOWN, Frames, best_of, shown_arms
from abl.report.figures.data import (
    COVERAGE_GRID,
    mean_roc,
    reliability_bins,
    risk_over_coverage,
    tpr_at,
    with_curve_intervals,
)
from abl.report.figures.every import figures_of
from abl.report.figures.networks import fates_of
from abl.report.figures.predictions import roc_figure
from abl.report.figures.style import figure_bytes, settle
from abl.report.figures.tuned import on_front, pareto_figure

EVERY = {
    "differences",
    "arms",
    "curve",
    "heatmap",
    "pareto",
    "confidence",
    "roc",
    "reliability",
    "confusion",
    "risk_coverage",
    "flow",
    "decision_curve",
}
EMPTY = pd.DataFrame()


@pytest.fixture(scope="module")
def made() -> Made:
    return made_sweep()


@pytest.fixture(scope="module")
def figures(made: Made) -> dict[str, Figure]:
    return figures_of(made.outcome, Frames(made.predictions, made.networks))


def replicate(labels: list[int], score: list[float], patients: list[str] | None = None) -> Scores:
    p = np.column_stack([1 - np.array(score), score])
    names = patients or [f"p{at}" for at in range(len(labels))]
    return Scores(0, 0, 0, np.array(labels), np.array(names), p)


def panels(figure: Figure) -> list:
    return [place for place in figure.axes if place.get_visible()]


def test_every_figure_is_drawn_and_has_a_caption(figures: dict[str, Figure]) -> None:
    assert set(figures) == EVERY
    for name, figure in figures.items():
        assert len(figure.get_label()) > 40, name
        assert figure_bytes(figure, "svg").startswith(b"<?xml")


def test_only_what_the_data_allow_is_drawn(made: Made) -> None:
    drawn = figures_of(made.outcome, Frames())
    assert set(drawn) == {"differences", "arms", "curve", "heatmap", "pareto"}
    plain = made_sweep(rules=("average",))
    names = set(figures_of(plain.outcome, Frames(plain.predictions)))
    assert names == {
        "differences", "arms", "roc", "reliability", "confusion", "risk_coverage",
        "decision_curve", "flow",
    }  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
@settings(deadline=None, max_examples=60)
def test_roc_is_that_of_scikit_learn(cases: list[tuple[bool, int]]) -> None:
    positive = np.array([case[0] for case in cases])
    score = np.array([case[1] / 5 for case in cases])
    grid = np.linspace(0, 1, 11)
    (found,) = tpr_at(positive, score, np.ones((1, len(cases))), grid)
    if positive.all() or not positive.any():
        assert np.isnan(found).all()
        return
    fpr, tpr, _ = roc_curve(positive, score, drop_intermediate=False)
    # at a false positive rate with a vertical rise both name its upper end
    expected = [np.interp(at, fpr, tpr) if at not in fpr else tpr[fpr == at].max() for at in grid]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_roc_band_holds_the_mean_and_narrows_with_patients() -> None:
    widths = []
    for size in (20, 400):
        draw = np.random.default_rng(1)
        labels = np.arange(size) % 2
        score = 1 / (1 + np.exp(-(labels - 0.5 + draw.normal(size=size))))
        curve = mean_roc([replicate(labels.tolist(), score.tolist())], 200)
        middle = curve[(curve["fpr"] > 0.2) & (curve["fpr"] < 0.8)]
        assert (middle["low"] <= middle["tpr"]).all()
        assert (middle["tpr"] <= middle["high"]).all()
        widths.append((middle["high"] - middle["low"]).mean())
        area = np.trapezoid(curve["tpr"], curve["fpr"])
        assert area == pytest.approx(roc_auc_score(labels, score), abs=0.02)
    assert widths[1] < widths[0] / 2


def test_reliability_bins_give_the_calibration_error() -> None:
    draw = np.random.default_rng(0)
    score = draw.uniform(size=300)
    labels = (draw.uniform(size=300) < score**2).astype(int)
    each = replicate(labels.tolist(), score.tolist())
    bins = reliability_bins([each], 50)
    gap = ((bins["predicted"] - bins["observed"]).abs() * bins["share"]).sum()
    assert gap == pytest.approx(expected_calibration_error(each.labels, each.p))
    assert ((bins["low"] <= bins["observed"]) & (bins["observed"] <= bins["high"])).all()


def test_empty_bins_are_not_drawn_as_zero() -> None:
    bins = reliability_bins([replicate([0, 1, 1], [0.05, 0.95, 0.96])], 20)
    assert bins["observed"].isna().sum() == 8
    assert bins["share"].sum() == pytest.approx(1)


def test_risk_over_coverage_by_hand() -> None:
    # confidences 0.8, 0.6, 0.4, 0.2; the second and the last are wrong
    each = replicate([1, 0, 0, 1], [0.9, 0.8, 0.3, 0.4])
    risk, area = risk_over_coverage(each)
    assert area == pytest.approx((0 / 1 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    assert risk[-1] == pytest.approx(0.5)
    assert risk[np.argmin(abs(COVERAGE_GRID - 0.25))] == pytest.approx(0, abs=0.05)


def test_equal_confidences_have_the_mean_risk_whatever_their_order() -> None:
    _, area = risk_over_coverage(replicate([1, 0, 1, 0], [0.9, 0.9, 0.9, 0.9]))
    _, turned = risk_over_coverage(replicate([0, 0, 1, 1], [0.9, 0.9, 0.9, 0.9]))
    assert area == turned == pytest.approx(0.5)


def test_fates_of_cases_by_hand() -> None:
    frame = {"repeat": 0, "fold": 0, "seed": 0, "unit": list("abcdef"), "label": [0, 1, 0, 1, 0, 1]}
    before = pd.DataFrame({**frame, "p_1": [0.1, 0.2, 0.6, 0.6, 0.4, 0.4]})
    after = pd.DataFrame(
        {**frame, "sent": [False, False, *[True] * 4], "p_1": [0.1, 0.2, 0.3, 0.7, 0.8, 0.2]}
    )
    before, after = (each.assign(p_0=1 - each["p_1"]) for each in (before, after))
    assert fates_of(after, before) == {
        "kept, right": 1,
        "kept, wrong": 1,
        "sent, stayed right": 1,
        "sent, became right": 1,
        "sent, became wrong": 1,
        "sent, stayed wrong": 1,
    }
    assert fates_of(after, before.iloc[:3]) is None


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=20))
@settings(deadline=None)
def test_front_holds_the_points_that_none_beats(points: list[tuple[int, int]]) -> None:
    quality, share = np.array(points, float).T
    front = on_front(quality, share)
    assert front.any()
    for at, (q, s) in enumerate(points):
        beaten = any((a >= q and b <= s) and (a > q or b < s) for a, b in points)
        # of equal points one is enough
        assert not (front[at] and beaten)
        same = [i for i, point in enumerate(points) if point == (q, s)]
        assert beaten or sum(front[i] for i in same) == 1


def test_pareto_of_trials_has_a_panel_an_arm(made: Made) -> None:
    keys = [arm.key for arm in made.outcome.arms if "threshold" in arm.replicates]
    trials = pd.DataFrame(
        [
            {"arm": key, "seed": 0, "value_0": 0.7 + 0.01 * at, "value_1": at / 10, "front": at < 3}
            for key in keys
            for at in range(6)
        ]
    )
    figure = pareto_figure(made.outcome, trials)
    assert figure is not None
    assert len(panels(figure)) == len(keys)
    assert figure.axes[0].get_xlabel() == "share sent to the second network"


def test_many_arms_are_cut_to_base_best_and_few_and_the_caption_says_so() -> None:
    made = made_sweep(consensus=tuple(range(1, 8)), rules=("average", "model1"), seeds=1, units=40)
    shown = shown_arms(made.outcome, made.predictions)
    assert len(shown.arms) == MOST_SHOWN
    assert shown.base is not None
    assert shown.base.outcome.params == {"rule": "original"}
    assert sum(arm.best for arm in shown.arms) == 1
    order = [arm.key for arm in made.outcome.arms]
    places = [order.index(arm.outcome.key) for arm in shown.arms]
    assert places == sorted(places)
    drawn = figures_of(made.outcome, Frames(made.predictions, made.networks))
    for name in ("roc", "reliability", "confusion", "risk_coverage"):
        assert f"{MOST_SHOWN} of 15 arms" in drawn[name].get_label(), name
        assert f"{MOST_SHOWN} of 15 arms" in drawn[name].get_suptitle(), name
    assert len(panels(drawn["confusion"])) == MOST_SHOWN


def test_the_best_of_a_loss_is_the_smallest(made: Made) -> None:
    arms = [
        type(arm)(**{**vars(arm), "best": False, "cells": {"brier": arm.cells["acc"]}})
        for arm in made.outcome.arms
    ]
    outcome = dataclasses.replace(made.outcome, arms=tuple(arms), primary="brier")
    best = best_of(outcome, outcome.arms)
    assert best is not None
    assert best.cells["brier"].mean == min(a.cells["brier"].mean for a in arms)


def test_best_is_called_what_the_table_calls_so_and_no_other_arm(made: Made) -> None:
    shown = shown_arms(made.outcome, made.predictions)
    assert [arm.outcome.best for arm in shown.arms] == [arm.best for arm in shown.arms]
    assert sum("best" in arm.label_and_role for arm in shown.arms) == 1
    unmarked = tuple(dataclasses.replace(arm, best=False) for arm in made.outcome.arms)
    outcome = dataclasses.replace(made.outcome, arms=unmarked)
    shown = shown_arms(outcome, made.predictions)
    assert not any(arm.best or "best" in arm.label_and_role for arm in shown.arms)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_panels_legend_and_title_of_roc_do_not_overlap(made: Made, count: int) -> None:
    arms = tuple(
        dataclasses.replace(arm, params={"rule": f"a rule whose name takes two lines {at}"})
        for at, arm in enumerate(made.outcome.arms[: count + 1])
    )
    outcome = dataclasses.replace(made.outcome, arms=arms, axes=("rule",))
    figure = roc_figure(shown_arms(outcome, made.predictions))
    settle(figure)
    renderer = figure.canvas.get_renderer()
    boxes = [place.get_tightbbox(renderer) for place in panels(figure)]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    boxes.append(figure._suptitle.get_window_extent(renderer))
    for at, one in enumerate(boxes):
        for other in boxes[:at]:
            width = min(one.x1, other.x1) - max(one.x0, other.x0)
            height = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert width <= 1 or height <= 1


def test_curve_band_is_an_interval_where_the_networks_are_known(
    made: Made, figures: dict[str, Figure]
) -> None:
    assert "95 % interval" in figures["curve"].get_supylabel()
    found = with_curve_intervals(made.outcome, made.networks)
    curves = [arm.curve for arm in found.arms if arm.curve is not None]
    assert len(curves) == 2
    for curve in curves:
        assert (curve["acc_low"] <= curve["acc"] + 1e-9).all()
        assert (curve["acc"] <= curve["acc_high"] + 1e-9).all()
        assert (curve["acc_high"] - curve["acc_low"]).between(0.02, 0.8).all()


def test_networks_that_do_not_give_the_curve_again_give_no_interval(made: Made) -> None:
    others = made.networks.assign(p_0=made.networks["p_1"], p_1=made.networks["p_0"])
    found = with_curve_intervals(made.outcome, others)
    assert all(arm.curve is None or "acc_low" not in arm.curve for arm in found.arms)


def test_heat_map_marks_one_choice_a_row(figures: dict[str, Figure]) -> None:
    place = next(place for place in figures["heatmap"].axes if place.images)
    assert len(place.lines) == 2
    assert [label.get_text() for label in place.get_yticklabels()] == ["1", "3"]
    assert figures["heatmap"].get_supylabel() == "consensus"


def test_confidence_has_a_panel_a_network_and_one_for_all(figures: dict[str, Figure]) -> None:
    titles = [place.get_title() for place in panels(figures["confidence"])]
    assert titles == ["original plain4", "True-1 plain4", "True-3 plain4", "all networks"]
    for place in panels(figures["confidence"]):
        right, every = (np.array(stairs.get_data().values) for stairs in place.patches)
        assert every.sum() == pytest.approx(1)
        assert (right <= every).all()


def test_three_classes_are_drawn_too() -> None:
    made = made_sweep(classes=3, seeds=1, units=36)
    drawn = figures_of(made.outcome, Frames(made.predictions, made.networks))
    assert set(drawn) == EVERY - {"decision_curve"}
    assert "margin of the top two" in [a.get_xlabel() for a in drawn["confidence"].axes]
    assert len(drawn["confusion"].axes[0].texts) == 9


def test_frames_in_another_order_give_the_same_figures(
    made: Made, figures: dict[str, Figure]
) -> None:
    turned = figures_of(
        made.outcome,
        Frames(
            made.predictions.sample(frac=1, random_state=3),
            made.networks.assign(network=made.networks["network"].astype("category")),
        ),
    )
    for name in ("roc", "reliability", "flow", "confidence"):
        assert figure_bytes(turned[name], "svg") == figure_bytes(figures[name], "svg"), name
