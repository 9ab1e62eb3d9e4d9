"""Figures: drawn for any outcome, marked where the choice fell, the same bytes each time."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abl.plan.outcome import ArmOutcome, Cell, Outcome
from abl.report.figures.bars import MOST_ARMS, bar_figure
from abl.report.figures.curves import curve_figure
from abl.report.figures.style import save_figure, wrapped
from abl.report.figures.tuned import heatmap_figure


def curve(last: float = 1.0) -> pd.DataFrame:
    threshold = np.linspace(0, 1, 11)
    threshold[-1] = last
    accuracy = 0.8 + 0.1 * np.linspace(0, 1, 11)
    step = np.arange(0, 1001, 100)
    return pd.DataFrame(
        {"threshold": threshold, "step": step, "accuracy": accuracy, "accuracy_sd": 0.02}
    )


def arm(consensus: int | str, rule: str, **changes: object) -> ArmOutcome:
    fields: dict[str, object] = {
        "key": f"{consensus}-{rule}",
        "params": {"network": "cnn1", "consensus": consensus, "rule": rule},
        "cells": {"accuracy": Cell(0.8, 0.02, math.nan, math.nan, 2)},
        "replicates": pd.DataFrame({"accuracy": [0.78, 0.82], "threshold": [0.4, 0.6]}),
        "curve": curve(),
    }
    return ArmOutcome(**{**fields, **changes})  # type: ignore[arg-type]


def outcome(*arms: ArmOutcome) -> Outcome:
    axes = ("network", "consensus", "rule")
    return Outcome(
        "s", "k", "two_step", "Title", axes, ("accuracy",), "accuracy", "threshold", arms
    )


def visible_panels(sweep: Outcome) -> list:
    figure = curve_figure(sweep)
    assert figure is not None
    return [place for place in figure.axes if place.get_visible()]


def test_a_panel_for_each_rule_and_a_line_for_each_consensus() -> None:
    arms = [arm(n, rule) for n in (1, 3, 5) for rule in ("model1", "model2")]
    panels = visible_panels(outcome(*arms, arm("", "original", curve=None)))
    assert [panel.get_title() for panel in panels] == ["model1", "model2"]
    for panel in panels:
        lines = [line for line in panel.lines if len(line.get_xdata()) == 11]
        assert len({line.get_color() for line in lines}) == 3


def test_the_chosen_point_is_the_mean_of_the_replicates_on_the_curve() -> None:
    (panel,) = visible_panels(outcome(arm(3, "model1")))
    points = [line for line in panel.lines if len(line.get_xdata()) == 1]
    assert len(points) == 1
    assert points[0].get_xdata()[0] == pytest.approx(0.5)
    assert points[0].get_ydata()[0] == pytest.approx(0.85)


@pytest.mark.parametrize("always", [math.inf, 1.001])
def test_always_is_drawn_beyond_the_last_threshold(always: float) -> None:
    (panel,) = visible_panels(outcome(arm(3, "model1", curve=curve(last=always))))
    assert np.isfinite(panel.lines[0].get_xdata()).all()
    assert "always" in [text.get_text() for text in panel.texts]


def test_a_spread_stays_where_shares_are() -> None:
    wide = curve().assign(accuracy=0.98, accuracy_sd=0.2)
    one = arm(3, "average", curve=wide, cells={"accuracy": Cell(0.98, 0.2, math.nan, math.nan, 2)})
    (band,) = visible_panels(outcome(one, arm(5, "average", curve=wide)))[0].collections[:1]
    assert band.get_paths()[0].vertices[:, 1].max() == 1.0
    figure = bar_figure(outcome(one))
    spans = [line.get_xdata() for line in figure.axes[0].lines if line.get_ls() == "-"]
    assert max(max(span) for span in spans) == 1.0


def test_values_of_an_uneven_grid_are_told_apart_on_the_axis_of_a_heat_map() -> None:
    ninths = curve().assign(threshold=np.linspace(0, 0.95, 11) / 0.99)
    figure = heatmap_figure(outcome(*(arm(n, "average", curve=ninths) for n in (1, 3))))
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert names == ["0", "0.19", "0.38", "0.58", "0.77", "0.96"]
    near = curve().assign(threshold=0.5 + np.arange(11) / 1000)
    figure = heatmap_figure(outcome(*(arm(n, "average", curve=near) for n in (1, 3))))
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert names == ["0.5", "0.502", "0.504", "0.506", "0.508", "0.51"]


def test_replicates_lie_above_the_interval() -> None:
    figure = bar_figure(outcome(arm(3, "average")))
    (span,) = [line for line in figure.axes[0].lines if line.get_ls() == "-"]
    (dots,) = [line for line in figure.axes[0].lines if line.get_ms() < 6 and line is not span]
    assert list(dots.get_xdata()) == [0.78, 0.82]
    assert dots.get_zorder() > span.get_zorder()


def test_settings_of_an_arm_are_not_torn_apart_between_lines() -> None:
    name = "tiny_vgg · rotate_deg 15 · weight_decay 1e-05 · lr 0.001 (best)"
    assert wrapped(name, 28).split("\n") == [
        "tiny_vgg · rotate_deg 15 ·",
        "weight_decay 1e-05 ·",
        "lr 0.001 (best)",
    ]
    assert (
        wrapped("a name of one setting that is long", 20) == "a name of one\nsetting that is long"
    )
    assert wrapped(name, 28, lines=1) == "tiny_vgg · rotate_deg 15 · …"


def test_no_curve_no_figure() -> None:
    assert curve_figure(outcome(arm("", "original", curve=None))) is None
    assert bar_figure(outcome(arm("", "original", cells={}, failed="no"))) is None


def test_a_failed_arm_keeps_its_row() -> None:
    figure = bar_figure(outcome(arm(1, "model1"), arm(3, "model1", cells={}, failed="no GPU")))
    assert figure is not None
    (place,) = figure.axes
    assert [text.get_text() for text in place.texts] == ["failed"]
    assert len(place.get_yticklabels()) == 2


def test_a_large_table_shows_its_best_and_says_so() -> None:
    arms = [
        arm(n, "model1", cells={"accuracy": Cell(n / 500, 0.01, math.nan, math.nan, 2)})
        for n in range(MOST_ARMS + 20)
    ]
    figure = bar_figure(outcome(*arms))
    assert figure is not None
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == MOST_ARMS
    assert labels[0] == "consensus 20"
    assert f"on test: {MOST_ARMS} of {MOST_ARMS + 20} arms" in figure.get_suptitle()


@pytest.mark.parametrize("name", ["curve.svg", "curve.png"])
def test_same_bytes_in_another_process(tmp_path: Path, name: str) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "import matplotlib; matplotlib.rcParams['font.size'] = 30\n"
        "from test_tables_figures import arm, outcome\n"
        "from abl.report.figures.curves import curve_figure\n"
        "from abl.report.figures.style import save_figure\n"
        "figure = curve_figure(outcome(arm(1, 'model1'), arm(3, 'model1')))\n"
        "save_figure(figure, Path(sys.argv[2]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    other = tmp_path / f"other-{name}"
    here = tmp_path / name
    arguments = [sys.executable, "-c", code, str(Path(__file__).parent), str(other)]
    subprocess.run(arguments, check=True)
    figure = curve_figure(outcome(arm(1, "model1"), arm(3, "model1")))
    assert figure is not None
    save_figure(figure, here)
    assert here.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, other.name])
