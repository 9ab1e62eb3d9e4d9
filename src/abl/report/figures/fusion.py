"""The modes of a fusion sweep against each other: heat map, ROC, sensitivity and specificity."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from abl.plan.outcome import Outcome
from abl.report.figures.data import mean_roc
from abl.report.figures.mode_arms import (
    MIXED,
    OTHER_UNITS,
    ModeArm,
    Modes,
    interval_words,
    metric_of,
)
from abl.report.figures.style import (
    MARKERS,
    caption,
    grid_of_panels,
    new_figure,
    own_style,
    unit_square,
    wrapped,
)
from abl.report.labels import metric_label

_MARK = " †"


def modes_figure(outcome: Outcome, modes: Modes) -> Figure | None:
    """The primary metric by mode (rows) and head (columns), the best in bold.

    None unless two modes or more meet two heads or more.
    """
    rows, heads = modes.rows, modes.heads
    metric = outcome.primary
    values = np.array(
        [[_value(modes.at(row, head), metric) for head in heads] for row in rows]
    ).reshape(len(rows), len(heads), 3)
    means = values[..., 0]
    if min(means.shape) < 2 or np.isnan(means).all():
        return None
    scale = Normalize(float(np.nanmin(means)), float(np.nanmax(means)))
    # nan is not dark
    dark = means > float(np.nanmin(means)) + 0.6 * float(np.ptp(means[~np.isnan(means)]))
    with own_style():
        figure = new_figure(max(2.6 + 1.25 * len(heads), 4.8), 1.5 + 0.42 * len(rows))
        place = figure.subplots()
        image = place.imshow(means, aspect="auto", cmap="Blues", norm=scale)
        place.grid(visible=False)
        for at, row in enumerate(rows):
            for column, head in enumerate(heads):
                arm = modes.at(row, head)
                _write_cell(
                    place, (column, at), arm, values[at, column], dark=bool(dark[at, column])
                )
        place.set_xticks(range(len(heads)), [wrapped(head, 16) for head in heads])
        place.set_yticks(range(len(rows)), [_row_label(modes, row) for row in rows])
        place.tick_params(length=0)
        for side in ("left", "bottom"):
            place.spines[side].set_color("none")
        figure.colorbar(image, label=metric_label(metric), shrink=0.9)
        _footnote(figure, modes)
        bold = " Bold and framed: the best arm." if any(arm.best for arm in modes.arms) else ""
        text = (
            f"{metric_label(metric)} on the test sets by mode of fusion: mean over replicates and "
            f"95 % interval over patients.{bold}{_note(modes)}"
        )
        caption(figure, f"{outcome.title or outcome.name}: modes", text, modes.cut)
    return figure


def roc_modes_figure(modes: Modes) -> Figure | None:
    """One panel a head, one ROC a mode, AUC with its interval below. None for a single curve."""
    shown = [arm for arm in modes.arms if not arm.frame.empty]
    heads = [head for head in modes.heads if any(arm.head == head for arm in shown)]
    if len({arm.row for arm in shown}) < 2:
        return None
    most = max(sum(arm.head == head for arm in shown) for head in heads)
    with own_style():
        figure, grid = grid_of_panels(
            len(heads),
            columns=3,
            width_in=3.0,
            height_in=3.5 + 0.165 * most,
            margins_in=(0.5, 0.7),
            share=False,
        )
        for place, head in zip(grid, heads, strict=True):
            place.plot([0, 1], [0, 1], color="0.8", lw=0.8, ls=":")
            for arm in shown:
                if arm.head != head:
                    continue
                curve = mean_roc(arm.shown().scores, 1)
                colour, line = modes.look(arm.row)
                label = f"{_row_label(modes, arm.row)}  {interval_words(*metric_of(arm, 'auc'))}"
                width = 2.0 if arm.best else 1.3
                place.plot(curve["fpr"], curve["tpr"], color=colour, ls=line, lw=width, label=label)
            place.set_title(wrapped(head, 34), fontsize=9)
            place.set_xlabel("1 − specificity", fontsize=9)
            place.set_ylabel("sensitivity", fontsize=9)
            place.legend(
                loc="upper center", bbox_to_anchor=(0.45, -0.18), fontsize=7.5, title="AUC",
                title_fontsize=8,
            )  # fmt: skip
        # a panel that kept its square would not make room for the legend below it
        unit_square(grid, equal=False)
        broken = " Broken lines: controls and modes with other units." if modes.broken else ""
        text = (
            "Sensitivity over 1 − specificity on the test sets, averaged over replicates at equal "
            "specificity, with the mean AUC and its 95 % interval over patients."
            f"{broken}{_note(modes)}"
        )
        caption(figure, "ROC of the modes on the test sets", text, modes.cut)
        _footnote(figure, modes)
    return figure


def operating_figure(modes: Modes) -> Figure | None:
    """Sensitivity (left) and specificity (right) of each mode at the final class.

    Rows are modes, markers heads. None for a single mode, or where neither metric is known.
    """
    rows, heads = modes.rows, modes.heads
    found = {
        (arm.row, arm.head, metric): metric_of(arm, metric)
        for arm in modes.arms
        for metric in ("sen", "spe")
    }
    if len(rows) < 2 or all(math.isnan(mean) for mean, _, _ in found.values()):
        return None
    step = 0.7 / len(heads)
    with own_style():
        figure = new_figure(7.5, 1.3 + (0.16 + 0.13 * len(heads)) * len(rows))
        panels = figure.subplots(1, 2, sharey=True)
        for place, metric, name in zip(
            panels, ("sen", "spe"), ("sensitivity", "specificity"), strict=True
        ):
            for (row, head, which), (mean, low, high) in found.items():
                if which != metric or math.isnan(mean):
                    continue
                at = heads.index(head)
                y = rows.index(row) + step * (at - (len(heads) - 1) / 2)
                colour, line = modes.look(row)
                face = colour if line == "-" else "w"
                place.plot([low, high], [y, y], color=colour, lw=1.4, ls=line, zorder=2)
                place.plot(
                    mean, y, marker=MARKERS[at % len(MARKERS)], ms=5, color=colour, mfc=face,
                    zorder=3,
                )  # fmt: skip
            place.set_xlabel(f"{name} (mean, 95 % interval)", fontsize=9)
            place.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
            place.grid(visible=False, axis="y")
            for edge in range(1, len(rows)):
                place.axhline(edge - 0.5, color="0.9", lw=0.6, zorder=1)
        panels[0].set_yticks(range(len(rows)), [_row_label(modes, row) for row in rows])
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
        _footnote(figure, modes, heads=heads)
        broken = " Open markers: controls and modes with other units." if modes.broken else ""
        text = (
            "Sensitivity and specificity on the test sets where the final class is the more "
            "probable one (cut-off 0.5): mean over replicates and 95 % interval over patients, "
            f"each alone.{broken}{_note(modes)}"
        )
        caption(figure, "Sensitivity and specificity of the modes", text, modes.cut)
    return figure


def _value(arm: ModeArm | None, metric: str) -> tuple[float, float, float]:
    return (math.nan, math.nan, math.nan) if arm is None else metric_of(arm, metric)


def _write_cell(
    place: Axes, at: tuple[int, int], arm: ModeArm | None, value: np.ndarray, *, dark: bool
) -> None:
    """The mean, and its interval on a line of its own below."""
    column, row = at
    mean, low, high = (float(each) for each in value)
    best = arm is not None and arm.best
    text = "–" if arm is None else "undefined" if math.isnan(mean) else f"{mean:.3f}"
    known = not math.isnan(mean) and not math.isnan(low)
    colour = "w" if dark else "k"
    place.text(
        column, row - (0.17 if known else 0.0), text, ha="center", va="center", color=colour,
        fontsize=9, fontweight="bold" if best else "normal",
    )  # fmt: skip
    if known:
        place.text(
            column, row + 0.22, f"[{low:.3f}, {high:.3f}]", ha="center", va="center", color=colour,
            fontsize=7.5,
        )  # fmt: skip
    if best:
        place.add_patch(
            Rectangle((column - 0.48, row - 0.47), 0.96, 0.94, fill=False, ec="k", lw=1.4)
        )


def _row_label(modes: Modes, row: str) -> str:
    return f"{row}{_MARK}" if row == MIXED and modes.mixed else row


def _note(modes: Modes) -> str:
    return f" Mixed has {OTHER_UNITS}." if modes.mixed else ""


def _footnote(figure: Figure, modes: Modes, *, heads: list[str] | None = None) -> None:
    """Below all panels: which marker is which head, and what the dagger means."""
    handles = [
        Line2D([], [], ls="", marker=MARKERS[at % len(MARKERS)], color="0.3", ms=5, label=head)
        for at, head in enumerate(heads or [])
        if head
    ]
    title = wrapped(f"†{OTHER_UNITS}", int(figure.get_figwidth() * 13.5)) if modes.mixed else None
    if handles or title:
        figure.legend(
            handles=handles,
            title=title,
            title_fontsize=7.5,
            loc="outside lower center",
            ncols=max(len(handles), 1),
            fontsize=8,
        )
