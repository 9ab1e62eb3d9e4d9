"""Recorded predictions, read once each and brought into the order of a replicate's images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abl.decide.check import Floats
from abl.plan.stage import PREDICTIONS
from abl.record.store import Store


class Predictions:
    """Final probabilities of trained networks, by digest and split role."""

    def __init__(self, store: Store):
        self._store = store
        self._read: dict[str, dict[str, pd.DataFrame]] = {}

    def of(self, digest: str, role: str, images: np.ndarray) -> Floats:
        """Averaged probabilities (N, K) of a network on these images, in their order.

        Raises:
            StageError: The predictions are damaged.
            KeyError: An image has no prediction.
        """
        if digest not in self._read:
            frame = pd.read_parquet(self._store.file(digest, PREDICTIONS))
            columns = [name for name in frame.columns if name.startswith("p_")]
            self._read[digest] = {
                str(each): rows.set_index("image")[columns]
                for each, rows in frame.groupby("role", observed=True)
            }
        found: Floats = self._read[digest][role].loc[images].to_numpy(dtype=np.float64)
        return found
