"""All figures of a sweep's searches, by name."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from abl.plan.outcome import Outcome
from abl.plan.searches import Searches
from abl.report.figures.search_history import history_figure, intermediate_figure
from abl.report.figures.search_parameters import (
    importance_figure,
    parallel_figure,
    slices_figure,
)
from abl.report.figures.search_parts import few_searches, main_search, searches_of
from abl.report.figures.search_surface import contour_figure, search_front_figure


def search_figures(outcome: Outcome, searches: Searches) -> dict[str, Callable[[], Figure | None]]:
    """Name -> what draws it: search_history, search_importance, search_slices, search_contour,
    search_parallel, search_front, search_intermediate. What the data do not allow gives None.

    History and importance have a panel a search, six at most; the others show the search of the
    best tuned arm, else the first one, and say so. All values are on validation but the level of
    the tuned arm on test in search_history.

    Args:
        outcome: With facts.searches: one mapping a search. What it leaves out is read off the
            frames.
        searches: May be empty: no figures.
    """
    found = searches_of(outcome, searches)
    if not found:
        return {}
    main, which = main_search(outcome, found)
    few, cut = few_searches(found, main)
    return {
        "search_history": lambda: history_figure(outcome, few, cut),
        "search_importance": lambda: importance_figure(outcome, few, cut),
        "search_slices": lambda: slices_figure(outcome, main, which),
        "search_contour": lambda: contour_figure(outcome, main, which),
        "search_parallel": lambda: parallel_figure(outcome, main, which),
        "search_front": lambda: search_front_figure(outcome, main, which),
        "search_intermediate": lambda: intermediate_figure(outcome, main, which),
    }
