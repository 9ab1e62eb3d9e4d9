"""How searches of settings went: their points in the order asked, and which parameters mattered.

What a browser shows better (slices, contours, parallel coordinates, the front) is left to
optuna-dashboard, which reads the study on the disk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from abl.decide.check import Bools, Floats
from abl.plan.outcome import COMPLETE, FAILED, PARAM, PRUNED, STOPPED, Outcome, Searches
from abl.report.figures.arms import Draw, best_of, sign_of
from abl.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    caption,
    grid_of_panels,
    is_seen,
    label_below,
    own_style,
    wrapped,
)
from abl.report.labels import constraint_text, label_in, one_line, short_names
from abl.report.named import headed, words_of

MOST_SEARCHES = 6
MOST_GENERATIONS = 40
BEST, CHOSEN = "best so far", "chosen"
# (state, whether feasible) -> how its points look
LOOKS: dict[tuple[str, bool], dict[str, Any]] = {
    (COMPLETE, True): {"color": BLUE, "marker": "o", "ms": 4.5, "label": "complete"},
    (COMPLETE, False): {"color": BLUE, "marker": "o", "ms": 4.5, "mfc": "w",
                        "label": "complete, not feasible"},
    (PRUNED, True): {"color": ORANGE, "marker": "v", "ms": 4.5,
                     "label": "pruned after some replicates"},
    (STOPPED, True): {"color": GREY, "marker": "s", "ms": 4.0,
                      "label": "stopped within a training"},
    (FAILED, True): {"color": BLACK, "marker": "x", "ms": 5.0, "label": "failed"},
}  # fmt: skip
RING: dict[str, Any] = {"marker": "o", "ms": 10.0, "mfc": "none", "mec": VERMILION, "mew": 1.6}
# name of the fact -> its word in the legend, colour, line
LEVELS = {
    "expected_by_chance": ("best expected by chance", BLACK, ":"),
    "test": ("chosen, on test", GREEN, "--"),
}


@dataclass(frozen=True, eq=False)
class OneSearch:
    """One search of a sweep.

    Attributes:
        label: It in a few words, "" if it is the only one.
        facts: What the outcome says of it.
        points: By number.
        objective, maximize: The first one, on validation, as figures write it.
    """

    label: str
    facts: Mapping[str, Any]
    points: pd.DataFrame
    objective: str
    maximize: bool

    def fact(self, name: str) -> float:
        """A number among the facts, nan if it is not known."""
        value = self.facts.get(name)
        return math.nan if value is None else float(value)

    @property
    def value(self) -> Floats:
        """(P,) the first objective; of points given up, the mean of what was scored."""
        return self.points["value_0"].fillna(self.points["so_far_0"]).to_numpy(np.float64)

    @property
    def chosen(self) -> Bools:
        """(P,) what was chosen, of points with a value."""
        return self.points["chosen"].to_numpy(bool) & ~np.isnan(self.value)

    def of(self, state: str, *, feasible: bool = True) -> Bools:
        """(P,) whether a point ended in a state; of complete ones, those that are feasible or not.

        Of others that is not known: all of them are taken as feasible.
        """
        met = self.points["feasible"].to_numpy(bool) | (state != COMPLETE)
        return (self.points["state"] == state).to_numpy(bool) & (met == feasible)

    @property
    def best(self) -> Floats:
        """(P,) the best value up to each point, of complete feasible ones."""
        counts, sign = self.of(COMPLETE) & ~np.isnan(self.value), 1.0 if self.maximize else -1.0
        best = np.maximum.accumulate(np.where(counts, sign * self.value, -math.inf))
        return np.where(np.isfinite(best), sign * best, math.nan)

    @property
    def importance(self) -> pd.DataFrame:
        """name (in short), mean, sd of each parameter's importance, most important first."""
        columns = [str(name) for name in self.points if str(name).startswith(PARAM)]
        short = short_names([name.removeprefix(PARAM) for name in columns])
        given = self.facts.get("importance") or ()
        rows = pd.DataFrame(given, columns=["name", "mean", "sd"])
        rows = rows.assign(name=rows["name"].map(short)).astype({"mean": float, "sd": float})
        return rows.dropna(subset=["name", "mean"]).sort_values("mean", ascending=False)


def search_figures(outcome: Outcome, searches: Searches) -> dict[str, Draw]:
    """Name -> what draws it: search_history and search_importance, with a panel a search.

    All values are on validation but the level of the tuned arm on test. What `outcome.facts` does
    not say of a search is read off its frames.
    """
    shown, cut = searches_of(outcome, searches)
    if not shown:
        return {}
    return {
        "search_history": lambda: history_figure(outcome, shown, cut),
        "search_importance": lambda: importance_figure(outcome, shown, cut),
    }


def searches_of(outcome: Outcome, searches: Searches) -> tuple[list[OneSearch], str]:
    """At most MOST_SEARCHES, that of the best tuned arm among them, and which if some are cut."""
    if not searches:
        return [], ""
    facts = {str(each.get("search", "")): each for each in outcome.facts.searches}
    labels = {arm.key: words_of(arm, outcome) for arm in outcome.arms}
    found = []
    for name, points in searches.points.groupby("search", sort=False):
        given = facts.get(str(name), {})
        first = next(iter(given.get("objectives") or ()), {"metric": outcome.primary})
        lower = sign_of(str(first["metric"])) < 0
        direction = first.get("direction", "minimize" if lower else "maximize")
        label = one_line(labels.get(str(name), str(name)))
        ordered, objective = points.sort_values("number"), label_in(outcome, str(first["metric"]))
        found.append(OneSearch(label, given, ordered, objective, direction == "maximize"))
    if len(found) <= MOST_SEARCHES:
        return found, ""
    tuned = {one.facts.get("arm"): one for one in reversed(found)}
    best = best_of(outcome, [arm for arm in outcome.arms if arm.key in tuned and not arm.failed])
    main = found[0] if best is None else tuned[best.key]
    others = [one for one in found if one is not main][: MOST_SEARCHES - 1]
    kept = [one for one in found if one is main or one in others]
    return kept, f"{len(kept)} of {len(found)} searches"


def history_figure(outcome: Outcome, shown: Sequence[OneSearch], cut: str = "") -> Figure:
    """The first objective by number of the point, a panel a search, and the best so far."""
    objective = shown[0].objective
    with own_style():
        wide, high = (6.2, 3.0) if len(shown) == 1 else (3.0, 2.3)
        figure, grid = grid_of_panels(
            len(shown), columns=3, width_in=wide, height_in=high, share=False
        )
        for place, one in zip(grid, shown, strict=True):
            _draw_history(place, one)
            place.set_title(wrapped(one.label if len(shown) > 1 else "", 34), fontsize=9)
        label_below(grid, "number of the point", f"{objective} on validation")
        figure.legend(handles=_handles(grid), loc="outside lower center", ncols=3, fontsize=8)
        several = len(shown[0].facts.get("objectives") or ()) > 1
        which = f" ({objective}, the first of several objectives)" if several else ""
        constraints = [constraint_text(each) for each in shown[0].facts.get("constraints") or ()]
        hollow = f" Hollow: complete, but fails {' and '.join(constraints)}." if constraints else ""
        text = (
            f"Every point by its mean over replicates on validation{which}, in the order in which "
            "points were asked; of points given up, the mean of what was scored."
        )
        if any(np.isnan(one.value).any() for one in shown):
            text += " Those without a score lie on the edge."
        if any(one.points["generation"].nunique() > 1 for one in shown):
            text += " Upright grey lines: where a generation begins."
        text += f" The best so far counts complete points that meet the constraints.{hollow}"
        if any(not math.isnan(one.fact(name)) for one in shown for name in LEVELS):
            text += (
                " A best score near the one expected by chance says that the search found little; "
                "the score on test is the honest one."
            )
        caption(figure, headed(outcome, "the search, point by point"), text, cut)
    return figure


def importance_figure(outcome: Outcome, shown: Sequence[OneSearch], cut: str = "") -> Figure | None:
    """Bars of each parameter's importance with sd over replicates, a panel a search.

    None if no search has any.
    """
    known = [one for one in shown if len(one.importance)]
    if not known:
        return None
    most = max(len(one.importance) for one in known)
    with own_style():
        columns, width = 3 if most < 10 else 2, 5.2 if len(known) == 1 else 3.2
        figure, grid = grid_of_panels(
            len(known), columns=columns, width_in=width, height_in=0.7 + 0.3 * most,
            margins_in=(0.8, 0.8), share=False,
        )  # fmt: skip
        for place, one in zip(grid, known, strict=True):
            rows, at = one.importance, range(len(one.importance))
            spread = rows["sd"].fillna(0.0)
            place.barh(
                at, rows["mean"], 0.65, color=BLUE, alpha=0.75,
                xerr=spread if spread.any() else None,
                error_kw={"ecolor": "0.15", "elinewidth": 1.1, "capsize": 2.5},
            )  # fmt: skip
            place.set_yticks(at, [wrapped(name, 26, lines=2) for name in rows["name"]])
            place.set_ylim(len(rows) - 0.4, -0.6)
            place.set_xlim(left=0)
            place.grid(visible=False, axis="y")
            place.set_title(wrapped(one.label if len(shown) > 1 else "", 34), fontsize=9)
        objective = known[0].objective
        has_sd = any((one.importance["sd"] > 0).any() for one in known)
        label = f"importance for {objective}" + (" (mean, sd over replicates)" * has_sd)
        figure.supxlabel(label, fontsize=9)
        text = (
            f"How much of what differs between points in {objective} on validation each "
            f"parameter accounts for alone{', mean and sd over replicates' if has_sd else ''}. Few "
            "points leave it uncertain, and it holds for the searched ranges alone."
        )
        caption(figure, headed(outcome, "which parameters mattered"), text, cut)
    return figure


def _draw_history(place: Axes, one: OneSearch) -> None:
    number, value = one.points["number"].to_numpy(np.float64), one.value
    starts = one.points.groupby("generation")["number"].min().to_numpy()[1:]
    for start in starts[:: math.ceil(len(starts) / MOST_GENERATIONS) or 1]:
        place.axvline(start - 0.5, color="0.85", lw=0.7, zorder=0.5)
    known = ~np.isnan(value)
    # one without a score lies on the edge of the worse
    edge = np.full(len(value), 0.02 if one.maximize else 0.98)
    for state, feasible in reversed(LOOKS):
        mine, look = one.of(state, feasible=feasible), LOOKS[state, feasible]
        if (kept := mine & known).any():
            place.plot(number[kept], value[kept], ls="", alpha=0.85, **look)
        if (kept := mine & ~known).any():
            across = place.get_xaxis_transform()
            place.plot(number[kept], edge[kept], ls="", alpha=0.85, transform=across, **look)
    place.plot(number[one.chosen], value[one.chosen], ls="", zorder=6, label=CHOSEN, **RING)
    # one step further, so that the best of the last point is seen
    x, y = np.append(number, number.max() + 0.8), np.append(one.best, one.best[-1])
    place.plot(x, y, color=BLUE, lw=1.4, drawstyle="steps-post", label=BEST)
    for name, (label, colour, line) in LEVELS.items():
        if not math.isnan(one.fact(name)):
            place.axhline(one.fact(name), color=colour, ls=line, lw=1.3, label=label)
    place.set_xlim(number.min() - 0.8, number.max() + 0.8)
    place.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    if not known.any():
        place.set_yticks([])
        place.annotate("no point has a score", (0.5, 0.5), xycoords="axes fraction", ha="center")


def _handles(grid: Sequence[Axes]) -> list[Line2D]:
    """Entries of a legend for what is drawn in some panel, and seen there."""
    seen = {str(line.get_label()) for place in grid for line in place.lines if is_seen(place, line)}
    looks: list[dict[str, Any]] = [
        *({"ls": "", **look} for look in LOOKS.values()),
        {"ls": "", "label": CHOSEN, **RING},
        {"color": BLUE, "lw": 1.4, "label": BEST},
        *({"color": colour, "ls": line, "lw": 1.3, "label": label}
          for label, colour, line in LEVELS.values()),
    ]  # fmt: skip
    return [Line2D([], [], **look) for look in looks if look["label"] in seen]
