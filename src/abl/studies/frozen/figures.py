"""The metrics over the number of frozen layers, and where their optimum lies."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.decide.optimum import Optimum, optimum_over
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import frames_by, goodness, replicates_in
from abl.report.figures.curves import MOST_BANDS
from abl.report.figures.over_axis import Series, Value, line_figure, look_of, series_over
from abl.report.figures.style import caption
from abl.report.labels import label_in
from abl.report.named import headed

AXIS = "frozen"
FEWEST_VALUES = 3
_METRICS = ("acc", "auc", "sen", "spe")
_MOST_PANELS = 4
# heights of one optimum's row below the curves, of few and of many, as shares of the panel
_ROWS = (0.055, 0.04)
_PUBLISHED_LINES = ("--", "-.")
# Accuracy by modality for n = 0, 1, ... frozen convolutions: Qin, Wu, Hu, Zeng, Chai, IEEE JBHI
# 2020, Table III. The means fit five evaluations of 174 images (most are k/870), not the ten folds
# that the text states; of which parts the sd beside them is one is not said, so it is not drawn.
PUBLISHED_NETWORK = "vgg16"
PUBLISHED = {
    "B-mode": (
        0.7505, 0.7621, 0.7885, 0.7874, 0.8057, 0.8195, 0.8276,
        0.8172, 0.8126, 0.8023, 0.7988, 0.7954, 0.7805, 0.7644,
    ),
    "elasticity": (
        0.7689, 0.7747, 0.7816, 0.7934, 0.8057, 0.8229, 0.8506,
        0.8310, 0.8356, 0.8252, 0.8103, 0.8115, 0.8023, 0.7977,
    ),
}  # fmt: skip
CAVEAT = (
    "The published values (Qin et al. 2020) are of other images and fit means of five "
    "evaluations of 174 images, not of ten folds: orientation only."
)


@dataclass(frozen=True)
class Best:
    """The observed optimum of a series: the value, and its interval where predictions give one."""

    value: Value
    values: Sequence[Value]
    optimum: Optimum | None = None

    @property
    def ends(self) -> tuple[Value, Value] | None:
        """The values that bound the interval."""
        found = self.optimum
        return None if found is None else (self.values[found.low], self.values[found.high])

    def text(self, *, share: bool = False) -> str:
        """`n = 6, 95 % interval 4 to 9`."""
        text = f"n = {self.value}" if isinstance(self.value, int) else self.value
        found, ends = self.optimum, self.ends
        if found is None or ends is None:
            return f"{text} (interval not computed)"
        text += f", 95 % interval {ends[0]} to {ends[1]}"
        if found.low == 0 and found.high == len(self.values) - 1:
            text += ", all of the axis: these patients do not locate it"
        if share:
            at = self.values.index(self.value)
            text += f" (the best in {100 * found.shares[at]:.0f} % of the samples)"
        return text


def frozen_figure(outcome: Outcome, predictions: pd.DataFrame) -> Figure | None:
    """The primary metric and accuracy, AUC, sensitivity, specificity over n, a line a series.

    A series is what the other axes tell apart; the six best are shown. Under the primary metric
    lies each series' observed optimum with the interval of its n. Behind the accuracy of a VGG16
    lie published values. None unless some series has three values of n.
    """
    series, cut = frozen_series(outcome)
    if not series:
        return None
    tests = frames_by(predictions, "arm", "test")
    best = [best_of_series(outcome, each, tests) for each in series]
    named = [metric for metric in _METRICS if metric in outcome.metrics]
    metrics = list(dict.fromkeys([outcome.primary, *named]))[:_MOST_PANELS]
    values = ordered_depths(value for each in series for value in each.arms)
    published = _has_published(outcome, series, values) and "acc" in metrics

    def beside(place: Axes, metric: str, places: Mapping[Value, float]) -> list[Line2D]:
        handles = _draw_published(place, places) if published and metric == "acc" else []
        return handles + (_draw_optima(place, best, places) if metric == outcome.primary else [])

    numeric = all(isinstance(value, int) for value in values)
    label = "n, frozen convolutions" if numeric else "frozen up to"
    figure, bands = line_figure(
        series, metrics, values, label, beside, label_of=partial(label_in, outcome)
    )
    which = " of the series with the best arm" if len(series) > MOST_BANDS else ""
    parts = [
        f"{', '.join(label_in(outcome, metric) for metric in metrics)} on the test sets over the "
        "layers that stay as they were: mean over replicates"
        f"{f', with {bands}{which}' if bands else ''}."
    ]
    primary = label_in(outcome, outcome.primary)
    first = next((at for at, each in enumerate(series) if each.main), 0)
    for at in (first, *(at for at in range(len(series)) if at != first)):
        whose = f"{primary} ({series[at].label})" if series[at].label else primary
        parts.append(f"{whose}: optimum at {best[at].text(share=at == first)}.")
    known = next((each.optimum for each in (best[first], *best) if each.optimum is not None), None)
    if known is not None:
        few = ", which are few" if known.few else ""
        parts.append(
            f"The interval is that of the best n in {known.resamples} samples of "
            f"{known.patients} patients{few}, the same for every n. The optimum was read on the "
            "test sets: its own value is too good by that choice."
        )
        parts += [f"{known.note}."] if known.note else []
    parts += [CAVEAT] if published else []
    title = headed(outcome, "frozen layers")
    caption(figure, title, " ".join(parts), cut, heading="Metric against the frozen part")
    return figure


def frozen_series(outcome: Outcome) -> tuple[list[Series], str]:
    """Arms that differ in n alone, and which of them are shown."""

    def known(arm: ArmOutcome) -> Value | None:
        return depth_of(arm) if goodness(outcome, arm) > -math.inf else None

    if AXIS not in outcome.axes:
        return [], ""
    return series_over(outcome, [AXIS], known, ordered_depths, fewest=FEWEST_VALUES)


def depth_of(arm: ArmOutcome) -> Value | None:
    """An arm's n: an integer, or the name of a stage; None where the axis does not apply."""
    value = arm.params.get(AXIS, "")
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.isdecimal() else text or None
    return int(value) if float(value).is_integer() else None


def ordered_depths(values: Iterable[Value]) -> list[Value]:
    """Numbers first and in order; then names, by their number where each has one."""
    given = list(dict.fromkeys(values))
    numbers = sorted(value for value in given if isinstance(value, int))
    names = [value for value in given if isinstance(value, str)]
    if all(re.search(r"\d+", name) for name in names):
        names.sort(key=lambda name: int(re.findall(r"\d+", name)[-1]))
    return [*numbers, *names]


def best_of_series(outcome: Outcome, series: Series, tests: Mapping[str, pd.DataFrame]) -> Best:
    """Where a series is best on the primary metric; of equals the smallest n."""
    values, arms = list(series.arms), list(series.arms.values())
    observed = max(range(len(arms)), key=lambda at: goodness(outcome, arms[at]))
    if not all(arm.key in tests for arm in arms):
        return Best(values[observed], values)
    try:
        scores = [replicates_in(tests[arm.key]) for arm in arms]
        optimum = optimum_over(scores, outcome.primary)
    except InputError:  # other replicates or images at some n: nothing to resample together
        return Best(values[observed], values)
    return Best(values[optimum.best if optimum.best >= 0 else observed], values, optimum)


def _draw_optima(place: Axes, best: Sequence[Best], places: Mapping[Value, float]) -> list[Line2D]:
    """A row for each series below the curves: its observed optimum, and the interval of its n."""
    low, high = place.get_ylim()
    row = _ROWS[len(best) > MOST_BANDS]
    share = row * (len(best) + 0.8)
    place.set_ylim(low - (high - low) * share / (1 - share), high)
    across = place.get_xaxis_transform()
    ring: dict[str, Any] = {"mfc": "w", "ms": 6.0}
    for at, each in enumerate(best):
        colour, marker = look_of(at)
        y = row * (len(best) - at)
        if each.ends is not None:
            ends = [places[end] for end in each.ends]
            bar: dict[str, Any] = {"lw": 2.2, "marker": "|", "ms": 6, "zorder": 4}
            place.plot(ends, [y, y], color=colour, transform=across, **bar)
        look: dict[str, Any] = {"marker": marker, "mec": colour, "mew": 1.6, "zorder": 5, **ring}
        place.plot(places[each.value], y, ls="", transform=across, **look)
    known = any(each.optimum is not None for each in best)
    label = "observed optimum, 95 % interval of n" if known else "observed optimum"
    line = "-" if known else ""
    return [Line2D([], [], color="0.3", lw=2.2, ls=line, marker="o", label=label, **ring)]


def _has_published(outcome: Outcome, series: Sequence[Series], values: Sequence[Value]) -> bool:
    arms, own = (
        [a for each in series for a in each.arms.values()],
        outcome.facts.study.get("network"),
    )
    networks = {str(arm.params.get("network") or own) for arm in arms}
    return PUBLISHED_NETWORK in networks and all(isinstance(value, int) for value in values)


def _draw_published(place: Axes, places: Mapping[Value, float]) -> list[Line2D]:
    """The published accuracy at the numbers of layers that are drawn; its handles."""
    handles = []
    for (modality, accuracy), line in zip(PUBLISHED.items(), _PUBLISHED_LINES, strict=True):
        at = [n for n in range(len(accuracy)) if min(places.values()) <= n <= max(places.values())]
        label = f"published (Qin 2020), {modality}"
        look: dict[str, Any] = {"color": "0.55", "lw": 0.9, "ls": line, "label": label}
        place.plot(at, [accuracy[n] for n in at], zorder=1, **look)
        handles.append(Line2D([], [], **look))
    return handles
