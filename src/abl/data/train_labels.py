"""Column train_label of a manifest: what training parts take an image for, where that is not its
label. Evaluation reads `label` alone, and so do splits: a corrected training label moves no image
and changes no score but by what was learnt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from abl.data.tables.alike_names import label_fault
from abl.data.tables.rows import Rows
from abl.data.tables.words import class_numbers, same_name
from abl.errors import Problem

TRAIN_LABEL = "train_label"
LABEL_BEFORE = "label_before"  # what a review found, as it stood in the manifest
DROPPED = "drop"  # the word of an image that is in no training part
NOT_TRAINED = -1  # its number


def train_labels(
    rows: Rows, labels: np.ndarray, classes: Sequence[str], problems: list[Problem]
) -> np.ndarray:
    """int64 (N,): class of each row for training, NOT_TRAINED where it leaves the training parts.

    Args:
        labels: int64 (N,): what an empty cell, or a table without the column, stands for.
        problems: Takes what is wrong, each with its row.
    """
    if TRAIN_LABEL not in rows.frame:
        return labels.copy()
    texts = rows.text(TRAIN_LABEL)
    words = [text for text in texts if not _drops(text, classes)]
    # read as the labels are, should classes be named by numbers
    number_of = class_numbers([*rows.text("label"), *words], classes)
    found = labels.copy()
    for position, text in enumerate(texts):
        if text in number_of:
            found[position] = number_of[text]
        elif _drops(text, classes):
            found[position] = NOT_TRAINED
        elif text:
            fault = label_fault(text, tuple(classes), frozenset())
            said = f"{TRAIN_LABEL}: {fault}; empty stands for the label, '{DROPPED}' for none"
            problems.append(rows.problem(position, said))
    return found


def given_labels(frame: pd.DataFrame) -> np.ndarray:
    """int64 (N,): what training parts take the rows of a data set for; of an image that is in none,
    its label.
    """
    trained = frame[TRAIN_LABEL].to_numpy(dtype=np.int64)
    return np.where(trained == NOT_TRAINED, frame["label"].to_numpy(dtype=np.int64), trained)


def train_label_notes(rows: Rows, labels: np.ndarray, found: np.ndarray) -> list[str]:
    """What is to be said of labels that a review changed, a sentence each.

    Args:
        labels, found: int64 (N,): labels, and those for training.
    """
    notes = []
    other = int(((found != labels) & (found != NOT_TRAINED)).sum())
    dropped = int((found == NOT_TRAINED).sum())
    if other:
        notes.append(
            f"{_images(other)} another label in training parts than in test and validation parts "
            f"(column {TRAIN_LABEL})."
        )
    if dropped:
        word = "is" if dropped == 1 else "are"
        notes.append(
            f"{dropped} {'image' if dropped == 1 else 'images'} {word} in no training part, and "
            f"{word} tested as before (column {TRAIN_LABEL}: {DROPPED})."
        )
    if LABEL_BEFORE in rows.frame and "label" in rows.frame:
        before, now = rows.text(LABEL_BEFORE), rows.text("label")
        changed = sum(
            bool(old) and same_name(old) != same_name(new)
            for old, new in zip(before, now, strict=True)
        )
        if changed:
            notes.append(
                f"{_images(changed)} a label that a review changed, in test sets too (column "
                f"{LABEL_BEFORE} has the earlier one): scores are not those of the earlier labels."
            )
    return notes


def _drops(text: str, classes: Sequence[str]) -> bool:
    # a class of that name goes before
    return same_name(text) == DROPPED and all(same_name(name) != DROPPED for name in classes)


def _images(count: int) -> str:
    return "1 image has" if count == 1 else f"{count:,} images have"
