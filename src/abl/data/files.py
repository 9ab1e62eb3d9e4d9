"""The files that a manifest names: that they are there, and below its folder."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from abl.spec.regular_file import read_regular

ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")  # as on Linux, and as on Windows
UPWARDS = re.compile(r"(^|[/\\])\.\.($|[/\\])")
READERS = 16  # threads that wait for the disk; hashing holds no lock


@dataclass(frozen=True)
class FileCheck:
    """A file of a manifest: the SHA-256 of its bytes in hex, or what is wrong with it."""

    digest: str = ""
    fault: str = ""


def checked_files(folder: Path, paths: Sequence[str]) -> list[FileCheck]:
    """Each file hashed, or its fault; an empty path has neither. Nothing is decoded."""
    real = os.path.realpath(folder)

    @functools.cache
    def is_inside(parent: str) -> bool:
        return Path(os.path.realpath(parent)).is_relative_to(real)

    def check(path: str) -> FileCheck:
        if not path:
            return FileCheck()
        if ABSOLUTE.match(path):
            return FileCheck(fault="is absolute; give it relative to the manifest's folder")
        if UPWARDS.search(path):
            return FileCheck(fault="leaves the manifest's folder ('..')")
        try:
            file = Path(real, path)
            target = os.path.realpath(file) if file.is_symlink() else str(file)
            if not is_inside(os.path.dirname(target)):  # noqa: PTH120 - a cached string
                return FileCheck(fault="is a link that leaves the manifest's folder")
            content = read_regular(file)
        except FileNotFoundError:
            windows = "\\" in path and Path(real, path.replace("\\", "/")).exists()
            return FileCheck(fault="no such file" + ("; write / for \\" if windows else ""))
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return FileCheck(fault=f"cannot be read: {reason}")
        if not content:
            return FileCheck(fault="is empty (0 bytes)")
        return FileCheck(digest=hashlib.sha256(content).hexdigest())

    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(check, paths))
