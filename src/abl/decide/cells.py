"""One number of an ablation table from its replicates."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from abl.decide.replicates import KEYS
from abl.errors import InputError
from abl.plan.outcome import Cell


def cell_of(values: pd.DataFrame, *, low: float = math.nan, high: float = math.nan) -> Cell:
    """The cell of one metric.

    Args:
        values: Columns repeat, fold, seed, value: one row a replicate, nan where undefined.
        low, high: Ends of the interval, where one was computed.

    Returns:
        Seeds averaged within (repeat, fold), then splits; sd over replicates (ddof = 1); undefined
        replicates counted and left out of both.
    """
    missing = [column for column in [*KEYS, "value"] if column not in values.columns]
    if missing:
        raise InputError(f"a cell needs the columns {', '.join(missing)}")
    value = values["value"].to_numpy(dtype=np.float64)
    defined = values[~np.isnan(value)]
    count = len(defined)
    return Cell(
        mean=float(split_means(values).mean()) if count else math.nan,
        sd=float(defined["value"].std(ddof=1)) if count > 1 else math.nan,
        low=low,
        high=high,
        count=count,
        undefined=len(values) - count,
    )


def split_means(values: pd.DataFrame) -> pd.Series:
    """Mean over seeds of each (repeat, fold) that has a defined value, in order."""
    return values.dropna(subset="value").groupby(["repeat", "fold"], sort=True)["value"].mean()
