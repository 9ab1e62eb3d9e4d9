"""Differences of arms to their base, one below the other: what a sweep came to at one look."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.decide.verdicts import BETTER, WORSE
from abl.plan.outcome import ArmOutcome, Comparison, Outcome
from abl.report.figures.arms import row_words
from abl.report.figures.style import (
    BLUE,
    GREY,
    VERMILION,
    DrawnFigure,
    caption,
    new_figure,
    own_style,
    wrapped,
)  # fmt: skip
from abl.report.labels import label_in, with_unit
from abl.report.named import words_of
from abl.report.numbers import Scale, scale_of
from abl.report.replicates_said import differences_over

MOST_ROWS_DRAWN = 30
ROW_IN, LINE_IN = 0.27, 0.12
# undecided, equivalent, the same, no verdict, or a difference of these networks alone
UNSHOWN = "not shown to be better or worse"
NARROW_IN = 3.5  # the room for a figure on a page in a window of 390 px

_Rows = Sequence[tuple[ArmOutcome, Comparison]]


@dataclass(frozen=True)
class _Forest:
    """What both drawings show.

    Attributes:
        cut: Which arms these are, "" if all.
        towards: ` to BASE`.
        over: Key of an arm -> the replicates that its difference is over, if it is not all.
    """

    outcome: Outcome
    rows: _Rows
    cut: str
    scale: Scale
    towards: str
    over: Mapping[str, str]

    @property
    def label(self) -> str:
        """Of the metric."""
        return label_in(self.outcome, self.outcome.primary)

    def across(self, width: int, lines: int) -> str:
        """Name of the axis of differences."""
        text = wrapped(f"difference in {self.label}{self.towards}", width, lines=lines)
        return with_unit(text, "points" if self.scale.unit else "")

    def said(self, row: tuple[ArmOutcome, Comparison], width: int) -> str:
        """Difference, verdict, and over what it is where some replicates have no value."""
        arm, found = row
        over = f" ({self.over[arm.key]})" if arm.key in self.over else ""
        verdict = wrapped(found.verdict, width - len(over), lines=1)
        return f"{self.scale.difference(found.difference)}  {verdict}{over}"


def forest_figure(outcome: Outcome) -> Figure | None:
    """Difference of each arm to its base with its 95 % interval, and the verdict.

    None if nothing was compared. Of many arms those with the clearest verdicts are drawn, from
    the largest difference to the smallest. The figure has another one for narrow windows.
    """
    forest = _forest(outcome)
    if forest is None:
        return None
    rows, scale = forest.rows, forest.scale
    with own_style():
        names = [wrapped(row_words(arm, outcome), 44, lines=2) for arm, _ in rows]
        row_in = ROW_IN + LINE_IN * max(name.count("\n") for name in names)
        figure = new_figure(8.2, 1.25 + row_in * len(rows))
        place = figure.subplots()
        _draw_rows(place, forest, 0.0)
        place.set_yticks(range(len(rows)), names)
        said = place.secondary_yaxis("right")
        said.set_yticks(range(len(rows)), [forest.said(row, 40) for row in rows])
        said.tick_params(length=0)
        said.spines["right"].set_visible(False)
        place.set_ylim(len(rows) - 0.4, -0.6)
        place.set_xlabel(forest.across(70, 2))
        _draw_legend(figure, rows, 3)
        text = (
            f"Difference in {forest.label}{forest.towards}, with its 95 % interval (of this pair "
            "alone), and the verdict, which is corrected over all comparisons."
        )
        if outcome.facts.margin is not None:
            text += f" Grey: differences within the margin of {scale.number(outcome.facts.margin)}"
            text += " points." if scale.unit else "."
        if any(arm.key in forest.over for arm, _ in rows):
            text += " In brackets: over which replicates, where the others have no value."
        title = outcome.title or outcome.name
        caption(figure, title, text, forest.cut, heading="Differences to the base")
        figure.narrow = _narrow(forest)
    return figure


def _narrow(forest: _Forest) -> DrawnFigure:
    """The same for a window that is too narrow for names and verdicts beside the lines.

    They stand above them; what heads and explains the figure, the page says.
    """
    names = [wrapped(row_words(arm, forest.outcome), 50, lines=3) for arm, _ in forest.rows]
    lines = 2 + max(name.count("\n") for name in names)
    row_in = 0.25 + 0.15 * lines
    figure = new_figure(NARROW_IN, 1.15 + row_in * len(names))
    place = figure.subplots()
    below = 0.5 - 0.12 / row_in
    box = {"boxstyle": "square,pad=0.1", "fc": "w", "ec": "none", "alpha": 0.7}
    _draw_rows(place, forest, below)
    for at, (name, row) in enumerate(zip(names, forest.rows, strict=True)):
        place.text(
            0.0, at + below - 0.09 / row_in, f"{name}\n{forest.said(row, 44)}", va="bottom",
            fontsize=8, transform=place.get_yaxis_transform(), zorder=2, bbox=box,
        )  # fmt: skip
    place.set_yticks([])
    place.spines["left"].set_visible(False)
    place.set_ylim(len(names) - 0.5, -0.5)
    place.set_xlabel(forest.across(52, 3))
    _draw_legend(figure, forest.rows, 2)
    return figure


def _forest(outcome: Outcome) -> _Forest | None:
    compared = [
        (arm, arm.comparison)
        for arm in outcome.arms
        if arm.comparison is not None and not math.isnan(arm.comparison.difference)
    ]
    if not compared:
        return None
    rows = mattering(compared)
    cut = f"the clearest verdicts and largest differences: {len(rows)} of {len(compared)} arms"
    means = [arm.cells[outcome.primary].mean for arm, _ in rows if outcome.primary in arm.cells]
    scale = scale_of(outcome.primary, means, per_cent=outcome.facts.table.per_cent)
    bases = {found.base for _, found in compared}
    titles = {outcome.title_of(arm): words_of(arm, outcome) for arm in outcome.arms}
    titles |= {arm.key: words_of(arm, outcome) for arm in outcome.arms}
    base = titles.get(next(iter(bases)), next(iter(bases))) if len(bases) == 1 else ""
    towards = f" to {base}" if base else " to the base of each arm"
    cut = cut if len(rows) < len(compared) else ""
    return _Forest(outcome, rows, cut, scale, towards, differences_over(outcome))


def _draw_rows(place: Axes, forest: _Forest, below: float) -> None:
    """Margin, zero, and of each row its interval and difference, so far below the row's place."""
    factor, margin = forest.scale.factor, forest.outcome.facts.margin
    if margin is not None:
        place.axvspan(-margin * factor, margin * factor, color="0.93", lw=0, zorder=0)
    place.axvline(0, color="0.35", lw=1.0, zorder=1)
    place.grid(visible=False, axis="y")
    for row, (_, found) in enumerate(forest.rows):
        colour, at = verdict_colour(found.verdict), row + below
        if not math.isnan(found.low):
            ends = [found.low * factor, found.high * factor]
            place.plot(ends, [at, at], color=colour, lw=1.8, zorder=3)
        place.plot(found.difference * factor, at, "s", ms=6, color=colour, zorder=4)


def _draw_legend(figure: Figure, rows: _Rows, columns: int) -> None:
    colours = {verdict_colour(found.verdict) for _, found in rows}
    handles = [
        Line2D([], [], color=colour, marker="s", ms=5, lw=1.8, label=word)
        for colour, word in (
            (BLUE, "better"), (VERMILION, "worse"), (GREY, UNSHOWN),
        )
        if colour in colours
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=8)


def mattering(
    compared: Sequence[tuple[ArmOutcome, Comparison]], most: int = MOST_ROWS_DRAWN
) -> list[tuple[ArmOutcome, Comparison]]:
    """At most so many: clear verdicts before others, and among them the largest differences.

    All in their order; of more than are shown those that are kept, by their difference.
    """
    if len(compared) <= most:
        return list(compared)

    def clearness(at: int) -> tuple[bool, float]:
        found = compared[at][1]
        return verdict_colour(found.verdict) == GREY, -abs(found.difference)

    kept = sorted(range(len(compared)), key=clearness)[:most]
    return sorted((compared[at] for at in kept), key=lambda pair: -pair[1].difference)


def verdict_colour(verdict: str) -> str:
    """Of better, of worse, and of everything else."""
    if verdict.startswith(BETTER):
        return BLUE
    return VERMILION if verdict.startswith(WORSE) else GREY
