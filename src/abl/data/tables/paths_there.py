"""Paths of a table as the files beside it are called, where Unicode writes one name in two ways.

A file system keeps a letter with its accent as one sign or as two (macOS makes two), a spreadsheet
writes one: both name the file. Names that differ otherwise are told.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from abl.data.tables.alike_names import AlikeNames


def paths_there(folder: Path, paths: Sequence[str]) -> list[str]:
    """The paths, each in the Unicode form in which there is a file; as written if there is none."""
    if all(path.isascii() for path in paths):
        return list(paths)
    return [path if path.isascii() else _form_there(folder, path) for path in paths]


def _form_there(folder: Path, path: str) -> str:
    for form in (path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))):
        if _is_there(folder, form):
            return form
    return path


def _is_there(folder: Path, path: str) -> bool:
    try:
        return os.path.lexists(folder / path)
    except (OSError, ValueError):
        return False


class AlikeFiles:
    """Names of files that look like one which is not there, for messages.

    Args:
        folder: That paths are relative to, and may not leave.
    """

    def __init__(self, folder: Path):
        self._folder = os.path.realpath(folder)
        self._names: dict[str, AlikeNames] = {}

    def hint(self, path: str) -> str:
        """What to type instead; "" if no name looks like it."""
        inner, name = os.path.split(path)
        hint = self._in(inner).hint(name) if name not in ("", ".", "..") else ""
        return f"; {hint}" if hint else ""

    def _in(self, inner: str) -> AlikeNames:
        if inner not in self._names:
            try:
                real = os.path.realpath(Path(self._folder, inner))
                inside = Path(real).is_relative_to(self._folder)
                names = sorted(os.listdir(real)) if inside else []  # noqa: PTH208 - names alone
            except (OSError, ValueError):  # ValueError: a zero byte in the name
                names = []
            self._names[inner] = AlikeNames(names)
        return self._names[inner]
