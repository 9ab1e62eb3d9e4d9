"""Whether a user's own Python file may be run: one's own at once, others' after a word of consent.

A sweep file's `module:` is code. What one has written oneself is run unasked; what looks as if it
came from elsewhere is asked about once for its folder, and the answer is kept for this user.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from abl.errors import InputError, Problem

# an archive brings times that are older than the files on this disk; an editor writes both at once
_UNPACKED_S = 60.0

# said in this process: an answer counts also where it cannot be kept
_said: set[str] = set()


class UntrustedError(InputError):
    """A module that comes from elsewhere, and has not been trusted.

    Attributes:
        module: The file.
    """

    def __init__(self, module: Path, problem: Problem):
        self.module = module
        super().__init__(problem)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.module, self.problems[0])


def distrust(file: Path) -> str:
    """Why a module is not to be run yet, with what to type; "" for one's own or a trusted one."""
    folder = str(file.resolve().parent)
    if folder in _said or folder in _kept():
        return ""
    why = foreign_because(file)
    if not why:
        _said.add(folder)  # a run of days is not stopped by a copy made meanwhile
        return ""
    return (
        f"module: '{file.name}' is code that runs with your rights, and {why}: read it, then give "
        "--trust once (in Python: trust=True)"
    )


def trust_folder_of(file: Path) -> str:
    """Trusts the folder of a module from now on; a sentence if the answer cannot be kept.

    The answer is for the folder, not the file's content: whoever works on a module would be asked
    at every change, and it may import other files that lie there.
    """
    folder = str(file.resolve().parent)
    _said.add(folder)
    kept = _kept()
    if folder in kept:
        return ""
    place = trusted_folders()
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = place.with_name(f"{place.name}.{os.getpid()}")
        part.write_text(json.dumps(sorted({*kept, folder}), indent=1) + "\n", encoding="utf-8")
        part.chmod(0o600)
        part.replace(place)
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return (
            f"that {folder} is trusted cannot be kept in {place} ({why}): give --trust each time, "
            "or set XDG_CONFIG_HOME to a folder that can be written"
        )
    return ""


def trusted_folders() -> Path:
    """The file that names the folders trusted by this user: a JSON list of paths."""
    given = os.environ.get("XDG_CONFIG_HOME", "")
    if Path(given).is_absolute():  # a relative one would lie in the sweep's own folder
        return Path(given) / "abl" / "trusted.json"
    return Path(os.path.expanduser("~")) / ".config" / "abl" / "trusted.json"  # noqa: PTH111


def foreign_because(file: Path) -> str:
    """How one sees that a module comes from elsewhere; "" for one's own.

    Own is what this user owns, others may not write to, lies in no clone of a repository, and was
    written on this disk. A file that was downloaded alone, or unpacked without its times, looks the
    same: the question is no substitute for reading.
    """
    file = file.resolve()
    try:
        of_file, of_folder = file.stat(), file.parent.stat()
    except OSError as error:
        return f"it cannot be looked at ({error.strerror})"
    if not {of_file.st_uid, of_folder.st_uid} <= _own_ids():
        return "belongs to another user"
    shared = [each for each in (of_file, of_folder) if each.st_mode & stat.S_IWOTH]
    if any(not each.st_mode & stat.S_ISVTX for each in shared):
        return "everybody on this machine may change it"
    if _is_cloned(file.parent):
        return "lies in a clone of a repository"
    # when the file came to be here; where that is not known, when it was last renamed or the like
    here_since = getattr(of_file, "st_birthtime", of_file.st_ctime)
    if of_file.st_mtime < here_since - _UNPACKED_S:
        return "was copied or unpacked here, not written"
    return ""


def _own_ids() -> set[int]:
    """This user; the one who called sudo; and root, who can do anything already."""
    if not hasattr(os, "geteuid"):
        return {0}
    ids = {0, os.geteuid()}
    given = os.environ.get("SUDO_UID", "")
    return ids | {int(given)} if os.geteuid() == 0 and given.isdigit() else ids


def _is_cloned(folder: Path) -> bool:
    """Whether the nearest git folder above has a remote, or is not a folder (a submodule)."""
    for each in (folder, *folder.parents):
        there = each / ".git"
        if there.is_file():
            return True
        if there.is_dir():
            try:
                config = (there / "config").read_text(encoding="utf-8", errors="replace").lower()
            except OSError:
                return True
            return '[remote "' in config
    return False


def _kept() -> set[str]:
    try:
        found = json.loads(trusted_folders().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return set()
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()
