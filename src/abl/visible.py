"""Text of others made fit to be shown: what moves a cursor or turns lines around is left out.

Names of files, patients and classes come from anywhere. Control characters move the cursor of a
terminal; line separators end a line where no line feed stands; bidirectional controls show text in
another order than it has; lone surrogates cannot be written at all.
"""

from __future__ import annotations

import unicodedata

# controls, invisible formatting, line and paragraph separators, surrogates
_HARMFUL = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
# formatting without which some scripts and emoji are spelt wrongly; it moves nothing
_JOINERS = frozenset("\u00ad\u200c\u200d")


def visible_line(text: str, mark: str = "?") -> str:
    """The text as one line, `mark` in the place of each character that is not to be shown."""
    if text.isprintable():
        return text
    return "".join(mark if _is_harmful(each) else each for each in text)


def visible_text(text: str, mark: str = "?") -> str:
    """As `visible_line` for text of several lines: line feeds and tabs stay."""
    if text.isprintable():
        return text
    # by the line: a figure has a million characters, and hardly one of them is of these
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(visible_line(p, mark) for p in line.split("\t")) for line in lines)


def without_middle(line: str, width: int) -> str:
    """The line without its middle if it is wider: names of one kind often differ at their ends."""
    if len(line) <= width:
        return line
    tail = max(width - 1, 0) // 2
    return f"{line[: max(width - 1, 0) - tail].rstrip()}…{line[len(line) - tail :].lstrip()}"


def _is_harmful(mark: str) -> bool:
    return unicodedata.category(mark) in _HARMFUL and mark not in _JOINERS
