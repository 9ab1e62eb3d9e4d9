"""The frozen-layer figure: what is drawn, where the optimum lies, and what its caption says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from transfer_frames import Made, frozen_sweep

from abl.report.figures.arms import Frames, frames_by
from abl.report.figures.every import figures_of
from abl.report.figures.over_axis import MOST_SERIES
from abl.report.figures.style import figure_bytes
from abl.studies.contract import studies
from abl.studies.frozen.figures import (
    PUBLISHED,
    best_of_series,
    frozen_figure,
    frozen_series,
    ordered_depths,
)

TABLE = Path(__file__).parents[3] / "shared" / "methods" / "tables" / "frozen_layers.csv"
EMPTY = pd.DataFrame()


@pytest.fixture(scope="module")
def made() -> Made:
    return frozen_sweep(facts={"network": "vgg16"})


@pytest.fixture(scope="module")
def figure(made: Made) -> Figure:
    drawn = frozen_figure(made.outcome, made.predictions)
    assert drawn is not None
    return drawn


def panels(figure: Figure) -> dict[str, Axes]:
    return {place.get_ylabel(): place for place in figure.axes if place.get_visible()}


def curves(place: Axes) -> list:
    return [line for line in place.lines if len(line.get_xdata()) > 3]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_panel_a_metric_and_a_line_a_series_with_the_means_of_the_table(
    made: Made, figure: Figure
) -> None:
    assert list(panels(figure)) == ["ACC", "AUC", "SEN", "SPE"]
    for label, name in (("ACC", "acc"), ("AUC", "auc"), ("SEN", "sen"), ("SPE", "spe")):
        drawn = [line for line in curves(panels(figure)[label]) if line.get_marker() != "None"]
        assert len(drawn) == 2
        for line, weights in zip(drawn, ("imagenet", "none"), strict=True):
            arms = [arm for arm in made.outcome.arms if arm.params["weights"] == weights]
            np.testing.assert_array_equal(line.get_xdata(), range(14))
            np.testing.assert_allclose(line.get_ydata(), [arm.cells[name].mean for arm in arms])
        assert len(panels(figure)[label].collections) == 2  # bands
    assert {"imagenet", "weights none"} <= set(legend(figure))


def test_the_optimum_is_marked_with_its_interval_under_the_primary_metric(
    made: Made, figure: Figure
) -> None:
    series, _ = frozen_series(made.outcome)
    tests = frames_by(made.predictions, "arm", "test")
    bests = [best_of_series(made.outcome, each, tests) for each in series]
    for name, place in panels(figure).items():
        spans = [line for line in place.lines if len(line.get_xdata()) == 2]
        assert len(spans) == (2 if name == "ACC" else 0)
        for span, best in zip(spans, bests, strict=False):
            assert best.ends is not None
            assert tuple(span.get_xdata()) == best.ends
            assert best.ends[0] <= best.value <= best.ends[1]
    (main,) = [best for best, each in zip(bests, series, strict=True) if each.main]
    assert main.ends is not None
    text = figure.get_label()
    low, high = main.ends
    assert f"optimum at n = {main.value}, 95 % interval {low} to {high}" in text
    assert "2000 samples of 60 patients" in text
    assert "no effect" not in text


def test_rows_of_optima_lie_below_every_curve(figure: Figure) -> None:
    place = panels(figure)["ACC"]
    low, high = place.get_ylim()
    lowest = min(
        path.vertices[:, 1].min() for band in place.collections for path in band.get_paths()
    )
    highest_row = max(line.get_ydata()[0] for line in place.lines if len(line.get_xdata()) == 2)
    assert low + highest_row * (high - low) < lowest


def test_published_values_are_those_of_the_table_and_called_orientation(figure: Figure) -> None:
    grey = [line for line in curves(panels(figure)["ACC"]) if line.get_color() == "0.55"]
    for line, accuracy in zip(grey, PUBLISHED.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), accuracy)
    assert sum("published (Qin 2020)" in text for text in legend(figure)) == 2
    assert "five evaluations of 174 images" in figure.get_label()
    assert "confusion matri" not in figure.get_label()
    assert "orientation only" in figure.get_label()
    assert not [line for line in curves(panels(figure)["AUC"]) if line.get_color() == "0.55"]


@pytest.mark.skipif(not TABLE.exists(), reason="the methods' tables are not part of the checkout")
def test_published_values_are_copied_right() -> None:
    table = pd.read_csv(TABLE)
    columns = {"B-mode": "acc_bmode", "elasticity": "acc_elasticity"}
    for modality, accuracy in PUBLISHED.items():
        np.testing.assert_allclose(np.array(accuracy) * 100, table[columns[modality]])


def test_another_network_has_no_published_values() -> None:
    made = frozen_sweep([0, 3, 6], facts={"network": "resnet18"}, weights=("imagenet",))
    drawn = frozen_figure(made.outcome, made.predictions)
    assert drawn is not None
    assert "published" not in drawn.get_label()
    assert legend(drawn)[0] == "mean"


def test_stages_are_categories_in_the_order_of_their_numbers() -> None:
    made = frozen_sweep(["stage 3", "stage 1", "stage 2", 0], weights=("imagenet",),
                        facts={"network": "vgg16"}, skill=lambda each: 1.0)  # fmt: skip
    drawn = frozen_figure(made.outcome, made.predictions)
    assert drawn is not None
    place = panels(drawn)["ACC"]
    assert [label.get_text() for label in place.get_xticklabels()] == [
        "0", "stage 1", "stage 2", "stage 3",
    ]  # fmt: skip
    assert "published" not in drawn.get_label()
    assert ordered_depths(["none", "stem", 4, "all", 0]) == [0, 4, "none", "stem", "all"]


def test_a_flat_curve_is_said_not_to_be_located() -> None:
    made = frozen_sweep([0, 1, 2, 3], weights=("imagenet",), skill=lambda each: 1.0)
    drawn = frozen_figure(made.outcome, made.predictions)
    assert drawn is not None
    assert "95 % interval 0 to 3, all of the axis: these patients do not locate it" in (
        drawn.get_label()
    )


def test_without_predictions_the_optimum_has_no_interval(made: Made) -> None:
    drawn = frozen_figure(made.outcome, EMPTY)
    assert drawn is not None
    assert "interval not computed" in drawn.get_label()
    assert "observed optimum" in legend(drawn)
    one = replace(made.outcome, metrics=("auc",), primary="auc")
    (place,) = [place for place in frozen_figure(one, EMPTY).axes if place.get_visible()]
    assert place.get_ylabel() == "AUC"


def test_many_series_are_cut_to_the_best_with_one_band() -> None:
    weights = [f"start {letter}" for letter in "abcdefgh"]
    made = frozen_sweep([0, 2, 4], weights=weights, patients=20)
    drawn = frozen_figure(made.outcome, made.predictions)
    assert drawn is not None
    note = f"those with the best ACC on test: {MOST_SERIES} of 8 series"
    assert note in drawn.get_suptitle()
    assert note in drawn.get_label()
    assert len(panels(drawn)["ACC"].collections) == 1
    assert "of the series with the best arm" in drawn.get_label()


def test_two_values_or_no_axis_give_no_figure(made: Made) -> None:
    two = frozen_sweep([0, 6], patients=12)
    assert frozen_figure(two.outcome, two.predictions) is None
    assert frozen_figure(replace(made.outcome, axes=("weights",)), made.predictions) is None


def test_it_stands_after_the_arms_of_its_study_alone(made: Made) -> None:
    small = frozen_sweep([0, 3, 6], patients=12)
    frames, known = Frames(small.predictions), studies()
    drawn = figures_of(small.outcome, frames, known["frozen"].figures(small.outcome, frames))
    assert list(drawn)[:2] == ["arms", "frozen"]
    assert "roc" in drawn
    assert not known["hyper"].figures(small.outcome, frames)
    assert not known["two_step"].figures(small.outcome, frames)


def test_the_same_outcome_gives_the_same_bytes(made: Made, figure: Figure) -> None:
    turned = frozen_figure(made.outcome, made.predictions.sample(frac=1, random_state=1))
    assert turned is not None
    assert figure_bytes(turned, "svg") == figure_bytes(figure, "svg")
