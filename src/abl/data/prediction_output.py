"""Files of predictions written whole or not at all, and never over a file that was read."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.csv
import pyarrow.parquet as pq

from abl.data.prediction_file import SUFFIXES
from abl.errors import InputError, Problem


def write_predictions(path: Path, frame: pd.DataFrame) -> None:
    """Writes columns as read_predictions reads them; whole or not at all.

    Raises:
        InputError: As checked_output; the disk does not take it.
    """
    checked_output(path)
    fresh = _beside(path)
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    try:
        if path.suffix.lower() == ".csv":
            options = pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="needed")
            pyarrow.csv.write_csv(table, fresh, options)
        else:
            pq.write_table(table, fresh, compression="zstd")
        os.replace(fresh, path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        fresh.unlink(missing_ok=True)


def checked_output(path: Path) -> None:
    """Raises InputError unless the path can be written as CSV or Parquet."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(Problem("name it .csv or .parquet", file=str(path)))
    if path.is_dir():
        raise InputError(Problem("is a folder, not a file", file=str(path)))
    if not path.absolute().parent.is_dir():
        raise InputError(Problem(f"no folder {path.parent}", file=str(path)))
    probe = _beside(path)
    try:
        # permissions do not tell what a mount allows; a search of minutes must not end in this
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def same_file(path: Path, others: Iterable[Path]) -> Path | None:
    """The first of the others that is this file, by whatever name."""
    for other in others:
        if path.resolve() == other.resolve():
            return other
        if path.exists() and other.exists() and path.samefile(other):
            return other
    return None


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def _unwritable(path: Path, error: OSError) -> InputError:
    why = error.strerror or str(error).splitlines()[0]
    return InputError(Problem(f"cannot be written ({why})", file=str(path)))
