"""Names that look alike and are not the same: found, and what differs said in words.

`007` and `7`, `7.0` and `7`, `P7` and `p7`, one letter or two signs that are drawn as one, blanks
of another kind, letters of another alphabet.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Context, Decimal

from abl.data.tables.words import NUMBER, is_invisible, whole_number, without_invisible
from abl.errors import nearest

# letters of Cyrillic and Greek that are drawn as Latin ones: of those that Unicode (UTS 39) calls
# confusable the ones on keyboards
_LATIN = str.maketrans(
    "АВЕКМНОРСТХУЅІЈаеорсхуѕіјԁһΑΒΕΖΗΙΚΜΝΟΡΤΥΧαονρι",
    "ABEKMHOPCTXYSIJaeopcxysijdhABEZHIKMNOPTYXaovpi",
)
_DASHES = re.compile(r"[_\-‐-―−]")
_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)", re.ASCII)
_STARTS = frozenset("+-.0123456789")  # "" would be in a string
_MOST = 5  # labels in a message
_LONGEST = 60  # signs of a number
_COMMA = re.compile(r"\d+,0+", re.ASCII)


def _form(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _invisible(text: str) -> str:
    return text if text.isascii() else without_invisible(text)


def _blanks(text: str) -> str:
    return "".join(text.split())


def _number(text: str) -> str:
    """A number as one text, whatever its spelling: 7 for 7.0, 1E+1 for 10."""
    plain = text.replace(",", ".") if _COMMA.fullmatch(text) else text
    if len(plain) > _LONGEST or not NUMBER.fullmatch(plain):
        return text
    return str(Decimal(plain).normalize(Context(prec=_LONGEST)))


Step = tuple[str, Callable[[str], str]]
_STEPS: tuple[Step, ...] = (
    ("blanks", _blanks),
    ("invisible characters", _invisible),
    ("the Unicode form of letters", _form),
    ("letters of another alphabet", lambda text: text.translate(_LATIN)),
    ("upper and lower case", str.casefold),
    ("dashes", lambda text: _DASHES.sub("-", text)),
    ("leading zeros", lambda text: _ZEROS.sub("", text)),
    ("how a number is written", _number),
)


def alike_key(text: str) -> str:
    """What names that look alike have in common."""
    if not text.isascii():
        return _after(text, _STEPS)
    # the same, without what changes no such text: tables have very many names
    text = "".join(text.split()).lower().replace("_", "-")
    if "0" in text:
        text = _ZEROS.sub("", text)
    return _number(text) if text[:1] in _STARTS else text


def _after(text: str, steps: Sequence[Step]) -> str:
    for _, step in steps:
        text = step(text)
    return text


def unlike_in(one: str, other: str) -> list[str]:
    """In what two names of one key differ, in words; [] if they do not look alike."""
    if one == other or alike_key(one) != alike_key(other):
        return []
    needed = list(_STEPS)
    for step in reversed(_STEPS):  # the last ones do some of what others do
        fewer = [each for each in needed if each is not step]
        if _after(one, fewer) == _after(other, fewer):
            needed = fewer
    return [words for words, _ in needed]


def alike_groups(names: Iterable[str]) -> list[list[str]]:
    """Names that look alike, sorted, in the order of the first of each group."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(alike_key(name), []).append(name)
    return sorted(group for group in groups.values() if len(group) > 1)


def odd_characters(text: str) -> str:
    """Characters of a text that do not show for what they are, by code and name; "" if none."""
    odd = [mark for mark in text if _is_odd(mark)]
    return ", ".join(_named(mark) for mark in dict.fromkeys(odd))


def shown_name(text: str) -> str:
    """A name in quotes, with the characters in it that do not show."""
    odd = odd_characters(text)
    return f"'{text}' (with {odd})" if odd else f"'{text}'"


def nearest_name(text: str, names: Iterable[str]) -> str:
    """What to type instead of an unknown name; of one that looks like a known one, what differs."""
    known = sorted(names)
    for name in known:
        if how := unlike_in(text, name):
            return f"did you mean {shown_name(name)}? It differs in {' and '.join(how)}"
    return nearest(text, known)


class AlikeNames:
    """Names that are there, by what look-alikes have in common, for messages on one that is not."""

    def __init__(self, names: Iterable[str]):
        self._named: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            self._named.setdefault(alike_key(name), []).append(name)

    def hint(self, text: str) -> str:
        """The name that is there and looks like another, and how they differ; "" if none does."""
        for name in self._named.get(alike_key(text), ()):
            if how := unlike_in(text, name):
                return f"there is {shown_name(name)}, which differs in {' and '.join(how)}"
        return ""


def no_class_fault(labels: Sequence[str], classes: Sequence[str], named_by: str = "") -> str:
    """What is wrong with a column of labels of which none names a class; what names others."""
    some = ", ".join(map(shown_name, labels[:_MOST]))
    more = f" and {len(labels) - _MOST} more" if len(labels) > _MOST else ""
    how = f"; name the classes there are with {named_by}" if named_by else ""
    return f"none of its labels ({some}{more}) is a class ({', '.join(classes)}){how}"


def label_fault(
    text: str, classes: Sequence[str], missing: Collection[str], named_by: str = ""
) -> str:
    """What is wrong with a label that names no class.

    Args:
        named_by: With what other classes are named, for a label that is near to none of these.
    """
    if text in missing:
        return (
            f"label '{text}' is no class" if text.lower() not in ("", "nan") else "label is empty"
        )
    positions = [str(at) for at in range(len(classes))]
    numbered = any(whole_number(name) is not None for name in classes)
    if NUMBER.fullmatch(text):  # a number is near to every other, which says nothing
        span = f"0..{len(classes) - 1}"
        valid = [span] if list(classes) == positions else classes if numbered else [span, *classes]
        return f"label '{text}' is not a class; valid: {', '.join(valid)}"
    known = [*classes, *([] if numbered else positions)]
    hint = nearest_name(text, known)
    if named_by and not hint.startswith("did you mean"):
        hint += f"; name other classes with {named_by}"
    return f"label {shown_name(text)} is not a class; {hint}"


def _is_odd(mark: str) -> bool:
    if mark.isascii():
        return not mark.isprintable()
    if mark.isspace() or is_invisible(mark) or unicodedata.combining(mark):
        return True
    return mark.translate(_LATIN) != mark or unicodedata.normalize("NFKC", mark).isascii()


def _named(mark: str) -> str:
    return f"U+{ord(mark):04X} {unicodedata.name(mark, 'a control character').lower()}"
