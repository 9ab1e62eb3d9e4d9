"""SQLite files that a record is to lie in, looked at before MLflow tries for minutes."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from urllib.parse import unquote

from abl.record.mlflow_errors import RecordError


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite database, None of another one."""
    scheme, found, path = uri.partition(":///")
    if not found or scheme.partition("+")[0] != "sqlite" or path.startswith((":", "file:")):
        return None
    return Path(unquote(path.partition("?")[0])) if path else None


def check_sqlite_file(file: Path) -> None:
    """Tells of a database that cannot be opened for writing or made; leaves nothing behind.

    Raises:
        RecordError: Why.
    """
    own = file.absolute()
    try:
        try:
            # a pipe would be waited for; what is no database is told by who reads it
            handle = os.open(own, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError:
            what = "made"
        else:
            what = "written beside, where its journal belongs,"
            try:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise RecordError(f"{file} is no file")
            finally:
                os.close(handle)
        there = next(path for path in own.parents if os.path.lexists(path))
        # rights alone do not say it: some file systems take no new file from anybody
        with tempfile.TemporaryDirectory(prefix=".abl-", dir=there):
            pass
    except OSError as error:
        if error.filename == str(own):
            what = "opened for writing"
        why = error.strerror or str(error)
        raise RecordError(f"{file} cannot be {what} ({why})") from error
