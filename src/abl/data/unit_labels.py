"""The class of a patient or nodule that is scored as one and has images of several classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from abl.data.checks.idle_settings import names_no_nodules, no_nodules
from abl.data.dataset import UNIT_LABEL, Dataset, unit_names
from abl.errors import InputError
from abl.spec.data import Data

NAMED = 5  # units listed in a message


def with_unit_labels(dataset: Dataset, data: Data) -> Dataset:
    """The data set with a column of the units' classes, if `data.unit` makes one of several.

    Raises:
        InputError: There are such units and `data.patient_label` does not say what they are.
    """
    if data.unit == "image":
        return dataset
    if data.unit == "nodule" and data.phantom is None and names_no_nodules(dataset.frame):
        said = no_nodules(dataset.name, "unit: nodule", "unit: patient")
        dataset = replace(dataset, notes=(*dataset.notes, said))
    names = unit_names(dataset.frame, data.unit)
    classes = dataset.frame.groupby(names.to_numpy())["label"].nunique()
    several = classes.index[classes > 1].tolist()
    if not several:
        return dataset
    if data.patient_label == "refuse":
        shown = ", ".join(map(str, several[:NAMED]))
        more = f", and {len(several) - NAMED} more" if len(several) > NAMED else ""
        raise InputError(
            f"data.unit: {len(several)} of {len(classes)} {data.unit}s of {dataset.name} have "
            f"images of several classes ({shown}{more}); say how one is scored by data: "
            "{patient_label: highest} or majority, or score images by unit: image"
        )
    labels = unit_label(dataset.frame["label"], names, data.patient_label)
    note = (
        f"{len(several)} of {len(classes)} {data.unit}s of {dataset.name} have images of several "
        f"classes: scored by the {data.patient_label} of these."
    )
    frame = dataset.frame.assign(**{UNIT_LABEL: labels})
    return replace(dataset, frame=frame, notes=(*dataset.notes, note))


def unit_label(labels: pd.Series, units: pd.Series, rule: str) -> np.ndarray:
    """int64 (N,): class of each row's unit.

    Args:
        labels, units: (N,) class and unit of each image.
        rule: highest; or majority of the unit's images, a tie to the higher.
    """
    names, member = np.unique(units.to_numpy().astype(str), return_inverse=True)
    values = labels.to_numpy(np.int64)
    images = np.zeros((len(names), int(values.max()) + 1), dtype=np.int64)
    np.add.at(images, (member, values), 1)
    last = images.shape[1] - 1
    ranked = images if rule == "majority" else images > 0
    # the last of equal maxima is the higher class
    found: np.ndarray = (last - ranked[:, ::-1].argmax(axis=1))[member]
    return found
