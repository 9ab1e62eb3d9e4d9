"""Out-of-fold predictions of several networks and runs, from files as any program writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.predictions.prediction_file import PredictionTable, checked_table
from abl.data.predictions.prediction_pairs import NAMED_BY, TWO_CLASSES
from abl.data.predictions.prediction_rows import Faults, class_columns
from abl.data.tables.alike_names import shown_name
from abl.data.tables.key_spellings import unicode_forms
from abl.errors import InputError

NETWORK, RUN = "network", "run"
FURTHER = (NETWORK, RUN)  # columns that a row is known by, besides those of a split
OF_A_RUN = ("repeat", "fold", "seed", RUN)


@dataclass(frozen=True, eq=False)
class ReadRuns:
    """What the files hold.

    Attributes:
        rows: Out-of-fold predictions, as decide.audit takes them: image, label, network, run,
            p_0, ...; patient if given.
        images: image, label, patient if given: every image of the files, those of training rows
            too.
        notes: What was left out or read otherwise than it is written, a sentence each.
    """

    rows: pd.DataFrame
    images: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def classes(self) -> int:
        return len(class_columns(self.rows))


def read_runs(files: Sequence[str], classes: Sequence[str] | None) -> ReadRuns:
    """Files, one a network and run, or with a column `network`; `NAME=FILE` names a network.

    Args:
        files: Paths, or NAME=PATH where no such path is there.
        classes: As read_paired.

    Raises:
        InputError: Everything that is wrong with the files, as read_prediction_table; an image with
            two labels or patients; files of different classes; no test rows.
    """
    faults = Faults()
    given = [_named(each) for each in files]
    _refuse_twice([path for _, path in given])
    names = TWO_CLASSES if classes is None else classes
    tables = [
        checked_table(
            path,
            names,
            faults,
            names_count=classes is not None,
            further=FURTHER,
            named_by=NAMED_BY,
        )
        for _, path in given
    ]
    faults.raise_if_any()
    read = [table for table in tables if table is not None]
    _refuse_other_classes(read, faults)
    faults.raise_if_any()
    notes = [note for table in read for note in table.notes]
    frames = _frames([name for name, _ in given], read, notes)
    _refuse_contradictions(frames, read, faults)
    faults.raise_if_any()
    whole = pd.concat(frames, ignore_index=True)
    rows = _out_of_fold(whole, frames, read, notes)
    columns = [name for name in ("image", "label", "patient") if name in whole]
    images = whole[columns].drop_duplicates("image", ignore_index=True)
    if "patient" in images:
        # a file without patients does not take away those of another
        known = whole.dropna(subset="patient").drop_duplicates("image").set_index("image")
        images["patient"] = images["image"].map(known["patient"]).fillna(images["image"])
    return ReadRuns(rows.reset_index(drop=True), images, tuple(dict.fromkeys(notes)))


def _named(file: str) -> tuple[str, Path]:
    """Name of the network ("" where none is given), and the path."""
    name, equals, path = file.partition("=")
    if equals and name.strip() and not Path(file).exists():
        return name.strip(), Path(path)
    return "", Path(file)


def _refuse_twice(paths: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
    for path in paths:
        first = seen.setdefault(path.resolve(), path)
        if first is not path:
            raise InputError(f"{path}: is given twice: name each file once")


def _refuse_other_classes(tables: Sequence[PredictionTable], faults: Faults) -> None:
    count = len(class_columns(tables[0].frame))
    for table in tables[1:]:
        if (own := len(class_columns(table.frame))) != count:
            faults.add(f"has {own} classes, {tables[0].path} has {count}", table.path, 1)


def _frames(
    names: Sequence[str], tables: Sequence[PredictionTable], notes: list[str]
) -> list[pd.DataFrame]:
    """Each file's rows with network, run and file."""
    stems = [Path(table.path).stem for table in tables]
    frames = []
    first = tables[0].frame["image"]
    for at, (name, table, stem) in enumerate(zip(names, tables, stems, strict=True)):
        frame = table.frame.copy()
        forms = unicode_forms(frame["image"], first) if at else {}
        if forms:
            frame["image"] = frame["image"].replace(forms)
        if name and NETWORK in frame:
            notes.append(f"{table.file}: its column network is passed over for '{name}'.")
        if name or NETWORK not in frame:
            frame[NETWORK] = name or (stem if stems.count(stem) == 1 else table.path)
        keys = [key for key in OF_A_RUN if key in frame]
        run = frame[keys].agg(" ".join, axis=1) if len(keys) > 1 else frame[keys[0]] if keys else ""
        frame[RUN] = run if len(tables) == 1 else f"{at} " + pd.Series(run, index=frame.index)
        frame["file"] = at
        frames.append(frame)
    return frames


def _refuse_contradictions(
    frames: Sequence[pd.DataFrame], tables: Sequence[PredictionTable], faults: Faults
) -> None:
    """Adds a fault for each row whose image has another label or patient in an earlier one."""
    for column in ("label", "patient"):
        known = pd.Series(dtype=object)
        for frame, table in zip(frames, tables, strict=True):
            if column not in frame:
                continue
            own = frame.drop_duplicates("image").set_index("image")[column]
            known = pd.concat([known, own[~own.index.isin(known.index)].astype(object)])
            expected = frame["image"].map(known).to_numpy()
            found = frame[column].to_numpy().astype(object)
            message = partial(_contradiction, column, found, expected, frame["image"].to_numpy())
            faults.rows(table.path, table.rows, found != expected, message)


def _contradiction(
    column: str, found: np.ndarray, expected: np.ndarray, images: np.ndarray, at: int
) -> str:
    return (
        f"image {shown_name(str(images[at]))}: {column} {shown_name(str(found[at]))} here, "
        f"{shown_name(str(expected[at]))} in an earlier row"
    )


def _out_of_fold(
    whole: pd.DataFrame,
    frames: Sequence[pd.DataFrame],
    tables: Sequence[PredictionTable],
    notes: list[str],
) -> pd.DataFrame:
    """The test rows, where a file has a column split, and all of the others."""
    faults = Faults()
    for frame, table in zip(frames, tables, strict=True):
        if "split" in frame and not (frame["split"] == "test").any():
            faults.add("column split has no 'test' rows to audit by", table.path, 1)
    faults.raise_if_any()
    if "split" not in whole:
        notes.append(
            "Without a column split every row is taken as out-of-fold: of a network that was not "
            "trained on that image."
        )
        return whole
    counts = whole["split"].value_counts()
    left = {part: int(counts.get(part, 0)) for part in ("train", "validation")}
    if any(left.values()):
        told = " and ".join(f"{count:,} {part}" for part, count in left.items() if count)
        notes.append(f"{told} rows are left out: only test rows say something of labels.")
    if whole["split"].isna().any():
        notes.append("Files without a column split are taken as out-of-fold.")
    return whole[whole["split"].isna() | (whole["split"] == "test")]
