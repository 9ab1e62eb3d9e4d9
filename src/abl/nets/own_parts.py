"""The parts of a classifier made by the functions that are registered for them, a user's too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from abl.errors import InputError, StageError
from abl.registry import Entry
from abl.signatures import called, placed, raised_at, signature_fault

# what each sort of builder is given
TAKES = {
    "network": ("classes", "channels", "image_size"),
    "head": ("own", "width", "classes", "levels"),
    "fusion": ("width",),
    "variant": ("width", "reduction"),
}


def made_part(
    sort: str, name: str, entry: Entry | None, build: Callable[..., Any], *values: Any, at: str = ""
) -> nn.Module:
    """What a builder gives for these values.

    Args:
        sort: network, head, fusion or variant.
        entry: What is known of it.
        build: The builder.
        values: As `TAKES` names them.
        at: What it is made for, in messages.

    Raises:
        InputError: It does not take them, fails, or gives no module: a user's own file and line.
            Of the package's builders, and of a network, errors of shapes pass as they are.
    """
    if fault := signature_fault(build, TAKES[sort]):
        raise InputError(f"{sort} {name}: {fault}{placed(build)}")
    owner = "" if entry is None else entry.owner
    try:
        part = build(*values)
    except (InputError, StageError, MemoryError):
        raise
    except Exception as error:
        if not owner:
            raise
        raise InputError(
            f"{sort} {name} cannot be made{at}: {error_in_words(error, owner)}"
        ) from error
    if not isinstance(part, nn.Module):
        given = "None" if part is None else f"a value of type {type(part).__name__}"
        forgotten = ": is there a `return`?" if part is None else ""
        text = f"{called(build)} gives {given}, not a torch.nn.Module{forgotten}"
        raise InputError(f"{sort} {name}: {text}{placed(build)}")
    return part


def error_in_words(error: BaseException, owner: str = "") -> str:
    """An error's type, the first line of its text, and where in a user's file it came from."""
    text = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {text}{raised_at(error, owner)}"
