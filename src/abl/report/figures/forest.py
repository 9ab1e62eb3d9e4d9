"""Differences of arms to their base, one below the other: what a sweep came to at one look."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.decide.verdicts import BETTER, WORSE
from abl.plan.outcome import ArmOutcome, Comparison, Outcome
from abl.report.figures.arms import row_words
from abl.report.figures.style import (
    BLUE,
    GREY,
    VERMILION,
    caption,
    new_figure,
    own_style,
    wrapped,
)  # fmt: skip
from abl.report.labels import label_in, scale_of, with_unit
from abl.report.named import words_of

MOST_ROWS_DRAWN = 30
ROW_IN = 0.27


def forest_figure(outcome: Outcome) -> Figure | None:
    """Difference of each arm to its base with its 95 % interval, and the verdict.

    None if nothing was compared. Of many arms those with the clearest verdicts are drawn, from
    the largest difference to the smallest.
    """
    compared = [
        (arm, arm.comparison)
        for arm in outcome.arms
        if arm.comparison is not None and not math.isnan(arm.comparison.difference)
    ]
    if not compared:
        return None
    rows = mattering(compared)
    left_out = len(compared) - len(rows)
    cut = f"the clearest verdicts and largest differences: {len(rows)} of {len(compared)} arms"
    means = [arm.cells[outcome.primary].mean for arm, _ in rows if outcome.primary in arm.cells]
    scale = scale_of(outcome.primary, means, per_cent=outcome.facts.table.per_cent)
    label = label_in(outcome, outcome.primary)
    bases = {found.base for _, found in compared}
    titles = {outcome.title_of(arm): words_of(arm, outcome) for arm in outcome.arms}
    titles |= {arm.key: words_of(arm, outcome) for arm in outcome.arms}
    base = titles.get(next(iter(bases)), next(iter(bases))) if len(bases) == 1 else ""
    with own_style():
        figure = new_figure(8.2, 1.25 + ROW_IN * len(rows))
        place = figure.subplots()
        margin = outcome.facts.margin
        if margin is not None:
            width = margin * scale.factor
            place.axvspan(-width, width, color="0.93", lw=0, zorder=0)
        place.axvline(0, color="0.35", lw=1.0, zorder=1)
        for row, (_, found) in enumerate(rows):
            colour = verdict_colour(found.verdict)
            at = found.difference * scale.factor
            if not math.isnan(found.low):
                ends = [found.low * scale.factor, found.high * scale.factor]
                place.plot(ends, [row, row], color=colour, lw=1.8, zorder=3)
            place.plot(at, row, "s", ms=6, color=colour, zorder=4)
        names = [wrapped(row_words(arm, outcome), 44, lines=2) for arm, _ in rows]
        place.set_yticks(range(len(rows)), names)
        said = place.secondary_yaxis("right")
        said.set_yticks(
            range(len(rows)),
            [
                f"{scale.difference(found.difference)}  {wrapped(found.verdict, 34, lines=1)}"
                for _, found in rows
            ],
        )
        said.tick_params(length=0)
        said.spines["right"].set_visible(False)
        place.set_ylim(len(rows) - 0.4, -0.6)
        place.grid(visible=False, axis="y")
        towards = f" to {base}" if base else " to the base of each arm"
        points = "points" if scale.unit else ""
        place.set_xlabel(with_unit(wrapped(f"difference in {label}{towards}", 70, lines=2), points))
        handles = [
            Line2D([], [], color=colour, marker="s", ms=5, lw=1.8, label=word)
            for colour, word in (
                (BLUE, "better"), (VERMILION, "worse"), (GREY, "no difference shown"),
            )
            if any(verdict_colour(found.verdict) == colour for _, found in rows)
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
        text = (
            f"Difference in {label}{towards}, with its 95 % interval (of this pair alone), and the "
            "verdict, which is corrected over all comparisons."
        )
        if margin is not None:
            text += f" Grey: differences within the margin of {scale.number(margin)}"
            text += " points." if scale.unit else "."
        title = outcome.title or outcome.name
        caption(figure, title, text, cut if left_out else "", heading="Differences to the base")
    return figure


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
