"""A folder like BUSI as it is downloaded: classes with spaces and brackets, masks beside images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 40
COUNTS = {"benign": 7, "malignant": 6, "normal": 6}


def lesion_image(draw: np.random.Generator, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (SIDE, SIDE + 4) speckle with a dark disk, and bool where the disk is."""
    y, x = np.mgrid[:SIDE, : SIDE + 4]
    centre = draw.uniform(0.4 * SIDE, 0.6 * SIDE, 2)
    inside = np.hypot(y - centre[0], x - centre[1]) < radius
    coarse = np.kron(draw.normal(0, 25, (SIDE // 4, SIDE // 4 + 1)), np.ones((4, 4)))
    image = draw.gamma(8, 1 / 8, x.shape) * 100 + coarse
    image[inside] *= 0.4
    return np.clip(image, 0, 255).astype(np.uint8), inside


def write_busi(folder: Path, counts: Mapping[str, int] = COUNTS, *, copies: int = 0) -> Path:
    """benign/benign (1).png, benign/benign (1)_mask.png, ...; masks of `normal` are black.

    Image 2 of `benign` has a second mask, its first `copies` images have a brighter copy each.
    Left behind by systems: .DS_Store, ._ files, Thumbs.db.
    """
    draw = np.random.default_rng(5)
    for at, (name, count) in enumerate(counts.items()):
        home = folder / name
        home.mkdir(parents=True)
        for number in range(1, count + 1):
            image, inside = lesion_image(draw, 0 if name == "normal" else 6 + 3 * at)
            Image.fromarray(image).save(home / f"{name} ({number}).png")
            Image.fromarray(inside).save(home / f"{name} ({number})_mask.png")
            (home / f"._{name} ({number}).png").write_bytes(b"\x00\x05\x16\x07")
        (home / ".DS_Store").write_bytes(b"Bud1")
    (folder / "benign/Thumbs.db").write_bytes(b"\xd0\xcf")
    second = np.zeros((SIDE, SIDE + 4), bool)
    second[1:4, 1:5] = True
    Image.fromarray(second).save(folder / "benign/benign (2)_mask_1.png")
    for number in range(1, copies + 1):
        with Image.open(folder / f"benign/benign ({number}).png") as image:
            brighter = image.point(lambda value: min(255, round(1.1 * value)))
        brighter.save(folder / f"benign/benign ({counts['benign'] + number}).png")
    return folder
