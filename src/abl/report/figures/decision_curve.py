"""The decision curve: net benefit of arms over the threshold probability, on the test sets.

Source: Vickers, Elkin, Medical Decision Making 2006; 26:565-574.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from abl.decide.check import Floats
from abl.decide.net_benefit import net_benefit, net_benefit_of_all
from abl.decide.replicates import Scores, mean_over_splits
from abl.report.figures.arms import Shown
from abl.report.figures.style import (
    COLOURS,
    MARKERS,
    caption,
    grid_of_panels,
    own_style,
    wrapped,
)

# at 1 nobody would be treated whatever it costs
THRESHOLDS = np.linspace(0.01, 0.99, 99)
# of what lies below, only that it lies below matters
LOWEST_SHARE = 0.35


def decision_curve_figure(shown: Shown, classes: tuple[str, ...]) -> Figure | None:
    """Net benefit, a line an arm, with treating all and none; None for more than two classes."""
    arms = [arm for arm in shown.arms if any(len(each.labels) for each in arm.scores)]
    if not arms or arms[0].scores[0].p.shape[1] != 2:
        return None
    positive = classes[1] if len(classes) == 2 else "class 1"
    everyone = _mean(
        arms[0].scores, [net_benefit_of_all(each.labels, THRESHOLDS) for each in arms[0].scores]
    )
    highest = float(np.nanmax(everyone))
    with own_style():
        figure, (place,) = grid_of_panels(1, width_in=5.6, height_in=3.4)
        place.axhline(0, color="0.25", lw=1.0, label="none called positive")
        place.plot(THRESHOLDS, everyone, color="0.55", lw=1.2, ls=":", label="all called positive")
        for index, arm in enumerate(arms):
            curves = [net_benefit(each.labels, each.p, THRESHOLDS) for each in arm.scores]
            curve = _mean(arm.scores, curves)
            highest = max(highest, float(np.nanmax(curve)))
            place.plot(
                THRESHOLDS, curve, color=COLOURS[index % len(COLOURS)],
                lw=2.0 if arm.best else 1.2, ls="--" if arm.base else "-",
                marker=MARKERS[index % len(MARKERS)], markevery=(3 + 2 * index, 24), ms=5, mfc="w",
                label=wrapped(arm.label_and_role, 30),
            )  # fmt: skip
        top = max(1.08 * highest, 0.01)
        place.set(xlim=(0, 1), ylim=(-LOWEST_SHARE * top, top))
        place.set_xlabel(f"threshold probability of {wrapped(positive, 30, lines=1)}")
        place.set_ylabel("net benefit")
        figure.legend(loc="outside right center", fontsize=8)
        text = (
            f"Net benefit on the test sets of calling a case {positive} where its probability "
            "reaches the threshold: true positives a case, less false positives a case times the "
            "threshold's odds, averaged over replicates. It is that at the share of "
            f"{positive} in the test sets, and of probabilities as they are: where they are not "
            "calibrated, it is what acting on them would bring. Nothing is chosen by it."
        )
        caption(figure, "Decision curve on the test sets", text, shown.cut)
    return figure


def _mean(scores: Sequence[Scores], curves: Sequence[Floats]) -> Floats:
    """(T,) mean of curves (T,) over replicates, as a cell of a table is one."""
    columns = np.column_stack(curves)
    return mean_over_splits(columns, scores, np.ones((1, len(scores))))
