"""What the images that are scored are called: a test set, or the validation set of a publication.

The role `test` of splits and predictions is whatever is scored; only its name differs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# names in `published` of a sweep file
ON_VALIDATION, WITHOUT_VALIDATION = "scored_on_validation", "no_validation"

TEST = "test"
_NOUNS = (
    "sets?|images?|cases?|nodules?|patients?|groups?|masks?|parts?|rows?|labels?|units?|"
    "predictions?|appearances?|confidences?"
)
# that there is no internal test set is what a published protocol says of itself
_SPOKEN = re.compile(
    rf"(?<!no internal )\b(?:(?P<upper>Test)|(?P<lower>test))(?=-?\s(?:{_NOUNS})\b)"
    r"|(?<=\b[oOiI]n\s)(?P<after>test)\b(?! of\b)"
)


def scored_part(departures: Sequence[Mapping[str, Any]]) -> str:
    """The word for what is scored, as it stands before `set` or `images`.

    Args:
        departures: What a sweep follows of its source's protocol, as `Facts.departures` has it.

    Returns:
        `test`; `validation` where the validation set is scored as published; `scored validation`
        where another validation part is drawn beside it; `test or validation` where arms differ.
    """
    done = {str(row["name"]): str(row["sentence"]) for row in departures}
    if ON_VALIDATION not in done:
        return TEST
    if done[ON_VALIDATION].endswith(" arms.)"):
        return "test or validation"
    return "validation" if WITHOUT_VALIDATION in done else "scored validation"


def as_scored(text: str, part: str) -> str:
    """A sentence with the word for what is scored in place of `test`."""
    if part == TEST:
        return text

    def word(found: re.Match[str]) -> str:
        return part[0].upper() + part[1:] if found["upper"] else part

    return _SPOKEN.sub(word, text)


def as_scored_role(role: str, part: str) -> str:
    """A role as tables name it."""
    return part if role == TEST else role
