"""Output that is not UTF-8: what it cannot write is written in ASCII, never a traceback.

Old locales of clusters, cp1252 on Windows and PYTHONIOENCODING all give such an output. The table
that is printed after hours of training would be the worst place to find out.
"""

from __future__ import annotations

import codecs
import io
import sys

_HANDLER = "abl-ascii"
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


def write_what_can_be_written() -> None:
    """Standard output and error take every text from now on."""
    codecs.register_error(_HANDLER, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)
