"""What is scored: each image, or the mean over the images of a nodule or a patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.data.dataset import unit_names
from abl.decide.check import Floats, Ints


@dataclass(frozen=True, eq=False)
class Units:
    """The units of one part of a split.

    Attributes:
        names: (U,) images, nodules or patients.
        labels: (U,) highest label of the unit's images: malignant if any of them is.
        patients: (U,) patient of each unit.
        member: (N,) unit of each image.
    """

    names: np.ndarray
    labels: Ints
    patients: np.ndarray
    member: Ints

    def mean(self, p: Floats) -> Floats:
        """(N, K) probabilities of images -> (U, K) of units."""
        if len(self.names) == len(p):
            return p[np.argsort(self.member)]
        total = np.zeros((len(self.names), p.shape[1]))
        np.add.at(total, self.member, p)
        mean: Floats = total / np.bincount(self.member, minlength=len(self.names))[:, None]
        return mean


def units_of(frame: pd.DataFrame, positions: np.ndarray, unit: str) -> Units:
    """The units of some rows of a data set; `unit` is image, nodule or patient."""
    rows = frame.iloc[positions]
    key = unit_names(rows, unit).to_numpy()
    names, first, member = np.unique(key, return_index=True, return_inverse=True)
    labels = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(labels, member, rows["label"].to_numpy())
    return Units(names, labels, rows["patient"].to_numpy()[first], member.astype(np.int64))
