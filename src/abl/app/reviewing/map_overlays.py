"""Activation maps that an outcome keeps, laid over their images."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from PIL import Image

from abl.app.image_pages.sweep_images import jpeg_uri
from abl.app.reviewing.review_page import ActivationMap
from abl.data.images import reduced
from abl.report.pictures import Picture, Pictures, Tile

SIDE = 160  # pixels
STRENGTH = 0.6  # of the heat's colour at its maximum
HEAT = np.array([255.0, 60.0, 0.0])


def maps_over_images(
    pictures: Pictures | None, images: Collection[str]
) -> dict[str, list[ActivationMap]]:
    """Image -> the map of each network that has one; images without any are left out."""
    if pictures is None:
        return {}
    found = {
        row.name: [
            ActivationMap(network, f"p {tile.p:.2f}", overlaid(row, tile))
            for network, tile in zip(pictures.columns, row.tiles, strict=True)
            if tile is not None
        ]
        for row in pictures.rows
        if row.name in images
    }
    return {name: maps for name, maps in found.items() if maps}


def overlaid(picture: Picture, tile: Tile) -> str:
    """The image with the heat of a map over it, as a data URI."""
    pixels = picture.pixels[[0, 0, 0]] if len(picture.pixels) == 1 else picture.pixels
    image = np.moveaxis(pixels, 0, -1)
    side = (image.shape[1], image.shape[0])
    heat = Image.fromarray(tile.cam).resize(side, Image.Resampling.BILINEAR)
    share = STRENGTH * np.asarray(heat, dtype=np.float64)[:, :, None] / 255
    return jpeg_uri(reduced((image * (1 - share) + HEAT * share).astype(np.uint8), SIDE))
