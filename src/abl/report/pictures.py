"""Images of a sweep with what its networks see in them, for a figure; kept with the table."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Tile:
    """What one arm's network sees in an image.

    Attributes:
        cam: uint8 (h, w): class activation map over its maximum.
        p, shown: Probability and position of the class whose map it is.
        mask: uint8 (S, S), predicted nodule 255; None without a segmentation branch.
    """

    cam: np.ndarray
    p: float
    shown: int
    mask: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, one row of the figure.

    Attributes:
        why: chosen, or worst.
        label: Position of its true class.
        pixels: uint8 (C, S, S), one or three channels.
        box: x0, y0, x1, y1 in its pixels, or None.
        nodule: uint8 (S, S), true mask 255, or None.
        tiles: One a column of the figure; None where an arm has not seen it in a test set.
    """

    name: str
    why: str
    label: int
    pixels: np.ndarray
    box: tuple[float, float, float, float] | None
    nodule: np.ndarray | None
    tiles: tuple[Tile | None, ...]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Rows and columns of the figure.

    Attributes:
        columns: Arms in a few words.
        worst_of: The arm whose worst images are shown, in a few words; "" if none are.
        cut: What is left out, or "".
    """

    columns: tuple[str, ...]
    worst_of: str
    rows: tuple[Picture, ...]
    cut: str = ""


def pictures_to_bytes(pictures: Pictures) -> bytes:
    """As a compressed file of arrays, without pickle."""
    arrays: dict[str, np.ndarray] = {}
    rows = []
    for at, row in enumerate(pictures.rows):
        arrays[f"{at}.pixels"] = row.pixels
        if row.nodule is not None:
            arrays[f"{at}.nodule"] = row.nodule
        tiles: list[dict[str, float | int] | None] = []
        for place, tile in enumerate(row.tiles):
            tiles.append(None if tile is None else {"p": tile.p, "shown": tile.shown})
            if tile is not None:
                arrays[f"{at}.{place}.cam"] = tile.cam
                if tile.mask is not None:
                    arrays[f"{at}.{place}.mask"] = tile.mask
        plain = {name: getattr(row, name) for name in ("name", "why", "label", "box")}
        rows.append({**plain, "tiles": tiles})
    arrays["about"] = np.array(json.dumps({**vars(pictures), "rows": rows}))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def pictures_from_bytes(content: bytes) -> Pictures:
    """What `pictures_to_bytes` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays: Mapping[str, np.ndarray] = {name: file[name] for name in file.files}
    about = json.loads(str(arrays["about"]))

    def tile_of(tile: Mapping[str, Any] | None, key: str) -> Tile | None:
        if tile is None:
            return None
        return Tile(arrays[f"{key}.cam"], tile["p"], tile["shown"], arrays.get(f"{key}.mask"))

    rows = []
    for at, row in enumerate(about["rows"]):
        row["tiles"] = tuple(tile_of(tile, f"{at}.{n}") for n, tile in enumerate(row["tiles"]))
        row["box"] = None if row["box"] is None else tuple(row["box"])
        pixels, nodule = arrays[f"{at}.pixels"], arrays.get(f"{at}.nodule")
        rows.append(Picture(**row, pixels=pixels, nodule=nodule))
    return Pictures(tuple(about["columns"]), about["worst_of"], tuple(rows), about["cut"])
