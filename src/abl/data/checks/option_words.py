"""Advice that is worded for a sweep file, as options of the command that gives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from abl.errors import InputError, Problem, raise_if_any

MASKS = ("mask_value", "mask_cut", "mask_inverted")
CHECKED = (*MASKS, "box_format", "bits", "images", "columns")  # options of `abl data check`

_COLUMN = re.compile(r"(?:data: )?\{columns: \{(\w+): ([^{}]+)\}\}(?P<verb> names it)?")
_SETTING = re.compile(r"(?:data: )?\{(\w+): ([^{}]+)\}")
_INVERTED = re.compile(r"\bmask_inverted: (yes|no)\b")
_COMMAND = ", or --images of `abl data check`,"


def columns_named(given: Sequence[str]) -> dict[str, str]:
    """Our name -> the table's, of `--column image=Bild` each.

    Raises:
        InputError: Every one that is not written so, or names a column again.
    """
    found: dict[str, str] = {}
    problems = []
    for text in given:
        ours, mark, theirs = (part.strip() for part in text.partition("="))
        if not (ours and mark and theirs):
            problems.append(f"--column {text}: write NAME=COLUMN, as in --column image=File")
        elif found.setdefault(ours, theirs) != theirs:
            problems.append(f"--column {text}: {ours} is {found[ours]} already")
    raise_if_any([Problem(each) for each in problems])
    return found


@contextmanager
def told_as_options(*names: str) -> Iterator[Callable[[str], str]]:
    """Faults within name the options of a command, not settings of a sweep file.

    Args:
        names: Settings of a data block for which the command has an option.

    Yields:
        What puts other words of the command so.
    """
    worded = partial(as_options, names=names)
    try:
        yield worded
    except InputError as error:
        raise InputError(
            [replace(each, message=worded(each.message)) for each in error.problems]
        ) from None


def as_options(text: str, names: Sequence[str]) -> str:
    """A text with options in place of the settings that have one; columns without one are to be
    renamed in the table.
    """
    text = _COLUMN.sub(partial(_of_column, has_option="columns" in names), text)
    text = _SETTING.sub(partial(_of_setting, names=names), text)
    if "images" in names:
        text = text.replace(_COMMAND, "")
    if "columns" in names:
        text = text.replace("data.columns: ", "--column: ")
    if "mask_inverted" in names:
        text = _INVERTED.sub(_of_inverted, text)
        text = text.replace("leave mask_inverted out", "leave --mask-inverted out")
    if "mask_value" in names:
        text = text.replace("data.mask_value: ", "--mask-value: ")
        text = re.sub(r"(--mask-value \S+) or a list of them", r"\1, or several with commas", text)
    return text


def _of_column(found: re.Match[str], *, has_option: bool) -> str:
    ours, theirs, verb = found.groups()
    if not has_option:
        return f"call it '{ours}' in the table"
    return f"--column {ours}={theirs}{verb or ''}"


def _of_setting(found: re.Match[str], *, names: Sequence[str]) -> str:
    name, value = found.groups()
    if name not in names:
        return found[0]
    if name == "mask_inverted":
        return _of_inverted(found)
    return f"--{name.replace('_', '-')} {value}"


def _of_inverted(found: re.Match[str]) -> str:
    is_yes = found.groups()[-1] == "yes"
    return "--mask-inverted" if is_yes else "--no-mask-inverted"
