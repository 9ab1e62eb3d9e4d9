"""Folders and files that are of use while one process lives, and what killed ones left of them.

A folder holds the name of its process, a file that is being written carries it in its own name. It
is removed once that process is known dead; of what may be another machine's, once nothing was
written to it for a day: what is written so is written in minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from abl.kept_files import json_kept, read_kept
from abl.processes import is_known_dead, machine, process_start, this_process

OWNER = "owner.json"
PREFIX = "abl-"
DAY_S = 86_400.0
# where folders are made: that of the environment, and those with short paths
SHORT = ("/tmp", "/var/tmp", "/dev/shm")

_PART = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)-(\d+)\.[0-9a-f]{8}\.part", re.DOTALL)
# of earlier versions, and of downloads
_OTHER_PART = re.compile(r"\..+\.(\d+\.part|[0-9a-f]{32})", re.DOTALL)
PROCESS_MARK = r"([0-9a-f]{8})-(\d+)-(\d+)"  # a pattern of what `process_mark` gives
_OF_PROCESS = re.compile(rf".+\.{PROCESS_MARK}")


def process_mark() -> str:
    """This process as a part of a name: machine, process id, when it started."""
    mine = this_process()
    return f"{_short(mine['machine'])}-{mine['pid']}-{mine['start'] or 0}"


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def part_of(path: Path) -> Path:
    """A name beside `path` for what is written and then renamed to it; no other call gives it."""
    # a name may have 255 bytes, and a letter four
    return path.with_name(f".{path.name[:50]}.{process_mark()}.{uuid.uuid4().hex[:8]}.part")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a name to write to, which becomes `path` at the end: readers see the old or the new.

    Of a write that fails nothing is left, and its error names `path`: nobody knows the other name.
    """
    part = part_of(path)
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        if error.filename is None or os.fspath(error.filename) != str(part):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def of_dead_process(name: str) -> bool:
    """Whether a name ends in the mark of a process of this machine that is no more."""
    match = _OF_PROCESS.fullmatch(name)
    return match is not None and _is_dead(*match.groups())


def _is_dead(of: str, pid: str, start: str) -> bool:
    return of == _short(machine()) and (process_start(int(pid)) or "0") != start


def is_left_part(path: Path, *, now: float | None = None) -> bool:
    """Whether it is a half-written file whose process is no more, or nobody's for a day."""
    match = _PART.fullmatch(path.name)
    if match and _is_dead(*match.groups()):
        return True
    if not match and not _OTHER_PART.fullmatch(path.name):
        return False
    try:
        return (time.time() if now is None else now) - path.lstat().st_mtime > DAY_S
    except OSError:
        return False


@contextmanager
def scratch_folder(prefix: str, place: str | None = None) -> Iterator[Path]:
    """An empty folder of this process, removed at the end; by a later run if it is killed.

    Args:
        prefix: Of its name; begins with PREFIX.
        place: Where it is made; default TMPDIR.

    Raises:
        OSError: It cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place, ignore_cleanup_errors=True) as made:
        (Path(made) / OWNER).write_text(json.dumps(this_process()), encoding="utf-8")
        inside = Path(made) / "x"  # one letter: sockets have short paths
        inside.mkdir()
        yield inside


def left_scratch(places: Iterable[str] | None = None) -> list[Path]:
    """Scratch folders of this user whose processes are dead.

    Args:
        places: Where to look; default TMPDIR and the short ones.
    """
    found = []
    for place in dict.fromkeys([tempfile.gettempdir(), *SHORT] if places is None else places):
        with suppress(OSError):
            for entry in os.scandir(place):
                # /tmp is everybody's: only folders of one's own, none that a link leads to
                if (
                    entry.name.startswith(PREFIX)
                    and entry.is_dir(follow_symlinks=False)
                    and entry.stat(follow_symlinks=False).st_uid == os.getuid()
                    and _is_abandoned(Path(entry.path))
                ):
                    found.append(Path(entry.path))
    return sorted(found)


def _is_abandoned(folder: Path) -> bool:
    try:
        owner: Any = json_kept(read_kept(folder / OWNER))
        written = (folder / OWNER).lstat().st_mtime
    except (OSError, ValueError):
        return False  # not made by `scratch_folder`, or just being made
    if not isinstance(owner, dict):
        return False
    return is_known_dead(owner) or (
        _restarted_since(str(owner.get("machine"))) and time.time() - written > DAY_S
    )


def _restarted_since(name: str) -> bool:
    """Whether it names this machine before it was started again."""
    (node, _, boot), (own, _, own_boot) = name.partition("/"), machine().partition("/")
    length = len(str(uuid.UUID(int=0)))  # what follows names processes that see each other
    return node == own and bool(boot) and boot[:length] != own_boot[:length]


def removed_scratch(places: Iterable[str] | None = None) -> list[tuple[Path, int]]:
    """Removes what `left_scratch` finds; gives each with its bytes."""
    found = [(path, bytes_below(path)) for path in left_scratch(places)]
    for path, _ in found:
        shutil.rmtree(path, ignore_errors=True)
    return [(path, size) for path, size in found if not path.exists()]


def bytes_below(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 if it is gone. Of a link its own alone."""
    with suppress(OSError):
        if path.is_symlink():
            return path.lstat().st_size
    size, folders = 0, [path]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(OSError):
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(Path(entry.path))
                        else:
                            size += entry.stat(follow_symlinks=False).st_size
        except NotADirectoryError:
            size += folder.lstat().st_size
        except OSError:
            continue
    return size
