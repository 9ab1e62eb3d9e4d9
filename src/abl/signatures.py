"""Whether a function that a user registers can be called as it will be, and where it stands."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from abl.errors import InputError, Problem


def signature_fault(function: Callable[..., Any], takes: Sequence[str]) -> str:
    """What is wrong with a function that is to take these arguments by position, "" if nothing."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # made in C: it says nothing of itself
        return ""
    try:
        signature.bind(*takes)
    except TypeError:
        given = ", ".join(str(each).partition(":")[0] for each in signature.parameters.values())
        return f"{called(function)} must take ({', '.join(takes)}), not ({given})"
    return ""


def check_signature(what: str, function: Callable[..., Any], takes: Sequence[str]) -> None:
    """Raises InputError, with file and line, if a function does not take these arguments.

    Args:
        what: How it is called where it registers: "rule 'cautious'".
    """
    if fault := signature_fault(function, takes):
        raise InputError(Problem(f"{what}: {fault}", *defined_at(function)))


def called(function: Callable[..., Any]) -> str:
    """A function's name as it is called."""
    return f"{getattr(function, '__name__', type(function).__name__)}()"


def defined_at(function: Callable[..., Any]) -> tuple[str | None, int | None]:
    """Name of the file, and line of `def` or `class`, where a function stands; None if unknown."""
    try:
        lines, first = inspect.getsourcelines(function)
        file = inspect.getsourcefile(function)
    except (OSError, TypeError):
        return None, None
    # the lines begin with the decorators
    starts = ("def ", "class ", "async def ")
    at = next((at for at, line in enumerate(lines) if line.lstrip().startswith(starts)), 0)
    return (Path(file).name, first + at) if file else (None, None)


def placed(function: Callable[..., Any]) -> str:
    """The same in brackets behind a message, "" if it is not known."""
    file, line = defined_at(function)
    return f" ({file}:{line})" if file else ""


def raised_at(error: BaseException, owner: str) -> str:
    """In brackets, the last line of a user's file, or of one beside it, that an error came by.

    Args:
        owner: The file; "" for a function of the package, of which nothing is said.
    """
    if not owner:
        return ""
    folder = Path(owner).parent
    frames = traceback.extract_tb(error.__traceback__)
    # an environment may lie in the folder
    own = [
        frame
        for frame in frames
        if Path(frame.filename).is_relative_to(folder) and "site-packages" not in frame.filename
    ]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
