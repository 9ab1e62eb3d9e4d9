"""What the MLflow beside the store was seen to hold, so that it is asked again once it has changed.

MLflow takes two seconds to load and to ask, more than all else that a finished sweep needs. A note
beside the table of a sweep says which runs its stages have and what was recorded of it, and how the
database was when that had been written. While the database is as it was, so is what it holds.
Databases and servers elsewhere are always asked.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from abl.kept_files import MUCH, json_kept, read_kept
from abl.record.done import write_atomically
from abl.record.mlflow_client import RecordPlace

HELD = "recorded.json"


@dataclass(frozen=True)
class Held:
    """What MLflow holds of a sweep.

    Attributes:
        stage_runs: Stage digest -> run id.
        content: Digest of what was recorded of the outcome, "" if nothing is known.
        page: Path of the arms' page below MLflow's address.
    """

    stage_runs: Mapping[str, str] = field(default_factory=dict)
    content: str = ""
    page: str = ""


def held(record: RecordPlace, folder: Path) -> Held:
    """What the database holds of the sweep whose table lies in a folder; nothing if not known."""
    try:
        said = json_kept(read_kept(folder / HELD, MUCH))
        if said["database"] != _state(record):
            return Held()
        runs = {str(digest): str(run) for digest, run in said["stage_runs"].items()}
        return Held(runs, str(said["content"]), str(said["page"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Held()


def note_held(record: RecordPlace, folder: Path, found: Held) -> None:
    """Notes what was just recorded; not of a database elsewhere, or one that others write to."""
    (folder / HELD).unlink(missing_ok=True)
    if not (record.embedded and _settled(record.database)):
        return
    with suppress(OSError):
        said = {"database": _state(record), **asdict(found)}
        write_atomically(folder / HELD, json.dumps(said, indent=1))


def _settled(database: Path) -> bool:
    """Whether all that was written stands in the database itself, nothing in its log."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(database, timeout=1.0)) as connection:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    return False


def _state(record: RecordPlace) -> list[int | str]:
    """What changes of a database that is written to: place, inode, size, time; size of its log.

    Raises:
        OSError: There is none.
    """
    database = record.database
    found, log = database.stat(), database.with_name(f"{database.name}-wal")
    waiting = log.stat().st_size if log.exists() else 0
    uri = record.tracking_uri
    return [uri, found.st_ino, found.st_size, found.st_mtime_ns, waiting]
