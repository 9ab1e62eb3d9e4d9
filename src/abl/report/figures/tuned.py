"""Heat maps of the tuned value against another axis, and quality against what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.decide.check import Bools, Floats
from abl.decide.replicates import KEYS
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import few_of, sign_of
from abl.report.figures.curves import (
    PART_NOTES,
    PART_TITLES,
    axis_label,
    axis_value,
    axis_values,
    chosen_mean,
    curve_panels,
    finite_positions,
)
from abl.report.figures.style import (
    BLUE,
    GREY,
    caption,
    grid_of_panels,
    label_below,
    look,
    own_style,
    wrapped,
)
from abl.report.labels import label_in
from abl.report.named import axis_in, headed, value_in, words_of

_TICKS = 6
MOST_TRIALS = 2000
SENT_ON = "share sent to the second network"


def heatmap_figure(outcome: Outcome, part: str = "validation") -> Figure | None:
    """The primary metric on validation over the curve axis and another (N x T*), the choice marked.

    `part` as in curve_figure. None unless some panel has two arms with curves over the same values.
    """
    found = curve_panels(outcome)
    if found is None or not found.hue:
        return None
    axis, metric = outcome.curve_axis, outcome.primary
    panels = {label: _alike(arms, axis) for label, arms in found.panels.items()}
    panels = {label: arms for label, arms in panels.items() if len(arms) > 1}
    if not panels:
        return None
    every = [arm.curve for arms in panels.values() for arm in arms if arm.curve is not None]
    values = np.concatenate([curve[metric].to_numpy(np.float64) for curve in every])
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    scale = Normalize(finite.min(), finite.max())
    most = max(len(arms) for arms in panels.values())
    with own_style():
        figure, grid = grid_of_panels(
            len(panels), columns=3, width_in=3.2, height_in=0.8 + 0.3 * most,
            margins_in=(1.5, 1.0), share=False,
        )  # fmt: skip
        for place, (label, arms) in zip(grid, panels.items(), strict=True):
            _draw_heat(place, outcome, arms, found.hue, axis, metric, scale)
            place.set_title(wrapped(label, 42), fontsize=9)
        bar = ScalarMappable(scale, "viridis")
        figure.colorbar(bar, ax=grid, label=f"{label_in(outcome, metric)} on {part}", shrink=0.9)
        figure.supxlabel(axis_label(outcome, axis), fontsize=9)
        figure.supylabel(axis_in(outcome, found.hue), fontsize=9)
        text = (
            f"Mean {label_in(outcome, metric)} over the replicates' {part} sets. White points: the "
            "chosen value, averaged over replicates; it may lie beside the brightest cell of its "
            f"row, as each replicate chooses by its own validation set. {PART_NOTES[part]}"
        )
        title = headed(outcome, f"{PART_TITLES[part]}")
        caption(figure, title, text, found.cut)
    return figure


def _alike(arms: Sequence[ArmOutcome], axis: str) -> list[ArmOutcome]:
    """The arms whose curves have the values of the first one's."""
    curves = [(arm, arm.curve[axis].to_numpy(float)) for arm in arms if arm.curve is not None]
    return [arm for arm, values in curves if np.array_equal(values, curves[0][1])]


def _draw_heat(
    place: Axes,
    outcome: Outcome,
    arms: Sequence[ArmOutcome],
    hue: str,
    axis: str,
    metric: str,
    scale: Normalize,
) -> None:
    curves = [arm.curve for arm in arms if arm.curve is not None]
    values = axis_values(curves[0][axis], axis)
    x, _ = finite_positions(values)
    heat = np.stack([curve[metric].to_numpy(np.float64) for curve in curves])
    # cells of equal width, as a grid of T* need not be even
    place.imshow(heat, aspect="auto", cmap="viridis", norm=scale, interpolation="nearest")
    place.grid(visible=False)
    for row, arm in enumerate(arms):
        at = chosen_mean(arm, axis, values, x)
        if at is not None:
            column = float(np.interp(at, x, np.arange(len(x))))
            place.plot(column, row, "o", ms=6, mfc="w", mec="k", mew=1.0)
    ticks = np.unique(np.linspace(0, len(x) - 1, min(len(x), _TICKS)).round().astype(int))
    names = _short_names(values)
    place.set_xticks(ticks, [names[at] for at in ticks.tolist()])
    place.set_yticks(
        range(len(arms)), [value_in(outcome, hue, axis_value(arm, hue)) for arm in arms]
    )
    for side in ("left", "bottom"):
        place.spines[side].set_color("none")
    place.tick_params(length=0)


def _short_names(values: Floats) -> list[str]:
    """Each value on two decimals, or as many more as tell all of them apart."""
    finite = np.isfinite(values)
    for decimals in range(2, 7):
        if len(np.unique(values[finite].round(decimals))) == len(np.unique(values[finite])):
            break
    rounded = values.round(decimals).tolist()
    return [f"{each:g}" if math.isfinite(each) else "always" for each in rounded]


def pareto_figure(outcome: Outcome, trials: pd.DataFrame | None = None) -> Figure | None:
    """Quality on validation against the share of cases sent on, with the front.

    Args:
        trials: Points of a search: value_0 (quality), value_1 (share), front (bool), and arm,
            where there are several searches. Without it the points of the T* curves are shown.
    """
    if trials is None or trials.empty:
        return _front_of_curves(outcome)
    if "value_1" not in trials and "share" in trials:
        trials = trials.assign(value_1=trials["share"])  # one objective: its price is shown anyway
    if not {"value_0", "value_1"} <= set(trials.columns):
        return None
    known = trials.dropna(subset=["value_0", "value_1"])
    if known.empty:
        return None
    is_share = "share" not in known or np.allclose(known["share"], known["value_1"])
    parts: dict[str, pd.DataFrame] = {"": known}
    cut = ""
    if "arm" in known:
        by_arm = {str(key): part for key, part in known.groupby("arm", observed=True, sort=False)}
        kept, cut = few_of(outcome, [arm for arm in outcome.arms if arm.key in by_arm])
        parts = {words_of(arm, outcome): by_arm[arm.key] for arm in kept} or parts
    with own_style():
        figure, grid = grid_of_panels(len(parts), width_in=2.8)
        for place, (label, part) in zip(grid, parts.items(), strict=True):
            _draw_trials(place, part)
            place.set_title(wrapped(label, 30), fontsize=8)
        low, high = _worth_seeing(known)
        grid[0].set_ylim(low, high)
        label_below(grid, SENT_ON if is_share else "second objective of the search")
        figure.supylabel("quality on validation: first objective", fontsize=9)
        handles = [
            Line2D([], [], ls="-", marker="o", color=BLUE, label="front, one a replicate"),
            Line2D([], [], ls="", marker="o", ms=3, color=GREY, label="other points of the search"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8)
        text = (
            "Every point of the search by its two values, on validation. On the front no other "
            "point is better in one and at least as good in the other."
        )
        if (known["value_0"] < low).any():
            text += " The worst points lie below the frame."
        title = "Quality against share sent on" if is_share else "The two objectives"
        caption(figure, f"{title}, search on validation", text, cut)
    return figure


def _worth_seeing(trials: pd.DataFrame) -> tuple[float, float]:
    """Range of quality that shows every front and the better three quarters of the points."""
    quality = trials["value_0"].to_numpy(np.float64)
    front = quality[trials["front"].to_numpy(bool)]
    low = min(float(np.quantile(quality, 0.25)), float(front.min(initial=math.inf)))
    margin = 0.05 * (float(quality.max()) - low) or 0.01
    return low - margin, float(quality.max()) + margin


def _draw_trials(place: Axes, part: pd.DataFrame) -> None:
    on_front = part["front"].astype(bool)
    rest = part[~on_front].head(MOST_TRIALS)
    place.plot(rest["value_1"], rest["value_0"], "o", ms=3, color=GREY, alpha=0.6)
    best = part[on_front]
    keys = [key for key in KEYS if key in best]
    for front in [each for _, each in best.groupby(keys)] if keys else [best]:
        line = front.sort_values(["value_1", "value_0"])
        place.plot(line["value_1"], line["value_0"], "o-", ms=4, lw=1, color=BLUE, alpha=0.8)


def _front_of_curves(outcome: Outcome) -> Figure | None:
    wanted = {"share", outcome.primary}
    arms = [arm for arm in outcome.arms if arm.curve is not None and wanted <= set(arm.curve)]
    shown, cut = few_of(outcome, arms)
    if not shown or outcome.primary == "share":
        return None
    sign = sign_of(outcome.primary)
    columns = ["share", outcome.primary]
    curves = [arm.curve[columns].dropna() for arm in shown if arm.curve is not None]
    points = [curve.to_numpy(np.float64).T for curve in curves]
    share, quality = np.concatenate(points, axis=1)
    front = on_front(sign * quality, share)
    with own_style():
        figure, (place,) = grid_of_panels(1, width_in=5.0, height_in=3.6)
        for index, (arm, (x, y)) in enumerate(zip(shown, points, strict=True)):
            colour, marker = look(index, [""] * len(shown))
            label = wrapped(words_of(arm, outcome), 30)
            place.plot(x, y, color=colour, marker=marker, ms=3, lw=0.9, alpha=0.8, label=label)
        order = np.lexsort((sign * quality[front], share[front]))
        place.plot(
            share[front][order], quality[front][order], color="k", lw=1.2, ls="--", marker="o",
            ms=8, mfc="none", label="front",
        )  # fmt: skip
        place.set_xlabel(SENT_ON)
        place.set_ylabel(f"{label_in(outcome, outcome.primary)} on validation")
        figure.legend(loc="outside right center", fontsize=8)
        text = (
            "Each arm along T*, averaged over the validation sets: quality against the share of "
            "cases sent to the second network. On the front (rings) no other point is better in "
            "one and at least as good in the other."
        )
        caption(figure, "Quality against share sent on, validation", text, cut)
    return figure


def on_front(quality: Floats, share: Floats) -> Bools:
    """(n,) whether no other point has more quality at no more share, or as much at less."""
    order = np.lexsort((-quality, share))
    front = np.zeros(len(quality), dtype=bool)
    best = -math.inf
    for at in order:
        if quality[at] > best:
            front[at], best = True, quality[at]
    return front
