"""The manifest of a sweep with what a review decided, as text; the old one is never changed.

By default test labels stay: a new label goes into the column train_label, which training parts
alone read, and an image that was dropped leaves training parts alone (`train_label: drop`). So the
corrected set and the old one have the same splits and the same test labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from abl.app.image_pages.text_cells import as_text_cell
from abl.app.reviewing.readers import Ruling
from abl.app.reviewing.sheet import DROP
from abl.data.dataset import Dataset
from abl.data.load import manifest_of
from abl.data.tables.folder_rows import folder_rows
from abl.data.tables.rows import Rows, read_rows
from abl.data.train_labels import DROPPED, LABEL_BEFORE, TRAIN_LABEL
from abl.spec.data import Data

DECIDED, REVIEWER, CAUSE = "review_decision", "reviewer", "review_cause"
UNDECIDED = Ruling("", None, "", "", disputed=False)


@dataclass(frozen=True)
class Manifests:
    """Tables to write.

    Attributes:
        corrected: With the new labels.
        before: What it is held against, where that is not the manifest as it is; else None.
    """

    corrected: pd.DataFrame
    before: pd.DataFrame | None


def corrected_manifests(
    data: Data,
    dataset: Dataset,
    rulings: Mapping[str, Ruling],
    *,
    test_labels: bool,
    base: Path,
    roots: Sequence[Path],
) -> Manifests:
    """The rows of the manifest with what was decided on each.

    Args:
        dataset: What the data block opens.
        test_labels: Whether labels of test sets are corrected, and images that are dropped leave
            them; then both sets have these labels, and differ in what is trained.
    """
    path = manifest_of(data, base=base, roots=roots)
    is_folder = path.is_dir()
    rows = folder_rows(path, tuple(data.classes))[0] if is_folder else read_rows(path)
    label = data.columns.get("label", "label")
    training = data.columns.get(TRAIN_LABEL, TRAIN_LABEL)
    columns = {str(name): rows.text(str(name)) for name in rows.frame.columns}
    for name in (training, LABEL_BEFORE, DECIDED, REVIEWER, CAUSE):
        columns.setdefault(name, [""] * len(rows.frame))
    now, then = [
        [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        for _ in range(2)
    ]
    kept = []
    for image, after, before in zip(_images(rows, dataset, is_folder), now, then, strict=True):
        ruling = rulings.get(image, UNDECIDED)
        kept.append(not (test_labels and ruling.decision == DROP))
        if ruling is UNDECIDED:
            continue
        trained = before[training] or before[label]
        after[LABEL_BEFORE] = before[label]
        after[DECIDED], after[REVIEWER] = ruling.decision, as_text_cell(ruling.readers)
        after[CAUSE] = ruling.cause
        if ruling.decision == DROP:
            after[training] = DROPPED
        if ruling.new_label is None:
            continue
        new = dataset.classes[ruling.new_label]
        after[training] = new
        if test_labels:
            before[LABEL_BEFORE] = before[label]
            before[training] = trained
            before[label] = after[label] = new
            after[training] = ""
    keep = [at for at, keeps in enumerate(kept) if keeps]
    corrected, held = (_table([each[at] for at in keep], training) for each in (now, then))
    return Manifests(corrected, held if test_labels or is_folder else None)


def _table(rows: Sequence[Mapping[str, str]], training: str) -> pd.DataFrame:
    """The rows without columns of ours that hold nothing."""
    table = pd.DataFrame(rows, dtype=str)
    ours = (training, LABEL_BEFORE, DECIDED, REVIEWER, CAUSE)
    return table.drop(columns=[name for name in ours if not table[name].astype(bool).any()])


def _images(rows: Rows, dataset: Dataset, is_folder: bool) -> list[str]:
    """Id of each row of the table, "" of those that the data block leaves out."""
    if is_folder:
        known = set(dataset.frame["image"].astype(str))
        return [name if name in known else "" for name in rows.text("image")]
    by_row = {number: image for image, number in dataset.rows.items()}
    return [by_row.get(number, "") for number in rows.numbers]
