"""What is wrong with the value of an option, in the words that a sweep file's faults have.

The library behind the commands quotes those of its own checks: `Value error, 'cvs' is not one of
'text', 'md', ...`, `Input should be a valid integer, unable to parse string as an integer`.
"""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperGroup

_CHOICE = re.compile(r"'(?P<word>.*)' is not one of (?P<valid>'.*')\.?", re.DOTALL)
_PREFIX = re.compile(r"^(value|assertion) error, ", re.IGNORECASE)


class PlainGroup(TyperGroup):
    """A group of commands that tells a wrong value in plain words."""

    def invoke(self, ctx: Any) -> Any:
        """As any group; options of a command are read here."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = plain_fault(error.message, error.__cause__)
            raise


def plain_fault(message: str, cause: object = None) -> str:
    """What is said of a wrong value, with what to type instead.

    Args:
        message: The library's own.
        cause: Of it, which may be pydantic's.
    """
    from abl.errors import nearest

    message = _PREFIX.sub("", message)
    if choice := _CHOICE.fullmatch(message):
        valid = re.findall(r"'([^']*)'", choice["valid"])
        return f"'{choice['word']}' is not known, {nearest(choice['word'], valid)}"
    faults = getattr(cause, "errors", None)
    if faults is None:
        return message
    from abl.spec.base import Part
    from abl.spec.model_faults import message_of

    said = (message_of(fault, Part, ("value",), ()) for fault in faults(include_url=False))
    return _PREFIX.sub("", "; ".join(dict.fromkeys(each.partition(": ")[2] for each in said)))
