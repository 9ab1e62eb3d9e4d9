"""Parts of a data set by the names of its folders and files."""

from __future__ import annotations

import re
from collections.abc import Iterable

WORDS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def split_word(parts: Iterable[str]) -> str:
    """train, validation or test if exactly one of them is a word of these names; else "".

    Words stand between marks, digits and capitals: `instances_val2017.json` is validation.
    """
    words = {
        WORDS[word.lower()]
        for part in parts
        for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", part)
        if word.lower() in WORDS
    }
    return words.pop() if len(words) == 1 else ""
