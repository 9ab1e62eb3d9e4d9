"""Where Ray keeps its sockets and logs.

Paths of sockets must be short, and TMPDIR of batch systems is long; a disk that is full has a Ray
that starts wait for half a minute, and then say something else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from abl.errors import InputError
from abl.scratch import PREFIX, SHORT, scratch_folder

# bytes of the path of a socket, less its end; macOS has the least
_LONGEST_PATH = 103
# what Ray puts behind its folder: a session named by time and process, sockets, the longest name
_BEHIND = len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.12345678")
# a start writes less than one, its logs grow; a Ray that lacks them waits for files that never come
LEAST_FREE_MB = 32


def room_for_sockets(folder: str) -> bool:
    """Whether the sockets of a Ray that keeps them below a folder have paths that can be used."""
    return len(folder.encode()) + _BEHIND <= _LONGEST_PATH


@contextmanager
def short_folder() -> Iterator[str | None]:
    """A folder for a Ray that is started here; None where its own, below TMPDIR, will do.

    Raises:
        InputError: TMPDIR is too long, and no shorter folder can be written; or it is full.
    """
    name, given = _given_folder()
    if room_for_sockets(given):
        _check_free(name, given)
        yield None
        return
    with ExitStack() as kept:
        for place in SHORT:
            with suppress(OSError):
                made = kept.enter_context(scratch_folder(PREFIX, place))
                break
        else:
            most = _LONGEST_PATH - _BEHIND
            raise InputError(
                f"{name} is too long for the sockets of Ray, and {', '.join(SHORT)} "
                f"cannot be written: set TMPDIR to a folder whose path has at most {most} bytes, "
                "or use --executor local"
            )
        _check_free(str(made), str(made))
        yield str(made)


def _given_folder() -> tuple[str, str]:
    """Below which folder Ray keeps what it writes, and how people name it. As Ray finds it."""
    for name in ("RAY_TMPDIR", "TMPDIR"):
        if given := os.environ.get(name):
            return f"{name}={given}", given
    return "/tmp", "/tmp"


def _check_free(name: str, folder: str) -> None:
    place = Path(folder)
    there = next(each for each in (place, *place.parents) if each.exists())
    try:
        disk = os.statvfs(there)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}; {_ELSEWHERE}") from None
    free = disk.f_bavail * disk.f_frsize // 10**6
    if free < LEAST_FREE_MB:
        raise InputError(
            f"{name}: {free} MB are free there, and Ray needs {LEAST_FREE_MB} MB for its sockets "
            f"and logs: make room, or {_ELSEWHERE}"
        )


_ELSEWHERE = "set TMPDIR to another folder, or use --executor local"


def check_room() -> None:
    """Raises InputError where a Ray cannot be started here: asked before anything is decoded."""
    with short_folder():
        pass
    check_token_place()


def check_token_place() -> None:
    """Raises InputError where Ray can neither find a token nor keep one, with what to type.

    A Ray that is started here asks for a token, and makes one in the home folder.
    """
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    if os.environ.get("RAY_AUTH_TOKEN"):
        return
    given = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if given:
        if not os.access(given, os.R_OK):
            raise InputError(
                f"RAY_AUTH_TOKEN_PATH={given}: no file that can be read: type `ray get-auth-token "
                "--generate` and `unset RAY_AUTH_TOKEN_PATH`, or use --executor local"
            )
        return
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is none
    token = Path(home) / ".ray" / "auth_token"
    places = (token, *token.parents)
    there = next(each for each in places if each.exists())
    usable = there.is_dir() or there == token
    wanted = os.R_OK if there == token else os.W_OK | os.X_OK
    if not (usable and os.path.isabs(home) and os.access(there, wanted)):  # noqa: PTH117
        raise InputError(
            f"HOME={home}: Ray finds no token in ~/.ray/auth_token and cannot make one there: set "
            "HOME to a folder of yours, or type `export RAY_AUTH_TOKEN=$(openssl rand -hex 32)`, "
            "or use --executor local"
        )
