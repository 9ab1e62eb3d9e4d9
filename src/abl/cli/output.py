"""What the command prints: without secrets, in characters that the output can write.

Old locales of clusters, cp1252 on Windows and PYTHONIOENCODING all give an output that is not
UTF-8: what it cannot write is written in ASCII, never a traceback. The table that is printed after
hours of training would be the worst place to find out.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import shutil
import sys
import textwrap
import warnings
from typing import TextIO

from abl.redaction import redacted
from abl.streams import own_stdout
from abl.visible import visible_text

_HANDLER = "abl-ascii"
_NAMED = re.compile(r"\s*\S+(?: \S+)*\s{2,}")  # a name and the gap behind it
# one letter for one, so that columns stay straight
_ASCII = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "…": ".", "Δ": "d", "δ": "d", "±": "~", "†": "+", "‡": "#",
        "×": "x", "·": ".", "•": "*", "→": ">", "←": "<", "≤": "<", "≥": ">", "≈": "~", "’": "'",
        "‘": "'", "“": '"', "”": '"', "│": "|", "┃": "|", "─": "-", "━": "-", "═": "=", "║": "|",
        "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "+", "┤": "+", "┬": "+", "┴": "+", "┼": "+",
        "╭": "+", "╮": "+", "╰": "+", "╯": "+", "┏": "+", "┓": "+", "┗": "+", "┛": "+", "┡": "+",
        "┩": "+", "╇": "+", "█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "#", "▏": "|", "✓": "v",
        "✗": "x", "ᵃ": "a", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    }
)  # fmt: skip


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_ASCII)
    return text.encode("ascii", "replace").decode("ascii"), error.end


def prepare_output() -> None:
    """Standard output and error take every text from now on, and no secret.

    Whatever is written passes here: lines of the command, tracebacks, warnings of libraries.
    """
    codecs.register_error(_HANDLER, _in_ascii)
    # SQLAlchemy's, of what SQLite's driver passes over in an address: raw, and nobody's business
    warnings.filterwarnings("ignore", message="Query string argument")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)
            _keep_secrets_from(stream)


def _keep_secrets_from(stream: TextIO) -> None:
    write = stream.write

    def write_redacted(text: str) -> int:
        write(redacted(text))
        return len(text)

    stream.write = write_redacted  # type: ignore[method-assign]


def import_nothing_from_here() -> None:
    """Python programs that the command starts import nothing that lies in the folder it runs in.

    `python -c` and `python -m`, as multiprocessing and MLflow start them, look there first: a file
    `torch.py` in somebody else's folder would be run.
    """
    os.environ["PYTHONSAFEPATH"] = "1"


def say(text: object, *, error: bool = False, fit: bool | None = None) -> None:
    """Prints lines, which may hold text of others: names, reasons, what a library said.

    Args:
        error: To standard error.
        fit: In a terminal, lines that are too long for it are broken; default: errors are.
    """
    shown = visible_text(redacted(str(text)))
    stream = sys.stderr if error else own_stdout()
    if (error if fit is None else fit) and stream.isatty():
        shown = in_terminal_lines(shown, shutil.get_terminal_size((120, 40)).columns)
    print(shown, end="" if shown.endswith("\n") else "\n", file=stream)


def in_terminal_lines(text: str, width: int) -> str:
    """The text with each line that is wider broken between words, and moved below where its words
    begin: behind the first gap of two blanks or more, if that leaves half of the width.
    """
    return "\n".join(
        line if len(line) <= width else _broken(line, width) for line in text.split("\n")
    )


def _broken(line: str, width: int) -> str:
    gap = _NAMED.match(line)
    start = gap.end() if gap and gap.end() <= width // 2 else 0
    indent = " " * (start or len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line[start:], width, initial_indent=line[:start], subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False, drop_whitespace=True,
    )  # fmt: skip
