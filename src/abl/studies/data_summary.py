"""What a sweep's data is, in rows, and what difference its test sets can show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from abl.decide.paired_tests import auc_half_width, detectable_difference
from abl.plan.graph import Replicate
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData


def data_rows(sweep: Sweep, opened: OpenData, replicate: Replicate) -> list[dict[str, Any]]:
    """One row a (role, centre) of one replicate's split: patients, images, images by class."""
    frame = opened.dataset.frame
    split = opened.split(sweep.splits, replicate.repeat, replicate.fold)
    rows = []
    for role, positions in split.items():
        part = frame.iloc[positions]
        centres = part["centre"].astype(str) if "centre" in part else pd.Series("", part.index)
        for centre, members in part.groupby(centres, sort=True):
            counts = members["label"].value_counts()
            rows.append(
                {
                    "role": role,
                    "centre": str(centre),
                    "patients": int(members["patient"].nunique()),
                    "images": len(members),
                    **{
                        name: int(counts.get(label, 0))
                        for label, name in enumerate(opened.dataset.classes)
                    },
                    "prevalence": float((members["label"] > 0).mean()),
                }
            )
    return rows


def training_patients(sweep: Sweep, opened: OpenData, replicate: Replicate) -> int:
    """Patients of the training part."""
    train = opened.split(sweep.splits, replicate.repeat, replicate.fold).train
    return int(opened.dataset.frame["patient"].iloc[train].nunique())


def power_note(sweep: Sweep, opened: OpenData, replicates: list[Replicate]) -> str:
    """What AUC difference the patients at hand can show; "" where there is nothing to say.

    Patients of all test folds of one repeat count, as every fold's patients are others.
    """
    frame = opened.dataset.frame
    first = replicates[0].repeat
    folds = {each.fold for each in replicates if each.repeat == first}
    tested = np.concatenate([opened.split(sweep.splits, first, fold).test for fold in folds])
    malignant = frame.iloc[tested].groupby("patient")["label"].max() > 0
    positive, negative = int(malignant.sum()), int((~malignant).sum())
    if not positive or not negative:
        return ""
    width = auc_half_width(negative, positive)
    least = detectable_difference(negative, positive)
    return (
        f"{negative + positive} test patients ({positive} positive): an AUC near 0.8 is known to "
        f"about ±{width:.2f}; a difference of two arms under about {least:.2f} will hardly be seen "
        "(80 % power, correlation 0.5)"
    )
