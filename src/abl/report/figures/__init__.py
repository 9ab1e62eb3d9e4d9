"""All figures of a sweep, by name: what MLflow keeps and the report shows."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from matplotlib.figure import Figure

from abl.plan.outcome import Outcome
from abl.plan.searches import Searches
from abl.report.figures.arms import shown_arms
from abl.report.figures.bars import MOST_ARMS, bar_figure
from abl.report.figures.curves import MOST_PANELS, curve_figure, on_test
from abl.report.figures.flow import flow_figure
from abl.report.figures.frozen import frozen_figure
from abl.report.figures.fusion import modes_figure, operating_figure, roc_modes_figure
from abl.report.figures.heatmap import heatmap_figure
from abl.report.figures.intervals import with_curve_intervals
from abl.report.figures.mask_guided import inside_figure, placement_figure
from abl.report.figures.mask_guided_confusion import MOST_PANELS as MOST_MATRICES
from abl.report.figures.mask_guided_confusion import percent_confusion_figure
from abl.report.figures.mask_guided_maps import maps_figure
from abl.report.figures.mode_arms import mode_arms
from abl.report.figures.networks import confidence_figure
from abl.report.figures.only_one import only_one_figure
from abl.report.figures.pareto import pareto_figure
from abl.report.figures.predictions import (
    confusion_figure,
    reliability_figure,
    risk_coverage_figure,
    roc_figure,
)
from abl.report.figures.search_figures import search_figures
from abl.report.figures.style import save_figure, settle
from abl.report.pictures import Pictures

__all__ = [
    "MOST_ARMS",
    "MOST_PANELS",
    "bar_figure",
    "curve_figure",
    "figures_of",
    "save_figure",
]


def figures_of(
    outcome: Outcome,
    predictions: pd.DataFrame,
    networks: pd.DataFrame,
    trials: pd.DataFrame | None = None,
    pictures: Pictures | None = None,
    searches: Searches | None = None,
) -> dict[str, Figure]:
    """Name -> figure: arms, curve, heatmap, pareto, confidence, flow, roc, reliability, confusion,
    risk_coverage; last curve_test and heatmap_test, the exploratory appendix. After arms stand
    those of one study: frozen; modes, roc_modes, operating and only_one of fusion; placement,
    inside and maps of mask_guided; then those of searches of hyperparameters, search_history and
    others. Those that the data allow.

    Curve, heat map and front are drawn on validation. Figures with a panel or line an arm show
    base, best and the next best, eight in all, and say so. What a page says under a figure is
    `figure.get_label()`.

    Args:
        predictions: One row an (arm, replicate, role, unit): arm, repeat, fold, seed, role, unit,
            label, patient, sent, p_0, p_1, .... May be empty.
        networks: The same of single networks: network instead of arm, no sent. May be empty.
        trials: Points of searches: value_0 (quality), value_1 (share sent on), front, arm.
        pictures: Images with what networks see in them, if the study draws some.
        searches: Points of searches of hyperparameters, if there were any.
    """
    shown = shown_arms(outcome, predictions)
    classes = _class_names(outcome, shown.arms[0].scores[0].p.shape[1]) if shown.arms else ()
    made: dict[str, Callable[[], Figure | None]] = {"arms": lambda: bar_figure(outcome)}
    made |= _of_study(outcome, predictions, classes, pictures)
    if searches:
        made |= search_figures(outcome, searches)
    made |= {
        "curve": lambda: curve_figure(with_curve_intervals(outcome, networks)),
        "heatmap": lambda: heatmap_figure(outcome),
        "pareto": lambda: pareto_figure(outcome, trials),
        "confidence": lambda: confidence_figure(outcome, networks),
    }
    # studies without a second network send nothing on
    if predictions.empty or "sent" in predictions:
        made["flow"] = lambda: flow_figure(outcome, predictions, networks)
    if shown.arms:
        made |= {
            "roc": lambda: roc_figure(shown),
            "reliability": lambda: reliability_figure(shown),
            "confusion": lambda: confusion_figure(shown, classes),
            "risk_coverage": lambda: risk_coverage_figure(shown),
        }
    if outcome.study == "mask_guided":  # small panels, as it has many arms
        many = shown_arms(outcome, predictions, most=MOST_MATRICES)
        made["confusion"] = lambda: percent_confusion_figure(many, classes)
    made |= {
        "curve_test": lambda: curve_figure(on_test(outcome), "test"),
        "heatmap_test": lambda: heatmap_figure(on_test(outcome), "test"),
    }
    figures = {}
    for name, draw in made.items():
        figure = draw()
        if figure is not None:
            settle(figure)
            figures[name] = figure
    return figures


def _of_study(
    outcome: Outcome,
    predictions: pd.DataFrame,
    classes: tuple[str, ...],
    pictures: Pictures | None,
) -> dict[str, Callable[[], Figure | None]]:
    """The figures that only one study has."""
    if outcome.study == "frozen":
        return {"frozen": lambda: frozen_figure(outcome, predictions)}
    if outcome.study == "mask_guided":
        return {
            "placement": lambda: placement_figure(outcome),
            "inside": lambda: inside_figure(outcome),
            "maps": lambda: maps_figure(pictures, classes),
        }
    if outcome.study != "fusion":
        return {}
    modes = mode_arms(outcome, predictions)
    return {
        "modes": lambda: modes_figure(outcome, modes),
        "roc_modes": lambda: roc_modes_figure(modes),
        "operating": lambda: operating_figure(modes),
        "only_one": lambda: only_one_figure(modes, classes),
    }


def _class_names(outcome: Outcome, size: int) -> tuple[str, ...]:
    given = outcome.facts.classes
    if given:
        return tuple(str(name) for name in given)
    return ("negative", "positive") if size == 2 else ()
