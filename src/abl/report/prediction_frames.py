"""Frames of per-image predictions as the statistics take them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abl.data.prediction_rows import probability_columns
from abl.decide.check import Floats
from abl.decide.replicates import KEYS, Scores


def probabilities_of(frame: pd.DataFrame) -> Floats:
    """(N, K) float64."""
    return frame[probability_columns(frame)].to_numpy(dtype="float64")


def arm_tests(frame: pd.DataFrame, arm: str) -> pd.DataFrame:
    """The test predictions of one arm, ordered by replicate and unit."""
    rows = frame[(frame["arm"] == arm) & (frame["role"] == "test")]
    return rows.sort_values([*KEYS, "unit"], kind="stable").reset_index(drop=True)


def scored_replicates(rows: pd.DataFrame) -> list[Scores]:
    """One Scores for each (repeat, fold, seed) of the rows of one arm.

    Raises:
        InputError: Probabilities outside [0, 1] or that do not sum to 1.
    """
    replicates = []
    for key, part in rows.groupby(KEYS, sort=True):
        repeat, fold, seed = np.asarray(key, dtype=np.int64).tolist()
        labels = part["label"].to_numpy(dtype=np.int64)
        patients = part["patient"].astype(str).to_numpy()
        replicates.append(Scores(repeat, fold, seed, labels, patients, probabilities_of(part)))
    return replicates
