"""Versions of a sweep's table: each run of a changed file keeps the ones before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from abl.app.results import outcome_named, sweep_names
from abl.app.table_sums import UnreadableTableError, read_table_file, table_text
from abl.contained import path_below
from abl.errors import InputError, nearest
from abl.kept_files import json_kept, read_kept
from abl.plan.outcome import Outcome
from abl.plan.outcome_json import outcome_from_json
from abl.record.patient import ABSENT
from abl.record.store import Store

OUTCOME, LATEST = "outcome.json", "latest.json"


@dataclass(frozen=True)
class SweepVersion:
    """One version of a sweep's table.

    Attributes:
        number: From 1, the oldest that is kept.
        key: The first 16 digits of the digest of arms, replicates and analysis.
        written: When its table was written, local time.
        newest: Whether `abl table` shows this one.
    """

    number: int
    key: str
    written: datetime
    newest: bool


def versions_of(store: Store, name: str) -> list[SweepVersion]:
    """The versions of a sweep that are kept, by the time when they were written.

    Raises:
        InputError: No sweep of that name was run here.
    """
    if name not in (known := sweep_names(store)):
        advice = nearest(name, known) if known else "run `abl sweep FILE` first"
        raise InputError(f"no sweep '{name}' was run here: {advice}")
    folder = store.sweep_folder(name)
    latest = _latest(folder)
    written = sorted(
        (path.stat().st_mtime, path.parent.name) for path in folder.glob(f"*/{OUTCOME}")
    )
    return [
        SweepVersion(at, key, datetime.fromtimestamp(time), newest=key == latest)
        for at, (time, key) in enumerate(written, start=1)
    ]


def version_named(store: Store, name: str, which: str = "") -> tuple[SweepVersion | None, Outcome]:
    """A version and its table; the newest is None and a table, so that a damaged list hides none.

    Args:
        which: Its number in `abl log`, or the first digits of its key; "" for the newest.

    Raises:
        InputError: No such sweep or version, or its table is damaged.
    """
    if not which:
        return None, outcome_named(store, name)
    found = versions_of(store, name)
    meant = [each for each in found if which == str(each.number)]
    # four digits at least: a number is that of the list
    meant = meant or [each for each in found if len(which) >= 4 and each.key.startswith(which)]
    if len(meant) != 1:
        said = ", ".join(f"{each.number} ({each.key[:8]})" for each in found)
        what = "several versions begin so" if meant else "no such version"
        raise InputError(f"{name} {which}: {what}; there are {said}")
    return meant[0], _read(store.sweep_folder(name), meant[0].key, name)


def _read(folder: Path, key: str, name: str) -> Outcome:
    try:
        found = outcome_from_json(table_text(path_below(folder, key), OUTCOME))
        if found.name != name or found.key[:16] != key:
            raise ValueError("another's")
    except UnreadableTableError:
        raise
    except (OSError, ValueError, KeyError, TypeError, InputError):
        raise InputError(f"the table of {name}, version {key[:8]}, is damaged") from None
    return found


def _latest(folder: Path) -> str:
    path = folder / LATEST
    try:
        return str(json_kept(read_table_file(lambda: read_kept(path), path))["key"])
    except (*ABSENT, ValueError, KeyError, TypeError):
        return ""


def two_versions(store: Store, name: str, names: Sequence[str]) -> tuple[str, str]:
    """The two that are held against each other, the older one first: those named; one and the
    newest; the newest, named or not, and the one before it.

    Raises:
        InputError: There is one alone, or no such version.
    """
    if len(names) == 2:
        return names[0], names[1]
    found = versions_of(store, name)
    newest = next((at for at, each in enumerate(found) if each.newest), len(found) - 1)
    if names:
        meant, _ = version_named(store, name, names[0])
        if meant is not None and meant.key != found[newest].key:
            return meant.key, found[newest].key
    if newest == 0 and len(found) == 1:
        raise InputError(f"{name} has one version: there is nothing to hold it against")
    before = newest - 1 if newest else newest + 1
    return found[before].key, found[newest].key
