"""Removing what nobody asks for: at the start of a run a little, with `abl store gc` the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from abl.record.asked import AskedStages, asked_of
from abl.record.left_files import left_attempts, left_beats, left_parts, own_leases
from abl.record.lying import Lying, is_at_work, rest_lying, stages_lying, work_lying
from abl.record.own_names import is_stage_name
from abl.record.sizes import size_text
from abl.record.store import Store
from abl.record.work import entries, grave_of
from abl.scratch import (
    bytes_below,
    left_scratch,
    part_of,
    removed_scratch,
)

# of work that no plan asks for: what is more goes by itself, the oldest first
MOST_NOBODYS_BYTES = 5 * 10**9


@dataclass
class Swept:
    """What a collection removed, or would remove.

    Attributes:
        removed: Stages, work and caches.
        scraps: Leases of the dead, half-written files, scratch folders: how many.
        scrap_bytes: Their bytes.
        kept: Things that were to go and could not, each with its reason.
        remaining: Bytes of the store afterwards.
    """

    removed: list[Lying] = field(default_factory=list)
    scraps: int = 0
    scrap_bytes: int = 0
    kept: list[str] = field(default_factory=list)
    remaining: int = 0


def upkeep(store: Store) -> list[str]:
    """What a run does before it starts, its plan being kept: lines on what was removed.

    Leases of dead holders go, scratch folders and half-written files of dead processes, and of work
    that no plan asks for the oldest above MOST_NOBODYS_BYTES.
    """
    asked = AskedStages()
    for plan in store.plans.kept():
        asked.note(plan.stages, plan.time, plan.sweep)
    store.clear_dead_leases(own_leases(store))
    store.plans.clear_dead()
    lines = []
    scraps = removed_scratch()
    for path in left_parts(store, deep=False):
        scraps.append((path, _remove(path)))
    if scraps:
        freed = size_text(sum(size for _, size in scraps))
        lines.append(f"removed what killed runs left: {scraps_text(len(scraps))}, {freed}")
    work = [each for each in work_lying(store, asked) if each.what != "not of abl"]
    nobodys = [each for each in work if not each.sweeps and not each.held]
    nobodys.sort(key=lambda each: each.used)
    size, gone = sum(each.bytes for each in nobodys), []
    while nobodys and size > MOST_NOBODYS_BYTES:
        oldest = nobodys.pop(0)
        size -= oldest.bytes
        if _remove_work(store, oldest):
            gone.append(oldest)
    if gone:
        freed = size_text(sum(each.bytes for each in gone))
        lines.append(
            f"removed work that no sweep asks for any more: {_stages(len(gone))}, {freed} (more "
            f"than {size_text(MOST_NOBODYS_BYTES)} of it lay there)"
        )
    return lines


def collected(store: Store, keep: int | None = None, *, dry_run: bool = False) -> Swept:
    """Removes what nobody asks for, then what is needed least until at most `keep` bytes remain.

    First scraps of dead processes, and work that no latest plan asks for. Above `keep` then, the
    oldest first: stages that are damaged; those that no latest plan or table asks for; caches, if
    nothing runs; work left behind; at last finished stages that are asked for. Never what a lease
    or the plan of a living run holds, what cannot be read, a sweep's tables and searches, or what
    has no name that abl gives.

    Raises:
        UnreadableError: A plan or table cannot be read, so that it is not known what is needed.
    """
    swept, asked = Swept(), asked_of(store)
    stages = stages_lying(store, asked)
    in_store = _sweep_scraps(store, swept, dry_run)
    work = work_lying(store, asked)
    is_running = bool(asked.running) or any(each.held for each in (*stages, *work))
    rest = rest_lying(store, is_running=is_running)
    caches = [each for each in rest if each.what == "cache"]
    for each in (*stages, *work, *rest):
        if each.what == "not of abl":
            swept.kept.append(f"{each.name}: abl gives no such name: move it out of the store")
    stages = [each for each in stages if each.what != "not of abl"]
    work = [each for each in work if each.what != "not of abl"]
    swept.remaining = bytes_below(store.root) - (in_store if dry_run else 0)

    def go(each: Lying, remove: Callable[[], bool]) -> None:
        if not dry_run:
            try:
                if not remove():
                    return
            except OSError as error:
                swept.kept.append(f"{each.name[:12]}: {error.strerror or error}")
                return
        swept.removed.append(each)
        swept.remaining -= each.bytes

    # earlier versions kept no plan: of what they broke off it is not known whether it is wanted
    nobodys = [e for e in work if not e.held and not e.sweeps and asked.has_plans]
    finished = {each.name for each in stages if each.what == "finished"}
    nobodys += [e for e in work if e.name in finished and not e.held and e not in nobodys]
    for each in nobodys:
        go(each, lambda each=each: _remove_work(store, each))  # type: ignore[misc]
    if keep is None:
        return swept
    for each, remove in _least_needed(store, stages, caches, work, nobodys):
        if swept.remaining <= keep:
            break
        go(each, remove)
    return swept


def _least_needed(
    store: Store, stages: list[Lying], caches: list[Lying], work: list[Lying], gone: list[Lying]
) -> Iterator[tuple[Lying, Callable[[], bool]]]:
    """What may go, that which is needed least first, with what removes it."""
    mine = [each for each in stages if not each.held and each.what != "unreadable"]
    order: list[tuple[int, float, Lying, Callable[[Store, Lying], bool]]] = []
    for each in mine:
        rank = 0 if each.what == "damaged" else 4 if each.sweeps else 1
        order.append((rank, each.used, each, _remove_stage))
    order += [(2, each.used, each, _remove_cache) for each in caches if not each.held]
    left = [each for each in work if not each.held and each not in gone]
    order += [(3, each.used, each, _remove_work) for each in left]
    for _, _, each, remove in sorted(order, key=lambda row: (row[0], row[1], row[2].name)):
        yield each, lambda each=each, remove=remove: remove(store, each)  # type: ignore[misc]


def _remove_stage(store: Store, each: Lying) -> bool:
    # a run may have begun since: its plan is kept before it looks what is finished
    def is_needed() -> bool:
        return is_at_work(store, each.name) or each.name in store.plans.running()

    return not is_needed() and store.discard(each.name, unless=is_needed)


def _remove_work(store: Store, each: Lying) -> bool:
    folder = store.root / "work" / each.name
    there = entries(folder)
    # an attempt makes its folder after it has taken its lease: one that begins now is not listed
    if is_at_work(store, each.name):
        return False
    for path in there:
        grave = grave_of(store.root, each.name)
        with suppress(FileNotFoundError):
            os.rename(path, grave)
            _remove(grave)
    with suppress(OSError):
        folder.rmdir()
    return True


def _remove_cache(store: Store, each: Lying) -> bool:
    path = store.root / each.name
    if store.plans.running():
        return False
    grave = part_of(path)  # beside it: a cache may be on a disk of its own
    with suppress(FileNotFoundError):
        os.rename(path, grave)
        _remove(grave)
    return True


def _sweep_scraps(store: Store, swept: Swept, dry_run: bool) -> int:
    """Leases of the dead, half-written files, broken attempts, folders in TMPDIR.

    Gives the bytes of those in the store.
    """
    if dry_run:
        swept.scraps += sum(not is_at_work(store, digest) for digest in own_leases(store))
        scratch = [(path, bytes_below(path)) for path in left_scratch()]
    else:
        store.plans.clear_dead()
        swept.scraps += len(store.clear_dead_leases(own_leases(store)))
        scratch = removed_scratch()
    swept.scraps += len(scratch)
    swept.scrap_bytes += sum(size for _, size in scratch)
    in_store = 0
    for path in (*left_parts(store, deep=True), *left_attempts(store), *left_beats(store)):
        in_store += bytes_below(path) if dry_run else _remove(path)
        swept.scraps += 1
    for folder in entries(store.root / "work"):
        if is_stage_name(folder.name) and not dry_run and not is_at_work(store, folder.name):
            with suppress(OSError):
                folder.rmdir()  # unless something is in it
    swept.scrap_bytes += in_store
    return in_store


def _remove(path: Path) -> int:
    """Removes a file or folder; how many bytes went."""
    size = bytes_below(path)
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return size


def scraps_text(count: int) -> str:
    """`1 file or folder`, `3 files and folders`."""
    return "1 file or folder" if count == 1 else f"{count} files and folders"


def _stages(count: int) -> str:
    return f"{count} stage{'s' if count != 1 else ''}"
