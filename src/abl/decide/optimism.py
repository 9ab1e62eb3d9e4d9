"""A score where something was chosen against the score on test, replicate by replicate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from abl.decide.intervals import cell_of
from abl.decide.replicates import KEYS
from abl.plan.outcome import Cell


@dataclass(frozen=True)
class Optimism:
    """Cells over the replicates in which both scores have a value.

    Attributes:
        chosen_at, test: Where it was chosen, and on test.
        gap: The first less the second.
    """

    chosen_at: Cell
    test: Cell
    gap: Cell


def optimism_of(
    replicates: pd.DataFrame, chosen_at: ArrayLike, test: ArrayLike, *, sign: int = 1
) -> Optimism:
    """What a choice promised beyond what it keeps; a mean over other replicates is none to compare.

    Args:
        replicates: Columns repeat, fold, seed: R rows.
        chosen_at, test: (R,) scores, nan where undefined.
        sign: -1 turns the gap where lower scores are better.
    """
    there, kept = (np.asarray(each, dtype=np.float64) for each in (chosen_at, test))
    both = ~np.isnan(there) & ~np.isnan(kept)

    def cell(values: np.ndarray) -> Cell:
        return cell_of(replicates[KEYS].assign(value=np.where(both, values, np.nan)))

    return Optimism(cell(there), cell(kept), cell(sign * (there - kept)))
