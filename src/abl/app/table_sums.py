"""Checksums beside a table, over what tables, figures and comparisons are read from.

`sums.json` is written last and removed first, so that it never speaks of half a table. Tables of
earlier versions have none: they are believed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from abl.contained import is_contained
from abl.errors import InputError
from abl.kept_files import MUCH, json_kept, read_kept, stat_kept
from abl.plan.stage import digest_of
from abl.record.done import write_atomically
from abl.spec.yaml_file import sha256_of

SUMS = "sums.json"


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Notes what these files hold; those that are not there are none of it."""
    there = sorted(name for name in names if (folder / name).exists())
    files = {name: sha256_of(folder / name) for name in there}
    write_atomically(folder / SUMS, json.dumps({"files": files, "checksum": digest_of(files)}))


def drop_sums(folder: Path) -> None:
    """Before anything of the table changes."""
    (folder / SUMS).unlink(missing_ok=True)


def wrong_in_table(folder: Path) -> str:
    """Name of the first file that does not hold what was written, "" if all do or none is known.

    Raises:
        OSError: One cannot be read.
    """
    try:
        said = _said(folder) or {}
    except ValueError:
        return SUMS
    return next((name for name, sha in said.items() if not _holds(folder / name, sha)), "")


def has_sums(folder: Path) -> bool:
    return (folder / SUMS).exists()


def checked_file(folder: Path, name: str) -> Path:
    """A file beside a table, which may not be there if it never was.

    Raises:
        InputError: It does not hold what was written, or has gone.
    """
    path = folder / name
    try:
        said = _said(folder)
        right = said is None or name not in said or _holds(path, said[name])
    except (OSError, ValueError):
        right = False
    if not right:
        where = f"{folder.parent.name}: {name}"
        raise InputError(f"{where} is damaged: `abl sweep FILE` makes it again")
    return path


def _said(folder: Path) -> dict[str, str] | None:
    """None where nothing was noted. Raises ValueError if what was is damaged."""
    try:
        said = json_kept(read_kept(folder / SUMS))
        files = said["files"]
        if said["checksum"] != digest_of(files) or not all(map(is_contained, files)):
            raise ValueError(f"{SUMS} is damaged")
        return {str(name): str(sha) for name, sha in files.items()}
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{SUMS} is damaged") from error


def _holds(path: Path, sha: str) -> bool:
    try:
        stat_kept(path)
        return sha256_of(path) == sha
    except FileNotFoundError:
        return False


def table_text(folder: Path, name: str) -> str:
    """A text beside a table. Raises InputError as `checked_file`, OSError, UnicodeDecodeError."""
    return read_kept(checked_file(folder, name), MUCH).decode()
