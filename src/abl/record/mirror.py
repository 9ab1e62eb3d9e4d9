"""A folder of data on an object store, copied to this machine once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath

from filelock import FileLock

from abl.errors import InputError
from abl.record.done import write_atomically
from abl.record.objects import Objects

INDEX = "INDEX.json"


def mirrored(url: str, cache: Path) -> Path:
    """A folder that holds what lies below an address of an object store; only changes are copied.

    Args:
        url: Such as s3://bucket/sets.
        cache: Folder of this machine for such copies.

    Raises:
        InputError: It cannot be read, or is empty.
    """
    objects = Objects(url, option="--data")
    objects.check(writing=False)
    there = {name: version for name, version in objects.versions().items() if _is_below(name)}
    if not there:
        raise InputError(f"--data {url}: no such folder")
    folder = cache / f"data-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        known = _index(folder)
        changed = [
            name
            for name, version in there.items()
            if known.get(name) != version or not (folder / name).is_file()
        ]
        objects.download_all({name: folder / name for name in changed})
        for name in known.keys() - there.keys():
            (folder / name).unlink(missing_ok=True)
        write_atomically(folder / INDEX, json.dumps(there))
    return folder


def _is_below(name: str) -> bool:
    # a key is any text: none may lead out of the folder
    return name != INDEX and not name.endswith("/") and ".." not in PurePosixPath(name).parts


def _index(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
