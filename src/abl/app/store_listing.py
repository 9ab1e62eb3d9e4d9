"""What `abl store ls` prints: what lies in a store, by sweep and kind."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from abl.record.asked import asked_of
from abl.record.lying import Lying, is_at_work, rest_lying, stages_lying, work_lying
from abl.record.sizes import size_text
from abl.record.store import Store
from abl.visible import visible_line

COLUMNS = ("sweeps", "what", "kind", "count", "bytes", "made", "used")
NOBODY = "(nobody)"
_ORDER = (
    "finished", "damaged", "unreadable", "running", "left behind", "tables", "searches", "cache",
    "other", "not of abl",
)  # fmt: skip


@dataclass(frozen=True)
class _Row:
    """Things of one sort: oldest making, latest use."""

    sweeps: str
    what: str
    kind: str
    count: int
    bytes: int
    made: float
    used: float


def listed_store(store: Store, form: str) -> str:
    """What lies in a store, by sweep and kind: sizes, when made first and used last.

    Args:
        form: text, for people, or csv: bytes, and times in UTC.
    """
    asked = asked_of(store)
    things = stages_lying(store, asked)
    things += work_lying(store, asked)
    is_running = bool(asked.running) or any(each.held for each in things)
    rows = _grouped([*things, *rest_lying(store, is_running=is_running)])
    if form == "csv":
        return _csv(rows)
    total = sum(row.bytes for row in rows)
    lines = [*_aligned(rows), f"{told_place(store)}: {size_text(total)}"]
    leases = {digest: is_at_work(store, digest) for digest in store.leased()}
    if leases:
        held = sum(leases.values())
        lines.append(f"leases: {held} held, {len(leases) - held} of dead holders")
    nobodys = sum(row.bytes for row in rows if row.sweeps == NOBODY and row.what in _OF_STAGES)
    if nobodys and "url" not in store.address:
        lines.append(
            f"no latest plan or table asks for {size_text(nobodys)} of it: `abl store gc` removes "
            "such work, `abl store gc --keep SIZE` finished stages too"
        )
    return "\n".join(lines) + "\n"


_OF_STAGES = ("finished", "damaged", "left behind")


def _grouped(things: Iterable[Lying]) -> list[_Row]:
    groups: dict[tuple[str, str, str], list[Lying]] = defaultdict(list)
    for each in things:
        groups[_sweeps_text(each), each.what, visible_line(each.kind)].append(each)
    rows = [
        _Row(
            sweeps,
            what,
            kind,
            len(members),
            sum(each.bytes for each in members),
            min(each.made for each in members),
            max(each.used for each in members),
        )
        for (sweeps, what, kind), members in groups.items()
    ]
    by = {what: at for at, what in enumerate(_ORDER)}
    return sorted(rows, key=lambda r: (r.sweeps == "", r.sweeps == NOBODY, r.sweeps, by[r.what]))


MOST_NAMED = 2


def _sweeps_text(each: Lying) -> str:
    if each.what not in (*_OF_STAGES, "running", "unreadable", "tables"):
        return ""
    more = len(each.sweeps) - MOST_NAMED
    named = ", ".join(each.sweeps[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return visible_line(named) or NOBODY


def _csv(rows: Sequence[_Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        times = [_when(row.made, "seconds"), _when(row.used, "seconds")]
        writer.writerow([row.sweeps, row.what, row.kind, row.count, row.bytes, *times])
    return buffer.getvalue()


def _aligned(rows: Sequence[_Row]) -> list[str]:
    shown = [("sweep", "what", "kind", "count", "size", "made", "used")] + [
        (
            row.sweeps,
            row.what,
            row.kind,
            str(row.count),
            size_text(row.bytes),
            _when(row.made, "days"),
            _when(row.used, "days"),
        )
        for row in rows
    ]
    widths = [max(len(row[at]) for row in shown) for at in range(len(shown[0]))]
    right = (3, 4)  # numbers
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in shown
    ] + [""]


def _when(time: float, to: Literal["days", "seconds"]) -> str:
    if not time:  # an object store does not say
        return ""
    moment = datetime.fromtimestamp(time, UTC)
    return moment.strftime("%Y-%m-%d" if to == "days" else "%Y-%m-%dT%H:%M:%SZ")


def told_place(store: Store) -> str:
    """A store as messages name it."""
    return store.address.get("url") or str(store.root)
