"""Outlines of generated nodules and the places around them, in shares of the frame's side.

Sines and cosines here, no pixels: boxes are known before anything is rendered.
"""

from __future__ import annotations

import numpy as np

ANGLES = 256  # samples of an outline
HARMONICS = np.arange(3, 10)  # 3 to 9 lobes: an ellipse has the first two
SLOTS = np.array(  # centres of structures beside the nodule: x, y
    [[0.15, 0.84], [0.85, 0.84], [0.15, 0.60], [0.85, 0.60], [0.15, 0.34], [0.85, 0.34]]
)
LOWER_SLOTS = 4  # the first ones: a shadow cast from here does not cross much of the nodule
SLOT_HALF = np.array([0.10, 0.09])  # room that a structure needs, half its width and height


def outline_radii(
    area: np.ndarray,
    aspect: np.ndarray,
    tilt: np.ndarray,
    irregularity: np.ndarray,
    amplitudes: np.ndarray,
    phases: np.ndarray,
) -> np.ndarray:
    """Radius of N outlines at ANGLES equally spaced angles from 0, (N, ANGLES).

    Args:
        area: Of the ellipse, (N,), share of the frame. aspect: Height over width, (N,).
        tilt: Radians, (N,). irregularity: Standard deviation of the radius as its share, (N,).
        amplitudes, phases: (N, 7) of the harmonics; amplitudes are scaled to that deviation.
    """
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    half_width = np.sqrt(area / (np.pi * aspect))
    half_height = half_width * aspect
    turned = angle - tilt[:, None]
    ellipse = 1.0 / np.hypot(
        np.cos(turned) / half_width[:, None], np.sin(turned) / half_height[:, None]
    )
    lobes = np.zeros((len(area), ANGLES))
    for column, count in enumerate(HARMONICS):
        wave = np.cos(count * angle + phases[:, column, None])
        lobes += amplitudes[:, column, None] * wave
    lobes /= np.sqrt((amplitudes**2).sum(axis=1) / 2)[:, None]
    radii: np.ndarray = ellipse * np.maximum(1 + irregularity[:, None] * lobes, 0.4)
    return radii


def extents(radii: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom of outlines (N, ANGLES) about their centres, (N, 4)."""
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    x, y = radii * np.cos(angle), radii * np.sin(angle)
    return np.stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)], axis=1)


def placed(low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    """A point between low and high; their middle where a nodule leaves no room."""
    return np.where(low < high, low + share * (high - low), (low + high) / 2)


def free_slots(boxes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """For N nodules (N, 4: x0, y0, x1, y1), slots in the order in which they are used, (N, 6).

    Slots clear of the nodule come first, in the order of the random keys (N, 6); then the others,
    the least covered first.
    """
    slot_low, slot_high = SLOTS - SLOT_HALF, SLOTS + SLOT_HALF
    wide = np.minimum(boxes[:, None, 2:], slot_high) - np.maximum(boxes[:, None, :2], slot_low)
    covered = np.maximum(wide, 0).prod(axis=2)
    order: np.ndarray = np.lexsort((keys, covered), axis=1)
    return order
