"""What a record that cannot be used is told with."""

from __future__ import annotations

import textwrap


class RecordError(Exception):
    """The record cannot be read or written: one line. Training goes on without it.

    Attributes:
        advice: What to do about it, "" if that is to start what does not answer.
    """

    def __init__(self, line: str, advice: str = ""):
        super().__init__(line)
        self.advice = advice


def shortened(line: str) -> str:
    """A line of a library or a program, at a length that people read."""
    return textwrap.shorten(line, 300, placeholder=" ...")
