"""How searches of settings went: their points in the order asked, and which parameters mattered.

What a browser shows better (slices, contours, parallel coordinates, the front) is left to
optuna-dashboard, which reads the study on the disk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from abl.decide.check import Bools, Floats
from abl.decide.metrics import METRICS
from abl.plan.outcome import Outcome
from abl.plan.searches import COMPLETE, FAILED, PARAM, PRUNED, STOPPED, Searches
from abl.report.figures.arms import best_of
from abl.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    caption,
    grid_of_panels,
    label_below,
    label_left,
    own_style,
    wrapped,
)
from abl.report.labels import arm_label, metric_label, one_line
from abl.report.setting_words import constraint_text, short_names

MOST_SEARCHES = 6
MOST_GENERATIONS = 40
BEST = "best so far"
# state -> colour, marker, size, label
STATE_LOOKS = {
    COMPLETE: (BLUE, "o", 4.5, "complete"),
    PRUNED: (ORANGE, "v", 4.5, "pruned after some replicates"),
    STOPPED: (GREY, "s", 4.0, "stopped within a training"),
    FAILED: (BLACK, "x", 5.0, "failed"),
}
# name of the fact, its word in the legend, colour, line
LEVELS = (
    ("expected_by_chance", "best expected by chance", BLACK, ":"),
    ("test", "chosen, on test", GREEN, "--"),
)
_RING: dict[str, Any] = {
    "ls": "", "marker": "o", "ms": 10.0, "mfc": "none", "mec": VERMILION, "mew": 1.6, "zorder": 6,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class OneSearch:
    """One search of a sweep: its points by number, and what the outcome says of it.

    Attributes:
        label: It in a few words, "" if it is the only one.
        objective, maximize: The first one, on validation, as figures write it.
    """

    label: str
    facts: Mapping[str, Any]
    points: pd.DataFrame
    objective: str
    maximize: bool

    @property
    def arm(self) -> str:
        """Key of the tuned arm, or ""."""
        return str(self.facts.get("arm", ""))

    def fact(self, name: str) -> float:
        """A number among the facts, nan if it is not known."""
        return _number(self.facts.get(name))

    @property
    def value(self) -> Floats:
        """(P,) the first objective; of points given up, the mean of what was scored."""
        return self.points["value_0"].fillna(self.points["so_far_0"]).to_numpy(np.float64)

    def flag(self, name: str) -> Bools:
        """(P,) a column of true and false; a search without constraints has all feasible."""
        if name not in self.points:
            return np.full(len(self.points), name == "feasible")
        return self.points[name].to_numpy(bool)

    def state(self, name: str) -> Bools:
        """(P,) whether a point ended in a state."""
        return (self.points["state"] == name).to_numpy(bool)

    @property
    def best(self) -> Floats:
        """(P,) the best value up to each point, of complete feasible ones."""
        value = self.value
        counts = self.state(COMPLETE) & self.flag("feasible") & ~np.isnan(value)
        sign = 1.0 if self.maximize else -1.0
        best = np.maximum.accumulate(np.where(counts, sign * value, -math.inf))
        return np.where(np.isfinite(best), sign * best, math.nan)

    @property
    def importance(self) -> list[tuple[str, float, float]]:
        """Parameters in short with mean and sd of their importance, most important first."""
        columns = [str(name) for name in self.points if str(name).startswith(PARAM)]
        short = short_names([name.removeprefix(PARAM) for name in columns])
        rows = [
            (short[str(row["name"])], _number(row.get("mean")), _number(row.get("sd")))
            for row in self.facts.get("importance") or ()
            if str(row["name"]) in short
        ]
        return sorted((row for row in rows if not math.isnan(row[1])), key=lambda row: -row[1])


def search_figures(outcome: Outcome, searches: Searches) -> dict[str, Callable[[], Figure | None]]:
    """Name -> what draws it: search_history and search_importance, with a panel a search.

    Six panels at most, and then they say so. All values are on validation but the level of the
    tuned arm on test.

    Args:
        outcome: With facts["searches"]: one mapping a search. What it leaves out is read off the
            frames.
        searches: May be empty: no figures.
    """
    shown, cut = searches_of(outcome, searches)
    if not shown:
        return {}
    return {
        "search_history": lambda: history_figure(outcome, shown, cut),
        "search_importance": lambda: importance_figure(outcome, shown, cut),
    }


def searches_of(outcome: Outcome, searches: Searches) -> tuple[list[OneSearch], str]:
    """At most MOST_SEARCHES in the order of their first point, and which they are if some are cut.

    That of the best tuned arm is among them.
    """
    facts = {str(each.get("search", "")): each for each in outcome.facts.get("searches") or ()}
    labels = {arm.key: arm_label(arm.params, outcome.axes) for arm in outcome.arms}
    found = []
    names = searches.points["search"].astype(str) if searches else pd.Series(dtype=str)
    for name in dict.fromkeys(names):
        given = facts.get(name, {})
        first = next(iter(given.get("objectives") or ()), {"metric": outcome.primary})
        metric = METRICS.get(str(first["metric"]))
        lower = metric is not None and metric.higher_is_better is False
        direction = first.get("direction", "minimize" if lower else "maximize")
        found.append(
            OneSearch(
                one_line(labels.get(name, name)),
                given,
                searches.points[names == name].sort_values("number", kind="stable"),
                metric_label(str(first["metric"])),
                direction == "maximize",
            )
        )
    if len(found) <= MOST_SEARCHES:
        return found, ""
    tuned = {one.arm for one in found}
    best = best_of(outcome, [arm for arm in outcome.arms if arm.key in tuned and not arm.failed])
    main = next((one for one in found if best is not None and one.arm == best.key), found[0])
    others = [one for one in found if one is not main][: MOST_SEARCHES - 1]
    kept = [one for one in found if one is main or one in others]
    return kept, f"{len(kept)} of {len(found)} searches"


def history_figure(outcome: Outcome, shown: Sequence[OneSearch], cut: str = "") -> Figure:
    """The first objective by number of the point, a panel a search, with the best so far.

    Levels: the best expected by chance, and the tuned arm on test, where they are known.
    """
    objective = shown[0].objective
    with own_style():
        width, height = (6.2, 3.0) if len(shown) == 1 else (3.0, 2.3)
        figure, grid = grid_of_panels(
            len(shown), columns=3, width_in=width, height_in=height, share=False
        )
        for place, one in zip(grid, shown, strict=True):
            _draw_history(place, one)
            place.set_title(wrapped(one.label if len(shown) > 1 else "", 34), fontsize=9)
        label_below(grid, "number of the point")
        label_left(grid, f"{objective} on validation")
        levels = [
            Line2D([], [], color=colour, ls=line, lw=1.3, label=label)
            for name, label, colour, line in LEVELS
            if any(not math.isnan(one.fact(name)) for one in shown)
        ]
        best = Line2D([], [], color=BLUE, lw=1.4, label=BEST)
        found = [best] if any(not np.isnan(one.best).all() for one in shown) else []
        handles = [*_point_handles(shown), *found, *levels]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
        several = len(shown[0].facts.get("objectives") or ()) > 1
        which = f" ({objective}, the first of several objectives)" if several else ""
        constraints = [constraint_text(each) for each in shown[0].facts.get("constraints") or ()]
        hollow = f" Hollow: complete, but fails {' and '.join(constraints)}." if constraints else ""
        text = (
            f"Every point by its mean over replicates on validation{which}, in the order in which "
            "points were asked; of points given up, the mean of what was scored. Failed ones "
            "without a score lie on the edge. Upright grey lines: where a generation begins. The "
            f"best so far counts complete points that meet the constraints.{hollow}"
        )
        if levels:
            text += (
                " A best score near the one expected by chance says that the search found little; "
                "the score on test is the honest one."
            )
        caption(figure, f"{outcome.title or outcome.name}: the search, point by point", text, cut)
    return figure


def importance_figure(outcome: Outcome, shown: Sequence[OneSearch], cut: str = "") -> Figure | None:
    """Bars of each parameter's importance with sd over replicates, a panel a search.

    None if no search has any.
    """
    known = [one for one in shown if one.importance]
    if not known:
        return None
    most = max(len(one.importance) for one in known)
    with own_style():
        figure, grid = grid_of_panels(
            len(known),
            columns=3 if most < 10 else 2,
            width_in=5.2 if len(known) == 1 else 3.2,
            height_in=0.7 + 0.3 * most,
            margins_in=(0.8, 0.8),
            share=False,
        )
        for place, one in zip(grid, known, strict=True):
            names, means, sds = zip(*one.importance, strict=True)
            at, spread = np.arange(len(names)), np.nan_to_num(np.array(sds))
            place.barh(
                at, means, 0.65, color=BLUE, alpha=0.75, xerr=spread if spread.any() else None,
                error_kw={"ecolor": "0.15", "elinewidth": 1.1, "capsize": 2.5},
            )  # fmt: skip
            place.set_yticks(at, [wrapped(name, 26, lines=2) for name in names])
            place.set_ylim(len(names) - 0.4, -0.6)
            place.set_xlim(left=0)
            place.grid(visible=False, axis="y")
            place.set_title(wrapped(one.label if len(shown) > 1 else "", 34), fontsize=9)
        objective = known[0].objective
        has_sd = any(not math.isnan(sd) for one in known for _, _, sd in one.importance)
        label = f"importance for {objective}" + (" (mean, sd over replicates)" * has_sd)
        figure.supxlabel(label, fontsize=9)
        text = (
            f"How much of what differs between points in {objective} on validation each "
            f"parameter accounts for alone{', mean and sd over replicates' if has_sd else ''}. Few "
            "points leave it uncertain, and it holds for the searched ranges alone."
        )
        caption(figure, f"{outcome.title or outcome.name}: which parameters mattered", text, cut)
    return figure


def _draw_history(place: Axes, one: OneSearch) -> None:
    number, value = one.points["number"].to_numpy(np.float64), one.value
    starts = one.points.groupby("generation")["number"].min().to_numpy()[1:]
    for start in starts[:: math.ceil(len(starts) / MOST_GENERATIONS) or 1]:
        place.axvline(start - 0.5, color="0.85", lw=0.7, zorder=0.5)
    known = ~np.isnan(value)
    # one without a score lies on the edge of the worse
    edge = np.full(len(value), 0.02 if one.maximize else 0.98)
    for state, (colour, *_) in reversed(STATE_LOOKS.items()):
        hollow = one.state(state) & ~one.flag("feasible") & (state == COMPLETE)
        for mine, face in ((hollow, "w"), (one.state(state) & ~hollow, colour)):
            look = {**_look(state, face), "alpha": 0.85}
            if (kept := mine & known).any():
                place.plot(number[kept], value[kept], **look)
            if (kept := mine & ~known).any():
                across = place.get_xaxis_transform()
                place.plot(number[kept], edge[kept], transform=across, **look)
    if (chosen := one.flag("chosen") & known).any():
        place.plot(number[chosen], value[chosen], **_RING)
    # one step further, so that the best of the last point is seen
    x, y = np.append(number, number.max() + 0.8), np.append(one.best, one.best[-1])
    place.plot(x, y, color=BLUE, lw=1.4, drawstyle="steps-post", label=BEST)
    for name, label, colour, line in LEVELS:
        if not math.isnan(one.fact(name)):
            place.axhline(one.fact(name), color=colour, ls=line, lw=1.3, label=label)
    place.set_xlim(number.min() - 0.8, number.max() + 0.8)
    place.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    if np.isnan(value).all():
        place.set_yticks([])
        place.annotate("no point has a score", (0.5, 0.5), xycoords="axes fraction", ha="center")


def _point_handles(searches: Sequence[OneSearch]) -> list[Line2D]:
    """Entries of a legend for what the searches have."""
    handles = []
    for state, (colour, *_, label) in STATE_LOOKS.items():
        if any(one.state(state).any() for one in searches):
            handles.append(Line2D([], [], label=label, **_look(state, colour)))
        hollow = [(one.state(state) & ~one.flag("feasible")).any() for one in searches]
        if state == COMPLETE and any(hollow):
            handles.append(Line2D([], [], label="complete, not feasible", **_look(state, "w")))
    if any(one.flag("chosen").any() for one in searches):
        handles.append(Line2D([], [], **_RING, label="chosen"))
    return handles


def _look(state: str, face: str) -> dict[str, Any]:
    colour, marker, size, _ = STATE_LOOKS[state]
    return {"ls": "", "marker": marker, "ms": size, "color": colour, "mfc": face}


def _number(value: Any) -> float:
    """A number of the facts, nan if it is not known."""
    return math.nan if value is None else float(value)
