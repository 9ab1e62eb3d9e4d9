"""An arm that was trained elsewhere: its predictions as kept, and placed on a sweep's tests."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq

from abl.data.predictions.prediction_file import PredictionTable, checked_table
from abl.data.predictions.prediction_rows import Faults
from abl.data.tables.who_is_who import name_notes
from abl.data.tables.words import missing_words
from abl.data.unit_labels import unit_label
from abl.decide.replicates import KEYS
from abl.errors import InputError, Problem, raise_if_any
from abl.plan.outcome import IMPORTED
from abl.report.labels import counted, one_line
from abl.report.prediction_frames import probability_columns
from abl.scratch import written_whole
from abl.studies.shared.imported_faults import faults_on_tests

_MOST_PROBLEMS = 10
_LONGEST_NAME = 80
_NAME = re.compile(r"(?=.*\w)[\w .-]+")


@dataclass(frozen=True, eq=False)
class ImportedArm:
    """Predictions on test images as a file gave them.

    Attributes:
        name: In the table.
        against: Words of the arm it is compared with; "" for the sweep's only base.
        file, sha256: Where they were read from.
        frame: unit (str), label (int64), p_0, ... (float64), row (int64, of the file); those of
            repeat, fold, seed (int64) that the file has; in_data (bool) once it is known, whether
            the sweep's data hold the unit.
        told: Those of the columns repeat, fold, split that the file has.
        others: Rows of the file that are no tests there: unit, split, row, and its keys; for
            messages, and not kept.
        said: What was read otherwise than as it is written, in words.
    """

    name: str
    against: str
    file: str
    sha256: str
    frame: pd.DataFrame
    told: tuple[str, ...] = ()
    others: pd.DataFrame | None = None
    said: tuple[str, ...] = ()

    @property
    def keys(self) -> list[str]:
        """Those of repeat, fold, seed that tell its rows apart."""
        return [key for key in KEYS if key in self.frame]

    def is_out_of_fold(self, tests: pd.DataFrame) -> bool:
        """Whether the file says of every prediction which split its network was trained for, and
        this is the sweep's.

        Of a sweep with one split, that it names it: by repeat, fold, or split `test`.

        Args:
            tests: repeat, fold, unit of the sweep's tests.
        """
        return self._names_splits(tests) and self.of_other_splits(tests).empty

    def _names_splits(self, tests: pd.DataFrame) -> bool:
        several = [key for key in KEYS[:2] if tests[key].nunique() > 1]
        return set(several) <= set(self.told) if several else bool(self.told)

    def of_other_splits(self, tests: pd.DataFrame) -> pd.DataFrame:
        """Rows of `frame` that the file calls tests, and the sweep trains or validates on.

        Who tests on them has divided the images otherwise, and trained on the sweep's tests.

        Args:
            tests: repeat, fold, unit of the sweep's tests.
        """
        if "split" not in self.told:
            return self.frame.head(0)  # every role may be in the file
        named = [*(key for key in KEYS[:2] if key in self.frame), "unit"]
        asked = pd.MultiIndex.from_frame(tests.astype({"unit": str})[named])
        stray = ~pd.MultiIndex.from_frame(self.frame[named]).isin(asked)
        if "in_data" in self.frame:
            stray &= self.frame["in_data"].to_numpy(dtype=bool)
        return self.frame[stray]

    def note(self, tests: pd.DataFrame) -> str:
        """What a reader must know; `tests` are repeat, fold, seed, unit of the sweep's tests."""
        replicates = tests[KEYS].drop_duplicates()
        text = f"{IMPORTED}{self.name} from file {self.file}, sha256 {self.sha256[:12]}"
        seeds, splits = replicates["seed"].nunique(), len(replicates[KEYS[:2]].drop_duplicates())
        if "seed" not in self.keys and seeds > 1:
            text += f"; given once, used for all {seeds} seeds of a split: it is one training"
        strays = self.of_other_splits(tests)
        if not self._names_splits(tests):
            text += "; not out of fold: the file does not say for which of the "
            text += f"{splits} splits" if splits > 1 else "sweep's splits"
            text += " each prediction was trained (columns repeat and fold, as `abl splits` writes "
            text += "them), so that it may have seen the test images, and there is no verdict"
        elif len(strays):
            first = strays.iloc[0]
            where = "".join(f", {key} {first[key]}" for key in KEYS[:2] if key in strays)
            text += f"; not out of fold: the file calls {counted(len(strays), 'prediction')} tests "
            text += (
                f"that the sweep trains or validates on, the first of '{first['unit']}'{where}: "
            )
            text += "it was divided otherwise than the sweep and may have trained on its tests, so "
            text += "that there is no verdict"
        named = [*self.keys, "unit"]
        asked = pd.MultiIndex.from_frame(tests.astype({"unit": str})[named])
        if unused := int((~pd.MultiIndex.from_frame(self.frame[named]).isin(asked)).sum()):
            text += f"; {unused:,} of its {len(self.frame):,} predictions are of no test of the "
            text += "sweep and were not used"
        return "; ".join([text, *self.said]) + "."


def read_imported(
    path: Path,
    name: str,
    against: str,
    classes: tuple[str, ...],
    several: Sequence[str] = (),
    of_others: Callable[[ImportedArm], Sequence[Problem]] | None = None,
) -> ImportedArm:
    """The test rows of a file of predictions; see prediction_file for its columns.

    Args:
        several: Those of repeat, fold, seed of which the sweep has several.
        of_others: Where rows cannot be read, what else is wrong with the others.

    Raises:
        InputError: Every fault with file and row; a name of other characters.
    """
    shown = name.strip()
    if not _NAME.fullmatch(shown) or len(shown) > _LONGEST_NAME:
        raise InputError(
            f"--as '{one_line(name)}': write 1 to {_LONGEST_NAME} letters, digits, spaces, _ - ."
        )
    faults = Faults()
    table = checked_table(path, classes, faults, several=several)
    if table is None:
        faults.raise_if_any()
        raise InputError(Problem("cannot be read", file=str(path)))
    frame = table.frame.rename(columns={"image": "unit"}).assign(row=table.rows)
    for key in KEYS:
        if key in frame:
            written, numbers = frame[key], pd.to_numeric(frame[key], errors="coerce")
            is_none = (numbers.isna() | (numbers % 1 != 0)).to_numpy(dtype=bool)
            if key == "fold":  # one that is empty is told already
                told = written.isin(missing_words(written.unique().tolist()))
                is_none = is_none & ~told.to_numpy(dtype=bool)
            faults.rows(table.path, table.rows, is_none, partial(_no_whole_number, written))
            frame[key] = numbers.fillna(0).astype(np.int64)
    wrong = faults.lines()
    if faults.count and of_others is not None and wrong is not None:
        readable = _of_table(table, frame[~frame["row"].isin(wrong)], shown, against, path)
        faults.add_all(of_others(readable))
    faults.raise_if_any()
    arm = _of_table(table, frame, shown, against, path)
    if arm.frame.empty:
        raise InputError(Problem("has no test rows (column split or role)", file=table.file))
    return arm


def _no_whole_number(written: pd.Series, at: int) -> str:
    text = written.iloc[at]
    if text in ("", "nan"):
        return f"{written.name} is empty; write a whole number"
    return f"{written.name} '{text}' is not a whole number"


def _of_table(
    table: PredictionTable, frame: pd.DataFrame, name: str, against: str, path: Path
) -> ImportedArm:
    """The test rows of a table, of which `frame` has the keys as numbers."""
    others = None
    if "split" in frame:
        others = frame[(frame["split"] != "test").to_numpy()]
        frame = frame[(frame["split"] == "test").to_numpy()]
    told = tuple(name for name in (*KEYS[:2], "split") if name in frame)
    columns = ["unit", "label", *probability_columns(frame), "row"]
    kept = frame[[*(key for key in KEYS if key in frame), *columns]].reset_index(drop=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    unlike = name_notes(table.notes)  # of its patients, who are those of the sweep
    said = tuple(note.rstrip(".") for note in table.notes if note not in unlike)
    return ImportedArm(name, against.strip(), table.file, digest, kept, told, others, said)


def by_unit(
    imported: ImportedArm, unit_of_image: Mapping[str, str], unit: str, rule: str = "highest"
) -> ImportedArm:
    """Predictions of images as those of nodules or patients: the mean, and their class by a rule.

    Rows that name no image of the data stay as they are: they may name units.

    Raises:
        InputError: Units of which some images are there and others are not.
    """
    frame, others = imported.frame, imported.others
    if others is not None:
        of_unit = others["unit"].map(unit_of_image).fillna(others["unit"])
        imported = replace(imported, others=others.assign(unit=of_unit))
    named = frame["unit"].map(unit_of_image)
    if named.isna().all():
        return imported
    known = frame.assign(unit=named.fillna(frame["unit"]), images=1)
    keys = [*imported.keys, "unit"]
    replicate = known[keys].astype(str).agg("\x1f".join, axis=1)
    known["label"] = unit_label(known["label"], replicate, rule)
    means = dict.fromkeys(probability_columns(frame), "mean")
    how = {"label": "first", **means, "row": "first", "images": "sum"}
    grouped = known.groupby(keys, sort=False).agg(how).reset_index()
    images = Counter(unit_of_image.values())
    wanted = grouped["unit"].map(images)
    short = grouped[(wanted.notna() & (grouped["images"] < wanted)).to_numpy()]
    raise_if_any(
        [
            Problem(
                f"{unit} '{row['unit']}' has {images[row['unit']]} images in the data, "
                f"{row['images']} in the file",
                file=imported.file,
                line=int(row["row"]),
            )
            for row in short.head(_MOST_PROBLEMS).to_dict("records")
        ]
    )
    return replace(imported, frame=grouped.drop(columns="images"))


def on_tests(imported: ImportedArm, tests: pd.DataFrame, unit: str = "image") -> pd.DataFrame:
    """The tests of a sweep with the probabilities of the imported arm.

    Args:
        tests: repeat, fold, seed, unit, label, patient, p_0, ... of another arm, test role.
        unit: What is scored, for messages.

    Raises:
        InputError: Tests without a prediction, other labels or classes.
    """
    wanted, given = probability_columns(tests), probability_columns(imported.frame)
    if wanted != given:
        message = f"{len(given)} classes, the sweep has {len(wanted)}"
        raise InputError(Problem(message, file=imported.file, line=1))
    own = imported.frame.rename(columns={"label": "said"})
    left = tests.drop(columns=wanted).assign(unit=tests["unit"].astype(str))
    found = left.merge(own, on=[*imported.keys, "unit"], how="left", validate="many_to_one")
    raise_if_any(faults_on_tests(imported, left, found, unit))
    return found[[*left.columns, *wanted]]


def keep_imported(folder: Path, imported: ImportedArm) -> Path:
    """Writes an imported arm below a folder, in place of one of the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / imported_file(imported.name)
    said = {key: getattr(imported, key) for key in ("name", "against", "file", "sha256", "told")}
    said |= {"said": imported.said} if imported.said else {}
    table = pyarrow.Table.from_pandas(imported.frame, preserve_index=False)
    table = table.replace_schema_metadata({"abl": json.dumps(said, sort_keys=True)})
    with written_whole(path) as part:
        pq.write_table(table, part, compression="zstd")
    return path


def kept_imported(folder: Path) -> list[ImportedArm]:
    """The imported arms below a folder, by name."""
    arms = []
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        said = json.loads((table.schema.metadata or {})[b"abl"])
        frame = table.replace_schema_metadata(None).to_pandas()
        known = [key for key in KEYS[:2] if key in frame]  # an earlier version kept no more
        told = tuple(said.get("told", known))
        words = {key: said[key] for key in ("name", "against", "file", "sha256")}
        read = tuple(said.get("said", ()))
        arms.append(ImportedArm(**words, frame=frame, told=told, said=read))
    return sorted(arms, key=lambda arm: arm.name)


def imported_file(name: str) -> str:
    """File name of an imported arm: its letters, and a hash as two names may share them."""
    letters = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:40]
    return f"{letters or 'arm'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.parquet"
