"""The sentences under the ablation table: what cells are means of, what a difference is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from abl.decide.verdicts import FEWEST_TRAININGS
from abl.plan.outcome import ArmOutcome, Cell, Comparison
from abl.report.labels import counted
from abl.report.numbers import Scale
from abl.report.replicates_said import varied_words

_VERDICTS = {
    "undecided": "the data show neither a difference nor its absence",
    "same predictions": "of every image, so that the difference is 0 and nothing is to infer",
    "these networks differ": "the trained networks do; of other trainings of the arms too few are "
    "known",
}


def cell_notes(
    arms: Sequence[ArmOutcome],
    cells: Sequence[Cell],
    *,
    spread: bool,
    intervals: bool,
    clusters: str = "patients",
) -> list[str]:
    """What the cells of these arms are means of, and what stands beside them.

    Args:
        spread: Whether that is the standard deviation, `intervals` whether the interval too.
        clusters: What intervals resample, in a word.
    """
    shown = [cell for cell in cells if not math.isnan(cell.mean)]
    if not shown:
        return []
    frames = [arm.replicates for arm in arms if len(arm.replicates)]
    # arms that were trained elsewhere may have fewer
    frame = max(frames, key=len, default=pd.DataFrame())
    most = len(frame) or max(cell.count + cell.undefined for cell in cells)
    replicates = counted(most, "replicate")
    if spread:
        varied = varied_words(frame) or "what they differ in is not known"
        if most == 1:
            notes = [f"One replicate, {varied}: there is no standard deviation to show."]
        else:
            notes = [f"Mean ± standard deviation over {replicates}: {varied}."]
            if any(math.isnan(cell.sd) for cell in shown):
                notes.append("Without ±: a single replicate has a value.")
        return notes + [f"95 % intervals by {_drawn(frame, clusters)}."] * intervals
    if all(math.isnan(cell.low) for cell in shown):
        return [f"Mean over {replicates}; no intervals were computed."]
    if most == 1:
        return [
            f"One replicate; in brackets its 95 % interval by {clusters}. What other splits and "
            "seeds would give is not in it."
        ]
    return [
        f"Mean over {replicates}, seeds averaged first; in brackets its 95 % interval by "
        f"{_drawn(frame, clusters)}."
    ]


def comparison_note(
    primary: str,
    base: str,
    compared: Sequence[Comparison],
    margin: float | None,
    scale: Scale,
) -> str:
    """What the difference is, and what the verdicts in use mean; base "" of several bases."""
    named = f" ({base})" if base else ""
    text = f"Δ {primary}: difference to the base{named} with its 95 % interval"
    if len(compared) > 1:
        text += " (of this pair alone; P is corrected over all)"
    if isinstance(margin, float) and not math.isnan(margin):
        text += f"; margin {scale.number(margin)}{' points' if scale.unit else ''}"
    given = {comparison.verdict for comparison in compared}
    told = [f"; {verdict}: {said}" for verdict, said in _VERDICTS.items() if verdict in given]
    return "".join([text, *told, "."])


def _drawn(replicates: pd.DataFrame, clusters: str) -> str:
    """What an interval of these replicates draws anew: trainings only where there are enough."""
    if len(replicates) < FEWEST_TRAININGS:
        return clusters
    one_seed = "seed" in replicates and replicates["seed"].nunique() == 1
    return f"{clusters} and splits" if one_seed else f"{clusters} and trainings"
