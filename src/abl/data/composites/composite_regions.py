"""Where the two images of a composite frame are: the elasticity image by its colour, and its twin.

Qin et al. (IEEE JBHI 2020) cut composite frames into conventional and elasticity images by the
colour of the latter. The rules and sizes here are ours: the largest coloured area, and the
rectangle of the same size at the same place of the other half of the frame.
"""

from __future__ import annotations

import numpy as np
import scipy
from PIL import Image

SIDE = 320  # pixels of the longest side that is worked on, at most
COLOURED = 40  # difference of the largest and smallest of red, green, blue in a coloured pixel
NEAR, FILLED = 0.03, 0.5  # around a pixel of the image at least this share is coloured
LEAST = 0.01  # share of the frame that the coloured image fills
ACROSS = 0.02  # share of the frame by which it may reach over the middle

Region = tuple[int, int, int, int]


def colour_region(frame: np.ndarray) -> Region | None:
    """The rectangle around the largest coloured area of a frame.

    Colour bars and coloured letters are thin and are passed over.

    Args:
        frame: uint8 (H, W, 3); a grey one, (H, W), has no colour.

    Returns:
        x0, y0 (inclusive), x1, y1 (exclusive), in pixels; None if nothing large enough is coloured.
    """
    if frame.ndim != 3 or frame.shape[2] != 3:
        return None
    height, width = frame.shape[:2]
    share = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * share)), max(1, round(height * share)))
    small = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)).astype(np.int16)
    coloured = (small.max(axis=2) - small.min(axis=2)) > COLOURED
    window = 2 * round(NEAR * max(small.shape) / 2) + 1
    dense = scipy.ndimage.uniform_filter(coloured.astype(np.float32), window) >= FILLED
    labels, count = scipy.ndimage.label(dense)
    if not count:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    if sizes.max() < LEAST * labels.size:
        return None
    # the dense part ends half a window inside: the coloured pixels around it are its border
    grown = scipy.ndimage.binary_dilation(labels == int(sizes.argmax()) + 1, iterations=window // 2)
    rows, columns = (np.flatnonzero((grown & coloured).any(axis=axis)) for axis in (1, 0))
    down, across = height / small.shape[0], width / small.shape[1]
    return (
        int(np.floor(columns[0] * across)),
        int(np.floor(rows[0] * down)),
        min(width, int(np.ceil((columns[-1] + 1) * across))),
        min(height, int(np.ceil((rows[-1] + 1) * down))),
    )


def twin_region(
    region: Region, height: int, width: int, offset: tuple[int, int] | None = None
) -> Region | None:
    """The same rectangle in the other half of the frame, beside it or else above or below.

    Args:
        region: Of the coloured image.
        offset: From it to its twin, in pixels (across, down); None finds the half.

    Returns:
        None if the region lies in no half, or the twin would leave the frame.
    """
    for dx, dy in [offset] if offset is not None else _offsets(region, height, width):
        x0, y0, x1, y1 = region[0] + dx, region[1] + dy, region[2] + dx, region[3] + dy
        if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height:
            return x0, y0, x1, y1
    return None


def _offsets(region: Region, height: int, width: int) -> list[tuple[int, int]]:
    x0, y0, x1, y1 = region
    slack = ACROSS * max(height, width)
    found = []
    if x0 >= width / 2 - slack:
        found.append((-(width // 2), 0))
    elif x1 <= width / 2 + slack:
        found.append((width // 2, 0))
    if y0 >= height / 2 - slack:
        found.append((0, -(height // 2)))
    elif y1 <= height / 2 + slack:
        found.append((0, height // 2))
    return found
