"""What a person should know before trusting an audit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abl.app.auditing.reading import NETWORK, ReadRuns
from abl.data.predictions.prediction_rows import class_columns
from abl.decide.audit.label_audit import LabelAudit

IN_SAMPLE = 0.005  # error rate from which a network is suspected to have seen the images
FEW = 3  # appearances of an image in the median


def warnings_of(audit: LabelAudit, read: ReadRuns) -> list[str]:
    """A sentence each."""
    found = audit.found
    said = []
    if len(found.networks) == 1:
        said.append(
            "One network alone: what it finds hard and what is wrongly labelled look the same. "
            "Give predictions of several."
        )
    said += [
        f"{' and '.join(names)} say exactly the same of every image, and count as "
        f"{len(names)} networks: is one file given under two names?"
        for names in _alike(read)
    ]
    unseen = int((found.times_seen == 0).sum())
    if unseen:
        which = "image was" if unseen == 1 else "images were"
        said.append(
            f"{unseen:,} {which} in no test set: nothing is known of them, and none is flagged."
        )
    for at, name in enumerate(found.networks):
        appearances = int(found.seen[:, at].sum())
        share = found.wrong[:, at].sum() / max(1, appearances)
        if share < IN_SAMPLE and appearances >= 100:
            said.append(
                f"{name} is right in {100 * (1 - share):.1f} % of {appearances:,} rows: were these "
                "images among those it was trained on? Then it repeats the labels."
            )
        chance = 1 - 1 / read.classes
        if share > chance:
            said.append(
                f"{name} is wrong in {100 * share:.0f} % of its rows, more often than chance: are "
                "its classes in the order of the labels?"
            )
    patients = "patient" in read.images
    if not patients:
        said.append("No column patient: images are taken as independent.")
    return said


def _alike(read: ReadRuns) -> list[list[str]]:
    """Names of networks whose rows hold the same probabilities of the same images."""
    rows = read.rows
    columns = ["image", *class_columns(rows)]
    marks = pd.util.hash_pandas_object(rows[columns], index=False)
    # in any order, as files are sorted in their own ways
    found: dict[bytes, list[str]] = {}
    for name, own in marks.groupby(rows[NETWORK].to_numpy(str), sort=False):
        found.setdefault(np.sort(own.to_numpy()).tobytes(), []).append(str(name))
    return [names for names in found.values() if len(names) > 1]
