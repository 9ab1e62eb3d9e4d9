"""What differs between the images and labels that a stage reads now and those of an earlier one."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from abl.data.splits.splits import Split
from abl.data.train_labels import NOT_TRAINED, TRAIN_LABEL

# of images in a part of the split: which labels a training reads, and what they are called
_LABELS = {"train": ("train_label", "training"), "validation": ("label", "validation")}


def read_changes(
    then: pd.DataFrame,
    now: pd.DataFrame,
    split: Split | None,
    *,
    labelled: bool,
    groups: Sequence[str] = (),
) -> list[str]:
    """In a few words each; none if the rows do not tell.

    Args:
        split: Of `now`; None where no image is kept apart.
        labelled: Whether the stage reads labels.
        groups: Columns that decide how images are split.
    """
    before, after = then.set_index("image"), now.set_index("image")
    told = [
        f"{_counted(len(images))} {word}"
        for word, images in (
            ("added", after.index.difference(before.index)),
            ("removed", before.index.difference(after.index)),
        )
        if len(images)
    ]
    shared = after.index.intersection(before.index)
    before, after = before.loc[shared], after.loc[shared]
    content = _differing(before, after, "fingerprint")
    if len(content):
        told.append(f"content of {_counted(len(content))} changed")
    parts = {} if split is None else dict(split.items())
    for role, (column, name) in _LABELS.items() if labelled else ():
        labels = _differing(before, after, column)
        if column == TRAIN_LABEL:
            # those that now train nothing are in no part; the others were in none
            told += _dropped(before, after, labels)
            labels = labels.difference(_untrained(before).union(_untrained(after)))
        if split is not None:
            labels = labels.intersection(pd.Index(now["image"])[parts[role]])
        if len(labels):
            told.append(f"{_counted(len(labels), 'label')} of the {name} images changed")
        if split is None:
            break  # everything trains
    # a split keeps classes in proportion and groups together
    columns = groups if told else ("label", *groups)
    changed = {column: len(_differing(before, after, column)) for column in columns}
    if changed.get("patient"):
        changed.pop("nodule", None)  # named after its patient
    return told + [f"{c} of {_counted(count)} changed" for c, count in changed.items() if count]


def _untrained(frame: pd.DataFrame) -> pd.Index:
    if TRAIN_LABEL not in frame:
        return frame.index[:0]
    return frame.index[(frame[TRAIN_LABEL] == NOT_TRAINED).to_numpy()]


def _dropped(before: pd.DataFrame, after: pd.DataFrame, labels: pd.Index) -> list[str]:
    counts = (
        (len(labels.intersection(_untrained(after))), "left out of training"),
        (len(labels.intersection(_untrained(before))), "taken back into training"),
    )
    return [f"{_counted(count)} {word}" for count, word in counts if count]


def _differing(before: pd.DataFrame, after: pd.DataFrame, column: str) -> pd.Index:
    if column not in before or column not in after:
        return after.index[:0]
    return after.index[
        before[column].astype(str).to_numpy() != after[column].astype(str).to_numpy()
    ]


def _counted(count: int, what: str = "image") -> str:
    return f"{count} {what}" if count == 1 else f"{count:,} {what}s"
