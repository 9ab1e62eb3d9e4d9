"""Tables and figures that call what is scored by its name: see `plan/scored_part.py`."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.text import Text

from abl.plan.outcome import Outcome
from abl.plan.scored_part import TEST, as_scored
from abl.report.figures.style import DrawnFigure


def call_scored(figure: Figure, outcome: Outcome) -> None:
    """Renames what is scored in every text of a figure, but for what the sweep file calls it."""
    part = outcome.scored
    if part == TEST:
        return
    for text in figure.findobj(Text):
        shown = text.get_text()  # type: ignore[attr-defined]
        if shown not in (outcome.title, outcome.name):
            text.set_text(as_scored(shown, part))  # type: ignore[attr-defined]
    figure.set_label(as_scored(str(figure.get_label()), part))
    if isinstance(figure, DrawnFigure):
        figure.heading = as_scored(figure.heading, part)
        if figure.narrow is not None:
            call_scored(figure.narrow, outcome)
