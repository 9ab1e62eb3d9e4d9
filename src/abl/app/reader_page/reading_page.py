"""The page of a reader study: one HTML file that shows an image at a time and takes an answer.

No label is in it, and no name of an image: these are often named after their class. Images go by
codes (data/image_codes.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from abl.app.image_pages.scripted_page import letters_of, scripted_page
from abl.visible import visible_line

TEMPLATE, SCRIPT = "reading_page.html", "reading_page.js"
READING_KEY = "abl-reading:"  # in every such page, by which it is known
# how sure a reader is of the class; the key is its place
CONFIDENCES = ("a guess", "unsure", "fairly sure", "sure", "certain")
COLUMNS = (
    "image", "reader", "experience", "treatment", "session", "answer", "confidence", "rating",
    "comment", "sweep",
)  # fmt: skip


@dataclass(frozen=True)
class ShownPicture:
    """A picture as a data URI, of so many pixels."""

    source: str
    width: int
    height: int


@dataclass(frozen=True)
class ShownImage:
    """An image as the page shows it.

    Attributes:
        code: What stands for its name.
        pictures: One, or the two of a pair.
        aid: What a network said of it, where readers are to see that.
    """

    code: str
    pictures: tuple[ShownPicture, ...]
    aid: str = ""


def reading_page(
    title: str,
    head: Sequence[str],
    images: Sequence[ShownImage],
    *,
    classes: Sequence[str],
    sweep: str,
    session: int,
    treatment: str = "",
) -> str:
    """The page.

    A rating is only asked of two classes: it runs from 1 (certainly the first) to 10 (certainly the
    second), and is made of class and confidence.

    Args:
        head: What is said before the first image, a sentence each.
        images: In the order of the session.
        session: 1 or higher; answers of each session and treatment are kept apart.
        treatment: What is compared within readers, such as aided; "" is no column.
    """
    letters = letters_of(classes, taken="jknz")
    of_class = {name: letter for letter, name in letters.items()}
    absent = {"rating": len(classes) != 2, "treatment": not treatment}
    # answers of another page in the same browser are none of this one
    codes = "\n".join(image.code for image in images)
    digest = hashlib.sha256(codes.encode()).hexdigest()[:12]
    table: dict[str, Any] = {
        "key": f"{READING_KEY}{sweep}:{digest}:{session}:{treatment}",
        "columns": [name for name in COLUMNS if not absent.get(name)],
        "images": [asdict(image) for image in images],
        "classes": list(classes),
        "keys": letters,
        "confidences": len(CONFIDENCES),
        "session": str(session),
        "treatment": treatment,
        "sweep": sweep,
    }
    return scripted_page(
        TEMPLATE,
        SCRIPT,
        {
            "title": visible_line(title),
            "head": head,
            "classes": [{"name": name, "key": of_class.get(name, "")} for name in classes],
            "confidences": CONFIDENCES,
            "count": len(images),
            "table": table,
        },
    )
