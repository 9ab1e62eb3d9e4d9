"""All figures of a sweep, by name: what MLflow keeps and the report shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames, shown_arms
from abl.report.figures.bars import bar_figure
from abl.report.figures.curves import curve_figure, on_test
from abl.report.figures.data import with_curve_intervals
from abl.report.figures.decision_curve import decision_curve_figure
from abl.report.figures.forest import forest_figure
from abl.report.figures.networks import confidence_figure, flow_figure
from abl.report.figures.predictions import (
    confusion_figure,
    reliability_figure,
    risk_coverage_figure,
    roc_figure,
)
from abl.report.figures.search import search_figures
from abl.report.figures.style import settle
from abl.report.figures.tuned import heatmap_figure, pareto_figure
from abl.report.labels import cluster_word, clusters_named
from abl.report.scored_words import call_scored


def figures_of(
    outcome: Outcome,
    frames: Frames,
    of_study: Mapping[str, Draw] | None = None,
    each: Callable[[str, Figure], None] = lambda name, figure: None,
) -> dict[str, Figure]:
    """Name -> figure, those that the data allow, in the order of pages; the appendix is last.

    Curve, heat map and front are drawn on validation. Figures with a panel or line an arm show
    base, best and the next best, eight in all, and say so. What a page says under a figure is
    `figure.get_label()`.

    Args:
        of_study: What the outcome's study draws; it may stand for a general one of its name.
        each: Is given every figure as soon as it is made.
    """
    predictions, own = frames.predictions, dict(of_study or {})
    shown, classes = shown_arms(outcome, predictions), frames.classes(outcome)
    made: dict[str, Draw] = {
        **(search_figures(outcome, frames.searches) if frames.searches else {}),
        "curve": lambda: curve_figure(with_curve_intervals(outcome, frames.networks)),
        "heatmap": lambda: heatmap_figure(outcome),
        "pareto": lambda: pareto_figure(outcome, frames.trials),
        "confidence": lambda: confidence_figure(outcome, frames.networks),
    }
    # studies without a second network send nothing on
    if predictions.empty or "sent" in predictions:
        made["flow"] = lambda: flow_figure(outcome, predictions, frames.networks)
    if shown.arms:
        made |= {
            "roc": lambda: roc_figure(shown),
            "reliability": lambda: reliability_figure(shown, classes),
            "confusion": lambda: confusion_figure(shown, classes),
            "risk_coverage": lambda: risk_coverage_figure(shown),
            "decision_curve": lambda: decision_curve_figure(shown, classes),
        }
    made |= {
        "curve_test": lambda: curve_figure(on_test(outcome), "test"),
        "heatmap_test": lambda: heatmap_figure(on_test(outcome), "test"),
    }
    # a name that is there already keeps its place
    made |= {name: own.pop(name) for name in list(own) if name in made}
    named = ", ".join(str(row["name"]) for row in outcome.facts.departures)
    followed = f"Published protocol: {named}; see the weak points." if named else ""
    figures = {}
    for name, draw in {
        "differences": lambda: forest_figure(outcome),
        "arms": lambda: bar_figure(outcome),
        **own,
        **made,
    }.items():
        figure = draw()
        if figure is not None:
            call_scored(figure, outcome)
            settle(figure)
            label = " ".join(filter(None, (str(figure.get_label()), followed)))
            figure.set_label(clusters_named(label, cluster_word(outcome)))
            figures[name] = figure
            each(name, figure)
    return figures
