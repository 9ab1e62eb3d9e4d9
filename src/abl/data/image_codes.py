"""Codes that stand for images where their names must not: a folder or a file is often named after
the class or the patient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

DIGITS = 12  # hex digits: of a million images two share a code once in 560 sets
_OF = "abl image code\n"


def image_code(image: str) -> str:
    """Code of an image's name, the same whenever and wherever it is asked for."""
    return hashlib.sha256(f"{_OF}{image}".encode()).hexdigest()[:DIGITS]


def images_by_code(images: Iterable[str]) -> dict[str, str]:
    """Code -> the name of the image that it stands for."""
    return {image_code(image): image for image in images}
