"""What the figures of a search share: its frames beside its facts, and where values are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.check import Bools, Floats
from abl.decide.metrics import METRICS
from abl.plan.outcome import Outcome
from abl.plan.searches import PARAM, Searches
from abl.report.figures.arms import best_of
from abl.report.figures.search_axes import Parameter, number_of, parameters_of
from abl.report.labels import arm_label, metric_label, one_line
from abl.report.setting_words import constraint_text

MOST_SEARCHES = 6


@dataclass(frozen=True)
class Objective:
    """What a search looks for, on validation."""

    metric: str
    maximize: bool

    @property
    def label(self) -> str:
        """The metric as figures write it."""
        return metric_label(self.metric)


@dataclass(frozen=True, eq=False)
class OneSearch:
    """One search of a sweep: its rows of the three frames, and what the outcome says of it.

    Attributes:
        label: It in a few words, "" if it is the only one.
        arm: Key of the tuned arm, or "".
        points: By number.
    """

    label: str
    arm: str
    facts: Mapping[str, Any]
    points: pd.DataFrame
    scores: pd.DataFrame
    curves: pd.DataFrame
    parameters: tuple[Parameter, ...]
    objectives: tuple[Objective, ...]

    def fact(self, name: str) -> float:
        """A number among the facts, nan if it is not known."""
        value = self.facts.get(name)
        return math.nan if value is None else float(value)

    def best_known(self, at: int = 0) -> Floats:
        """(P,) values of an objective; of points given up, the mean of what was scored."""
        values = numbers(self.points, f"value_{at}")
        return np.where(np.isnan(values), numbers(self.points, f"so_far_{at}"), values)

    def flag(self, name: str) -> Bools:
        """(P,) a column of true and false; a search without constraints has all feasible."""
        if name not in self.points:
            return np.full(len(self.points), name == "feasible")
        return self.points[name].to_numpy(bool)

    def state(self, *names: str) -> Bools:
        """(P,) whether a point ended in one of the states."""
        return self.points["state"].isin(names).to_numpy(bool)

    def of(self, parameter: Parameter) -> Floats:
        """(P,) values of a parameter as it draws them."""
        return parameter.values(self.points[PARAM + parameter.name])

    @property
    def importance(self) -> list[tuple[Parameter, float, float]]:
        """Parameters with mean and sd of their importance, most important first."""
        by_name = {each.name: each for each in self.parameters}
        rows = [
            (by_name[str(row["name"])], number_of(row.get("mean")), number_of(row.get("sd")))
            for row in self.facts.get("importance") or ()
            if str(row["name"]) in by_name
        ]
        known = [row for row in rows if not math.isnan(row[1])]
        return sorted(known, key=lambda row: -row[1])

    @property
    def ranked(self) -> list[Parameter]:
        """All parameters: those of known importance first, then as the search names them."""
        first = [row[0] for row in self.importance]
        return [*first, *(each for each in self.parameters if each not in first)]

    def few(self, most: int) -> tuple[list[Parameter], str]:
        """At most `most` parameters in their order, and which they are if some are left out."""
        if len(self.parameters) <= most:
            return list(self.parameters), ""
        kept = self.ranked[:most]
        which = "most important" if self.importance else "first"
        cut = f"the {which} {most} of {len(self.parameters)} parameters"
        return [each for each in self.parameters if each in kept], cut

    def constraint_note(self) -> str:
        """What hollow markers fail, "" if the search has no constraint."""
        given = self.facts.get("constraints") or ()
        words = [constraint_text(each) for each in given]
        return f" Hollow: complete, but fails {' and '.join(words)}." if words else ""


def searches_of(outcome: Outcome, searches: Searches) -> list[OneSearch]:
    """The searches of an outcome in the order of their first point."""
    if not searches:
        return []
    facts = {str(each.get("search", "")): each for each in outcome.facts.searches}
    axes = outcome.axes
    labels = {arm.key: arm_label(arm.params, axes) for arm in outcome.arms}
    found = []
    for name in dict.fromkeys(searches.points["search"].astype(str)):
        given = facts.get(name, {})
        points = rows_of(searches.points, name).sort_values("number", kind="stable")
        points = points.reset_index(drop=True)
        found.append(
            OneSearch(
                one_line(labels.get(name, name)),
                str(given.get("arm", "")),
                given,
                points,
                rows_of(searches.scores, name),
                rows_of(searches.curves, name),
                parameters_of(given.get("parameters") or (), points),
                _objectives(outcome, given, points),
            )
        )
    return found


def main_search(outcome: Outcome, found: Sequence[OneSearch]) -> tuple[OneSearch, str]:
    """The search of the best tuned arm, else the first one, and the sentence that says so."""
    if len(found) == 1:
        return found[0], ""
    # of searches for one arm, each on its own split, the first
    by_arm = {one.arm: one for one in reversed(found) if one.arm}
    arms = [arm for arm in outcome.arms if arm.key in by_arm and not arm.failed]
    best = best_of(outcome, arms)
    if best is None:
        return found[0], f"the first of {len(found)} searches, {found[0].label}"
    one = by_arm[best.key]
    return one, f"the search of the best tuned arm, {one.label}, of {len(found)} searches"


def few_searches(found: Sequence[OneSearch], main: OneSearch) -> tuple[list[OneSearch], str]:
    """At most MOST_SEARCHES, the main one among them, and which they are."""
    if len(found) <= MOST_SEARCHES:
        return list(found), ""
    others = [one for one in found if one is not main][: MOST_SEARCHES - 1]
    kept = [one for one in found if one is main or one in others]
    return kept, f"{len(kept)} of {len(found)} searches"


def rows_of(frame: pd.DataFrame, search: str) -> pd.DataFrame:
    """The rows of one search; a frame without rows may lack its columns too."""
    return frame[frame["search"].astype(str) == search] if "search" in frame else frame


def numbers(frame: pd.DataFrame, column: str) -> Floats:
    """(P,) a column, nan throughout if the frame does not have it."""
    if column not in frame:
        return np.full(len(frame), math.nan)
    return frame[column].to_numpy(np.float64)


def _objectives(
    outcome: Outcome, facts: Mapping[str, Any], points: pd.DataFrame
) -> tuple[Objective, ...]:
    made = []
    for each in facts.get("objectives") or [{"metric": outcome.primary}]:
        name = str(each["metric"])
        metric = METRICS.get(name)
        lower = metric is not None and metric.higher_is_better is False
        default = "minimize" if lower else "maximize"
        made.append(Objective(name, each.get("direction", default) == "maximize"))
    return tuple(each for at, each in enumerate(made) if at == 0 or f"value_{at}" in points)
