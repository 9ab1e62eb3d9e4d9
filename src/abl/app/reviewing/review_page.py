"""The review page: one HTML file with a card an image, a script of its own and nothing from
elsewhere. What it downloads is the review sheet, filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from abl.app.image_pages.scripted_page import letters_of, scripted_page
from abl.app.reviewing.sheet import ANSWERS, CAUSES, DECISIONS
from abl.visible import visible_line

TEMPLATE, SCRIPT = "review_page.html", "review_page.js"


@dataclass(frozen=True)
class ActivationMap:
    """A picture of what a network looked at: `source` is a data URI."""

    network: str
    words: str
    source: str


@dataclass(frozen=True)
class Card:
    """An image as the page shows it.

    Attributes:
        source: Thumbnail as a data URI, of so many pixels.
        share: How often it was wrong, in words; "" for readers who are not told.
        said: What each network said: network, wrong, seen, words.
        look_alikes: Near-duplicates with their labels, in words.
        contradicts: Whether one of these has another label.
    """

    image: str
    label: str
    source: str
    width: int
    height: int
    flagged: bool = False
    share: str = ""
    said: Sequence[Mapping[str, object]] = ()
    said_head: str = ""
    look_alikes: str = ""
    contradicts: bool = False
    metadata: Sequence[tuple[str, str]] = ()
    maps: Sequence[ActivationMap] = ()


def review_page(
    title: str,
    head: Sequence[str],
    cards: Sequence[Card],
    *,
    classes: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    key: str,
    blind: bool,
) -> str:
    """The page.

    Args:
        head: What is said above the images, a sentence each.
        columns, rows: The sheet that is downloaded, `image` first; a row a card, in their order.
        key: Under which a browser keeps the answers; no other review has it.
        blind: Whether readers are not told what the networks said.
    """
    letters = letters_of(classes)
    of_class = {name: letter for letter, name in letters.items()}
    table: dict[str, Any] = {
        "key": key,
        "columns": list(columns),
        "rows": [list(row) for row in rows],
        "answers": list(ANSWERS),
        "decisions": list(DECISIONS),
        "classes": list(classes),
        "keys": letters,
    }
    return scripted_page(
        TEMPLATE,
        SCRIPT,
        {
            "title": visible_line(title),
            "head": head,
            "cards": cards,
            "classes": [{"name": name, "key": of_class.get(name, "")} for name in classes],
            "decisions": DECISIONS,
            "causes": CAUSES,
            "blind": blind,
            "table": table,
        },
    )
