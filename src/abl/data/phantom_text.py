"""Scanner text: a font of 3 x 5 dots, drawn without a font library so that bytes never change."""

from __future__ import annotations

import numpy as np

GLYPHS = {  # rows from the top, each a number of three bits
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711",
    "5": "74717", "6": "74757", "7": "71122", "8": "75757", "9": "75717",
    "A": "75755", "B": "65656", "D": "65556", "F": "74744", "G": "74557",
    "L": "44447", "R": "65655", "P": "75744", "T": "72222", ".": "00002",
}  # fmt: skip
GREY = 220
DOTS_DOWN, DOTS_ACROSS = 6, 4  # with a dot of space


def text_dots(text: str) -> np.ndarray:
    """bool (6, 4 * characters)."""
    dots = np.zeros((DOTS_DOWN, DOTS_ACROSS * len(text)), dtype=bool)
    for place, character in enumerate(text):
        for line, bits in enumerate(GLYPHS[character]):
            for column in range(3):
                dots[line, DOTS_ACROSS * place + column] = bool(int(bits) >> (2 - column) & 1)
    return dots


def write_text(image: np.ndarray, text: str, top: int, left: int, scale: int) -> None:
    """Writes text into a uint8 image, as many characters as there is room for."""
    room = (image.shape[1] - left + scale) // (DOTS_ACROSS * scale)  # the last needs no space
    dots = text_dots(text[:room]).repeat(scale, axis=0).repeat(scale, axis=1)
    part = image[top : top + dots.shape[0], left : left + dots.shape[1]]
    part[dots[: part.shape[0], : part.shape[1]]] = GREY
