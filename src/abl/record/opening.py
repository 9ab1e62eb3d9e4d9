"""Stores opened by their addresses, folders that can be used, data copied from an object store."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from abl.contained import is_contained, path_below
from abl.errors import InputError, Problem, raise_if_any
from abl.kept_files import json_kept, read_kept
from abl.record.done import write_atomically
from abl.record.objects import Objects
from abl.record.store import Store
from abl.told_lock import told_lock

SCRATCH = "ABL_SCRATCH"  # environment of a node: folder for work and copies of an object store


def store_at(root: str | Path, url: str | None = None) -> Store:
    """The store of an mlruns folder, or the one at `url`, of which that folder keeps copies.

    Raises:
        InputError: The object store is of no known kind.
    """
    folder = Path(root).absolute() / "store"
    if url is None:
        return Store(folder)
    from abl.record.object_store import ObjectStore

    return ObjectStore(url, folder)


def store_of(address: Mapping[str, str]) -> Store:
    """The store of `Store.address`, on the machine of a worker."""
    if "url" not in address:
        return Store(Path(address["root"]))
    from abl.record.object_store import ObjectStore

    given, root = os.environ.get(SCRATCH), Path(address["root"])
    if given or not root.is_dir():
        # the folder of the driver is on another machine
        name = f"abl-{os.getuid()}-{hashlib.sha256(address['url'].encode()).hexdigest()[:16]}"
        root = Path(given or tempfile.gettempdir()) / name
    return ObjectStore(address["url"], root)


def check_root(root: Path, *, writing: bool = False) -> None:
    """Tells of a folder that cannot be used; leaves nothing behind.

    Args:
        root: The mlruns folder; it need not exist.
        writing: Whether it must be open for writing if it exists.

    Raises:
        InputError: It is no folder, or cannot be read, made or written to.
    """
    own = Path(root).absolute()
    there = next(path for path in (own, *own.parents) if os.path.lexists(path))
    if not there.is_dir():
        where = "it" if there == own else f"'{there.name}'"
        raise InputError(
            f"--mlruns {root}: not a folder that can be used: {where} is {_what(there)}"
        )
    _check_folders(root, own, writing=writing)
    if there == own and not os.access(own, os.R_OK | os.X_OK):
        raise InputError(f"--mlruns {root}: not a folder that can be used: it cannot be read")
    if there == own and not writing:
        return
    try:
        # below a name of its own: another run may be making the folder itself now
        with tempfile.TemporaryDirectory(prefix=".abl-", dir=there) as probe:
            (Path(probe) / own.relative_to(there)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        done = "written to" if there == own else "made"
        raise InputError(
            f"--mlruns {root}: not a folder that can be used: "
            f"it cannot be {done} ({error.strerror or error})"
        ) from None


# of a store, each made when it is first needed
FOLDERS = (
    "store",
    *(f"store/{name}" for name in ("work", "done", "lease", "cache", "sweeps", "index")),
    "artifacts",
)


def _check_folders(root: Path, own: Path, *, writing: bool) -> None:
    """Raises InputError with every folder of a store that is something else, or is closed."""
    problems = []
    for name in FOLDERS:
        path = own / name
        if not os.path.lexists(path):
            continue
        if not path.is_dir():
            said = f"is {_what(path)}, where a folder belongs: move it away"
        elif not os.access(path, os.R_OK | os.X_OK):
            said = "cannot be read: see to its owner and rights (ls -ld)"
        elif writing and not os.access(path, os.W_OK):
            said = "cannot be written to: see to its owner and rights, and the mount (ls -ld)"
        else:
            continue
        problems.append(Problem(f"--mlruns {root}: {name} {said}"))
    raise_if_any(problems)


def _what(path: Path) -> str:
    return "a link that leads nowhere" if path.is_symlink() and not path.exists() else "a file"


INDEX = "INDEX.json"


def mirrored(url: str, cache: Path) -> Path:
    """A folder that holds what lies below an address of an object store; only changes are copied.

    Args:
        url: Such as s3://bucket/sets.
        cache: Folder of this machine for such copies.

    Raises:
        InputError: It cannot be read, is empty, or has a file and a folder of one name.
    """
    objects = Objects(url, option="--data")
    objects.check(writing=False)
    # a key is any text: what would lead out of the folder is no file of the set
    there = {
        name: version
        for name, version in objects.versions().items()
        if is_contained(name) and PurePosixPath(name).parts[0] != INDEX
    }
    if not there:
        raise InputError(f"--data {url}: no such folder")
    above = {str(parent) for name in there for parent in PurePosixPath(name).parents}
    if both := sorted(above & there.keys()):
        raise InputError(
            f"--data {url}: '{both[0]}' is a file and a folder there: rename one of them"
        )
    folder = cache / f"data-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with told_lock(folder.with_name(f"{folder.name}.lock"), f"the copy of {url}"):
        known = _index(folder)
        changed = {
            name: folder / name
            for name, version in there.items()
            if known.get(name) != version or not (folder / name).is_file()
        }
        # first, as what was a file may be a folder by now, and the other way round
        for name in known.keys() - there.keys():
            path = path_below(folder, name)
            with suppress(OSError):
                path.unlink(missing_ok=True)
                while (path := path.parent) != folder:
                    path.rmdir()  # unless something is in it
        objects.download_all(changed)
        write_atomically(folder / INDEX, json.dumps(there))
    return folder


def _index(folder: Path) -> dict[str, str]:
    try:
        found = json_kept(read_kept(folder / INDEX))
    except (OSError, ValueError):
        return {}
    return {n: v for n, v in found.items() if is_contained(n)} if isinstance(found, dict) else {}
