"""Standard output belongs to the command: a module of the user's that prints would stand amid its
JSON or table, so that no program can read it. Such text goes to standard error.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO, cast


class _Aside:
    """In the place of standard output: writes to standard error.

    Attributes:
        own: The standard output that it stands for.
    """

    def __init__(self, own: TextIO):
        self.own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    def flush(self) -> None:
        """Both, as whoever ends the process flushes what is called standard output."""
        self.own.flush()
        sys.stderr.flush()


def keep_own_stdout() -> None:
    """From now on only what is written to `own_stdout` goes to standard output; called before a
    module of the user's is loaded, as its functions are called until the command ends.
    """
    if not isinstance(sys.stdout, _Aside):
        sys.stdout = cast(TextIO, _Aside(sys.stdout))


def own_stdout() -> TextIO:
    """Standard output, whatever stands in its place."""
    return sys.stdout.own if isinstance(sys.stdout, _Aside) else sys.stdout
