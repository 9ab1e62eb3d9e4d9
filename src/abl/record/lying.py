"""What lies in a store: finished stages, work, leases, caches, tables; by whom it is asked for."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from abl.record.asked import AskedStages
from abl.record.done import DAMAGED, DONE, Done
from abl.record.lease import is_held
from abl.record.own_names import is_attempt_name, is_cache_name, is_stage_name
from abl.record.patient import UnreadableError
from abl.record.plans import SILENT_S
from abl.record.store import Store
from abl.record.work import entries
from abl.scratch import bytes_below, is_left_part

What = Literal[
    "finished", "damaged", "unreadable", "running", "left behind", "cache", "tables", "searches",
    "other", "not of abl",
]  # fmt: skip
PAUSES_S = (0.2,)  # where a whole store is looked at
# folders that a run makes again from the data, or from an object store
CACHES = ("cache", "fetched")


@dataclass(frozen=True)
class Lying:
    """One thing in a store.

    Attributes:
        what: A finished stage, one of which a file is damaged or that cannot be read, work that
            runs or was left behind, a folder of a cache, tables of a sweep, a search, other; or
            not of abl: it lies between these, has no name of ours, and is never removed.
        name: Digest, or name of the file or folder.
        kind: Of a stage, "" if that is not known; of a cache what it holds.
        bytes: Its size.
        made, used: Seconds since 1970; used is when a table was last made of it or a plan of it
            run, or when it was made.
        sweeps: Those whose latest plan or table asks for it.
        held: Whether a lease, or the plan of a run that lives, holds it.
    """

    what: What
    name: str
    kind: str
    bytes: int
    made: float
    used: float
    sweeps: tuple[str, ...] = ()
    held: bool = False


def stages_lying(store: Store, asked: AskedStages) -> list[Lying]:
    """Finished stages and those that are damaged or cannot be read, sorted by digest.

    `asked` is completed: what earlier versions asked for only through other stages is added.
    """
    digests = store.digests()
    known = store.known(digests)
    asked.follow_inputs(known)
    found = []
    for digest in digests:
        done = known.get(digest)
        folder = store.folder(digest)
        if done is None and not _is_stage(store, folder):
            found.append(_of_others(store, folder))
            continue
        made = _time(folder / DONE) or _time(folder / DAMAGED) or _time(folder)
        what: What = "finished"
        if done is None:
            what, done = _looked_again(store, digest)
        size = bytes_below(folder)
        if done and not folder.is_symlink():  # a look at each of 100,000 folders is spared
            size = sum(size for size, _ in done.files.values()) + bytes_below(folder / DONE)
        found.append(
            Lying(
                what,
                digest,
                str(done.stage.get("kind", "")) if done else "",
                size,
                made,
                max(made, asked.used.get(digest, 0.0)),
                tuple(sorted(asked.sweeps.get(digest, ()))),
                digest in asked.running or is_at_work(store, digest),
            )
        )
    return found


def _is_stage(store: Store, folder: Path) -> bool:
    """Whether something was committed there, as far as its name and those of two files tell."""
    if not is_stage_name(folder.name) or "url" in store.address:  # which lists no others
        return is_stage_name(folder.name)
    for name in (DONE, DAMAGED):
        try:
            os.lstat(folder / name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:  # nothing can be said of it
            return True
        return True
    return False


def _of_others(store: Store, path: Path) -> Lying:
    name, time = path.relative_to(store.root).as_posix(), _time(path)
    return Lying("not of abl", name, path.parent.name, bytes_below(path), time, time)


def _looked_again(store: Store, digest: str) -> tuple[What, Done | None]:
    """Of a stage that was not seen to be finished: whether that is proven, or it cannot be read."""
    try:
        done = store.done(digest, PAUSES_S)
    except UnreadableError:
        return "unreadable", None
    return ("finished" if done else "damaged"), done


def is_at_work(store: Store, digest: str) -> bool:
    """Whether somebody holds a stage, as far as one look tells; an unreadable lease holds."""
    place = store.lease_place(digest)
    try:
        if place.read() is None:
            return False
    except OSError:
        return True
    return is_held(place, SILENT_S)


def work_lying(store: Store, asked: AskedStages) -> list[Lying]:
    """Work on stages: what runs, and what an attempt that was broken off has left behind."""
    found = []
    for folder in entries(store.root / "work"):
        within = [each.name for each in entries(folder)]
        if not (
            is_stage_name(folder.name) and folder.is_dir() and all(map(is_attempt_name, within))
        ):
            found.append(_of_others(store, folder))
            continue
        # an attempt makes its folder after it has taken its lease: the lease is looked at later
        files = [path for path in folder.rglob("*") if not path.is_dir()]
        time = max([_time(path) for path in files], default=_time(folder))
        held = is_at_work(store, folder.name)
        what: What = "running" if held else "left behind"
        sweeps = tuple(sorted(asked.sweeps.get(folder.name, ())))
        found.append(Lying(what, folder.name, "", bytes_below(folder), time, time, sweeps, held))
    return found


def rest_lying(store: Store, *, is_running: bool) -> list[Lying]:
    """Caches, tables and searches, and the other files in one.

    Args:
        is_running: Whether a run lives, which may hold every cache.
    """
    found, known = [], {"done", "work"}
    for what, names in {"cache": CACHES, "tables": ("sweeps",), "searches": ("searches",)}.items():
        for name in names:
            known.add(name)
            for path in entries(store.root / name):
                if path.suffix == ".lock" or is_left_part(path):
                    continue
                if what == "cache" and not (is_cache_name(path.name) or is_stage_name(path.name)):
                    found.append(_of_others(store, path))
                    continue
                kind = path.name.partition("-")[0] if name == "cache" else name
                sweeps = (path.name,) if what == "tables" else ()
                time = _time(path)
                held = is_running and what == "cache"
                found.append(
                    Lying(
                        what,  # type: ignore[arg-type]
                        f"{name}/{path.name}",
                        kind,
                        bytes_below(path),
                        time,
                        time,
                        sweeps,
                        held,
                    )
                )
    others = [path for path in entries(store.root) if path.name not in known]
    size = sum(map(bytes_below, others))
    if size:
        times = [_time(path) for path in others]
        found.append(Lying("other", "other", "", size, min(times), max(times)))
    return found


def _time(path: Path) -> float:
    with suppress(OSError):
        return os.lstat(path).st_mtime
    return 0.0
