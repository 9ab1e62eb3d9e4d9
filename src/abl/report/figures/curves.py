"""Curves over the tuned axis on validation, with the chosen point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import sign_of, spread_about
from abl.report.figures.style import caption, look, new_figure, own_style, wrapped
from abl.report.labels import label_in
from abl.report.named import axis_in, headed, value_in, words_of

PART_TITLES = {"validation": "chosen on validation", "test": "exploratory, on test"}
PART_NOTES = {
    "validation": "The test sets play no part.",
    "test": "Exploratory: nothing was chosen by these curves, and nothing may be.",
}
MOST_PANELS = 24
# more bands than these in one panel hide one another
MOST_BANDS = 3
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CurvePanels:
    """Arms with a curve, by the axes that tell them apart.

    Attributes:
        hue: Axis told apart by colour (or by row of a heat map), "" if there is none.
        values: Its values in the order of the table.
        panels: Label of the other varying axes -> arms; at most MOST_PANELS.
        cut: Says how many panels are left out, or "".
    """

    hue: str
    values: list[str | int | float]
    panels: Mapping[str, list[ArmOutcome]]
    cut: str


def curve_panels(outcome: Outcome) -> CurvePanels | None:
    """How the outcome's curves are laid out; None if no arm has one."""
    wanted = {outcome.curve_axis, outcome.primary}
    arms = [
        arm
        for arm in outcome.arms
        if not arm.failed and arm.curve is not None and len(arm.curve) and wanted <= set(arm.curve)
    ]
    if not arms:
        return None
    varying = [name for name in outcome.axes if len({axis_value(arm, name) for arm in arms}) > 1]
    hue = _hue_axis(varying, arms)
    others = [name for name in varying if name != hue]
    panels: dict[str, list[ArmOutcome]] = {}
    for arm in arms:
        panels.setdefault(words_of(arm, outcome, others), []).append(arm)
    shown = dict(list(panels.items())[:MOST_PANELS])
    cut = f"the first {MOST_PANELS} of {len(panels)} panels" if len(panels) > len(shown) else ""
    # no hue: params has no axis named "", so that every arm's value is ""
    values = list(dict.fromkeys(axis_value(arm, hue) for arm in arms))
    return CurvePanels(hue, values, shown, cut)


def on_test(outcome: Outcome) -> Outcome:
    """The outcome with its curves on test in the place of those on validation."""
    arms = tuple(replace(arm, curve=arm.test_curve, test_curve=None) for arm in outcome.arms)
    return replace(outcome, arms=arms)


def curve_figure(outcome: Outcome, part: str = "validation") -> Figure | None:
    """The primary metric over the curve axis on validation: mean, interval (or sd), chosen point.

    The band is `<metric>_low` to `<metric>_high` where the curve has them. None if no arm has a
    curve. `part` says whose curves these are: those that `on_test` puts there are exploratory.
    """
    found = curve_panels(outcome)
    if found is None:
        return None
    axis, metric = outcome.curve_axis, outcome.primary
    looks = {value: look(index, found.values) for index, value in enumerate(found.values)}
    count = len(found.panels)
    columns = 2 if count == 4 else min(3, count)
    rows = math.ceil(count / columns)
    with own_style():
        figure = new_figure(1.4 + 3.3 * columns, 1.3 + 2.5 * rows)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        bands = set()
        for place, (label, members) in zip(grid, found.panels.items(), strict=False):
            only = None if len(members) <= MOST_BANDS else _best_curve(members, metric)
            for arm in members:
                key = axis_value(arm, found.hue)
                banded = only is None or arm is only
                bands.add(_draw_curve(place, arm, axis, metric, looks[key], band=banded))
            place.set_title(wrapped(label, 42), fontsize=9)
        for index, place in enumerate(grid):
            place.set_visible(index < count)
            place.xaxis.set_tick_params(labelbottom=index + columns >= count)
        band = " or ".join(sorted(bands - {""}))
        most = max(len(members) for members in found.panels.values())
        which = " of the best curve of each panel" if band and most > MOST_BANDS else ""
        text = (
            f"{label_in(outcome, metric)} on the {part} sets over {axis_label(outcome, axis)}: "
            f"mean over replicates{f', with {band}{which}' if band else ''}. The open marker is "
            f"the value chosen on validation, averaged over replicates. {PART_NOTES[part]}"
        )
        title = headed(outcome, f"{PART_TITLES[part]}")
        caption(figure, title, text, found.cut)
        figure.supxlabel(axis_label(outcome, axis), fontsize=9)
        means = f"mean{f', {band}' if band else ''}"
        figure.supylabel(f"{label_in(outcome, metric)} on {part}, {means}", fontsize=9)
        handles = [
            Line2D(
                [],
                [],
                color=looks[value][0],
                marker=looks[value][1],
                label=value_in(outcome, found.hue, value),
            )
            for value in found.values
            if found.hue
        ]
        handles.append(Line2D([], [], ls="", marker="o", mfc="w", mec="k", label="chosen (mean)"))
        hue = axis_in(outcome, found.hue) if found.hue else None
        figure.legend(handles=handles, title=hue, loc="outside right center", fontsize=8)
    return figure


def chosen_mean(arm: ArmOutcome, axis: str, values: Floats, x: Floats) -> float | None:
    """Where the mean of the values chosen in the replicates lies, `values` being drawn at `x`."""
    if axis not in arm.replicates.columns:
        return None
    chosen = axis_values(arm.replicates[axis].dropna(), axis)
    if chosen.size == 0:
        return None
    finite = np.isfinite(values)
    beyond = x[~finite][0] if (~finite).any() else x.max()
    return float(np.where(np.isfinite(chosen), chosen, beyond).mean())


def axis_values(values: pd.Series, axis: str) -> Floats:
    """Values of the curve axis; a T* that no confidence reaches is infinite (`always`)."""
    numbers = values.to_numpy(np.float64)
    return np.where(numbers > 1, np.inf, numbers) if axis == "threshold" else numbers


def finite_positions(values: Floats) -> tuple[Floats, float | None]:
    """The axis as drawn: an infinite value (`always`) lies a little beyond the last finite one."""
    finite = np.isfinite(values)
    if finite.all() or not finite.any():
        return np.where(finite, values, 1.0), None
    span = float(np.ptp(values[finite])) or 1.0
    beyond = float(values[finite].max()) + 0.08 * span
    return np.where(finite, values, beyond), beyond


def axis_label(outcome: Outcome, axis: str) -> str:
    """The curve axis as it is written on figures."""
    own = axis_in(outcome, axis)
    return "T*" if own == "threshold" else own


def axis_value(arm: ArmOutcome, axis: str) -> str | int | float:
    """An arm's value of an axis, "" where it does not apply."""
    return arm.params.get(axis, "")


def _draw_curve(
    place: Axes, arm: ArmOutcome, axis: str, metric: str, look: tuple[str, str], *, band: bool
) -> str:
    """Draws one arm; returns what its band means."""
    curve, (colour, marker) = arm.curve, look
    if curve is None:
        return ""
    values = axis_values(curve[axis], axis)
    x, tick = finite_positions(values)
    y = curve[metric].to_numpy(np.float64)
    place.plot(x, y, color=colour, lw=1.4)
    low, high, meaning = _band(curve, metric) if band else (y, y, "")
    if meaning:
        place.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    if tick is not None:
        place.axvline(tick, color="0.7", lw=0.6, ls=":")
        place.annotate("always", (tick, 0.02), xycoords=("data", "axes fraction"), fontsize=7)
    at = chosen_mean(arm, axis, values, x)
    if at is not None:
        value = float(np.interp(at, x, y))
        place.plot(at, value, marker=marker, ms=7, mfc="w", mec=colour, mew=1.8, ls="", zorder=5)
    return meaning


def _best_curve(arms: Sequence[ArmOutcome], metric: str) -> ArmOutcome:
    """The arm whose validation curve has the best point."""

    def peak(arm: ArmOutcome) -> float:
        values = arm.curve[metric].dropna() if arm.curve is not None else pd.Series(dtype=float)
        return float((sign_of(metric) * values).max()) if len(values) else -math.inf

    return max(arms, key=peak)


def _band(curve: pd.DataFrame, metric: str) -> tuple[Floats, Floats, str]:
    """Ends of the band and what it is; "" if there is none."""
    y = curve[metric].to_numpy(np.float64)
    ends = [f"{metric}_low", f"{metric}_high"]
    if set(ends) <= set(curve.columns):
        low, high = curve[ends].to_numpy(np.float64).T
        return low, high, "95 % interval"
    if f"{metric}_sd" in curve and curve[f"{metric}_sd"].notna().any():
        sd = curve[f"{metric}_sd"].to_numpy(np.float64)
        return *spread_about(y, sd), "± sd"
    return y, y, ""


def _hue_axis(varying: Sequence[str], arms: Sequence[ArmOutcome]) -> str:
    if "consensus" in varying:
        return "consensus"
    sizes = {name: len({axis_value(arm, name) for arm in arms}) for name in varying}
    few = [name for name in varying if sizes[name] <= 10]
    return max(few, key=lambda name: sizes[name]) if few else ""
