"""How words of a table are read, whatever door it comes in by: manifests, predictions, folders.

What can be read in one way only is read: `1.0`, `True`, `Benign `, `Test`. Everything else is told.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

ROLES = ("train", "validation", "test")
ROLE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "train": "train", "training": "train",
        "validation": "validation", "val": "validation", "valid": "validation",
        "validate": "validation",
        "test": "test", "testing": "test",
    }
)  # fmt: skip
# columns of readers' answers -> the names that they go by, as same_name has them
ANSWER_COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "case": ("case", "image"),
        "reader": ("reader", "rater"),
        "truth": ("truth", "label"),
        "rating": ("rating",),
        "answer": ("answer",),
        "treatment": ("treatment", "modality"),
        "patient": ("patient",),
        "experience": ("experience",),
        "session": ("session",),
        "confidence": ("confidence",),
        "comment": ("comment",),
    }
)
TRUTH = MappingProxyType({"false": 0, "true": 1})
# what programs and people write where they know nothing
MISSING_WORDS = frozenset(
    {"", "nan", "na", "n/a", "n.a.", "<na>", "#n/a", "#na", "#null!", "none", "null", "nil", "nat"}
    | {"?", ".", "unknown", "unk", "missing", "not available", "not known", "no data"}
    | {"anonymous", "anonymized", "anonymised", "anon"}
)
_FIRST = frozenset("-?_") | {
    each for word in MISSING_WORDS for each in (word[:1], word[:1].upper())
}
_NOTHING = re.compile(r"[-?_\u2010-\u2015\u2212]+")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?", re.ASCII)
_LARGEST = 1e15  # below it every whole number is exact in float64


def same_name(text: str) -> str:
    """What two spellings of one name have in common.

    Without blanks around it, invisible characters, upper case and the several ways in which Unicode
    writes one letter (NFKC). Letters of other alphabets that look alike stay what they are.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        # upper case may have marks that its lower case has not
        text = unicodedata.normalize("NFKC", without_invisible(text).casefold())
    return " ".join(text.casefold().split())


def without_invisible(text: str) -> str:
    """Without characters that show nothing: of no width, marks of direction, variants of form."""
    return "".join(mark for mark in text if not is_invisible(mark))


def is_invisible(mark: str) -> bool:
    """Whether a character shows nothing and is no blank."""
    is_variant = "\ufe00" <= mark <= "\ufe0f" or mark in "\u034f\u115f\u1160\u3164\uffa0"
    return is_variant or unicodedata.category(mark) == "Cf"


def is_missing(text: str) -> bool:
    """Whether a field says that nothing is known: "", `NA`, `None`, `-`, `unknown`, ..."""
    # tables have very many names, of which hardly any begins as these do
    if text.isascii() and text and not text[0].isspace() and text[0] not in _FIRST:
        return False
    word = same_name(text)
    return word in MISSING_WORDS or _NOTHING.fullmatch(word) is not None


def missing_words(texts: Iterable[str]) -> frozenset[str]:
    """Those of the texts that say that nothing is known."""
    return frozenset(text for text in set(texts) if is_missing(text))


def unknown_words(texts: Iterable[str]) -> frozenset[str]:
    """As missing_words, of a column of metadata, where `none` is what was seen: no halo."""
    return frozenset(text for text in missing_words(texts) if same_name(text) != "none")


def role_named(text: str) -> str | None:
    """train, validation or test; None if the word is another."""
    return ROLE_WORDS.get(same_name(text))


def whole_number(text: str) -> int | None:
    """The whole number that a text writes (`1`, `1.0`, `01`, `1e0`); None if it writes none."""
    plain = same_name(text)
    if not NUMBER.fullmatch(plain):
        return None
    number = float(plain)
    return int(number) if abs(number) < _LARGEST and number.is_integer() else None


def number_words(text: str) -> str:
    """A key such as a fold, as one text whatever its spelling: `1` for `1.0` and `fold 1`."""
    plain = same_name(text)
    number = whole_number(re.sub(r"^(fold|repeat|seed)[ _-]?(?=\d)", "", plain))
    return text if number is None else str(number)


def class_numbers(texts: Iterable[str], classes: Sequence[str]) -> dict[str, int]:
    """Text -> class, of those texts that name one.

    A name goes before a number, should classes be named by numbers; these are positions then only
    if the column has each of 0, 1, ... and nothing else. Of two classes False is the first, True
    the second.

    Args:
        texts: All of a column, so that it is read in one way.
        classes: Names of classes 0, 1, ...
    """
    distinct = {text for text in set(texts) if text}
    exact = {name: at for at, name in enumerate(classes)}
    loose = _single((same_name(name), at) for at, name in enumerate(classes))
    numbers = [whole_number(name) for name in classes]
    numbered = _single((str(n), at) for at, n in enumerate(numbers) if n is not None)
    found: dict[str, int] = {}
    positions: dict[str, int] = {}
    for text in distinct:
        number = whole_number(text)
        if number is not None and 0 <= number < len(classes):
            positions[text] = number
        named = exact.get(text, loose.get(same_name(text)))
        if named is None and number is not None:
            named = numbered.get(str(number))
        if named is not None:
            found[text] = named
        elif len(classes) == 2 and same_name(text) in TRUTH:
            found[text] = TRUTH[same_name(text)]
    rest = {text for text in distinct if text not in found and not is_missing(text)}
    if not numbered:
        return positions | found
    are_positions = distinct - missing_words(distinct) == positions.keys()
    every = set(positions.values()) == set(range(len(classes)))
    return positions if rest and are_positions and every else found


def _single(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Key -> number, of keys that have one alone."""
    found: dict[str, int | None] = {}
    for key, number in pairs:
        found[key] = None if key in found else number
    return {key: number for key, number in found.items() if number is not None}
