"""Pixels of a generated set: B-mode, elasticity and mask of one frame."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from abl.data import phantom_physics as physics
from abl.data import phantom_scene as scenes
from abl.data.phantom_draws import SPECKLE, STRAIN, drawn, stream
from abl.data.phantom_text import DOTS_DOWN, write_text
from abl.spec.data import Phantom

LEAST_GRID = 128  # smaller frames are rendered finer and averaged: speckle needs samples
WIDENING_B = 1.35  # centre B's scanner resolves less


def row_of(settings: Phantom, position: int) -> dict[str, Any]:
    """Everything drawn about the frame of a row."""
    return {name: values[position] for name, values in drawn(settings).items()}


def bmode_image(settings: Phantom, position: int) -> np.ndarray:
    """B-mode frame of a row, uint8 (S, S)."""
    row, draw = row_of(settings, position), _stream(settings, position, SPECKLE)
    factor = -(-LEAST_GRID // settings.size)
    pixels = factor * settings.size
    scene = scenes.blank_scene(pixels, float(row["depth_mm"]))
    ratio = scenes.relative_radius(scene, row)
    scenes.paint_layers(scene, row, draw)
    scenes.paint_nodule(scene, row, ratio, draw)
    scenes.paint_distractors(scene, row, ratio, draw)

    mm_per_pixel = scene.depth_mm / pixels
    level = scene.level + physics.accumulated_db(scene.extra, mm_per_pixel)
    level -= draw.uniform(0.0, 0.12) * scene.depth_mm * scene.y  # depth gain is never quite right
    widening = WIDENING_B if row["at_b"] else 1.0
    envelope = physics.envelope(10 ** (level / 20), mm_per_pixel, widening, draw)
    grey = physics.log_compressed(envelope, float(row["frame_gain_db"]))
    image = physics.rounded(physics.mean_blocks(grey, factor))
    if row["has_text"]:
        _annotate(image, row, draw)
    return image


def elasticity_image(settings: Phantom, position: int) -> np.ndarray:
    """Elasticity frame of a row, uint8 (S, S), bright is stiff.

    The stiff region is round and of the nodule's area: its outline would tell margin and shape,
    and then B-mode and elasticity would not be independent given the class.
    """
    row, draw = row_of(settings, position), _stream(settings, position, STRAIN)
    pixels = settings.size
    scene = scenes.blank_scene(pixels, float(row["depth_mm"]))
    radius = np.sqrt(row["area"] / np.pi)
    away = np.hypot(scene.x - row["x"], scene.y - row["y"]) / radius
    weight = np.clip((1.15 - away) / 0.3, 0, 1)
    background = 85 + 11 * scenes.smooth_field(pixels, 4, draw)
    stiff = 105 + 36 * (float(row["stiffness"]) + 0.3 * draw.standard_normal())
    grey = background * (1 - weight) + stiff * weight
    # noise of a strain estimate: correlated over its window, stronger with depth
    noise = draw.standard_normal((64, 64))
    noise = (
        noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, (1, 1), (0, 1))
    ) / 2
    cells = np.arange(pixels) * 64 // pixels
    grey = grey + (8 + 12 * scene.y) * noise[cells][:, cells]
    return physics.rounded(grey)


def mask_image(settings: Phantom, position: int) -> np.ndarray:
    """The nodule of a row, bool (S, S)."""
    row = row_of(settings, position)
    scene = scenes.blank_scene(settings.size, float(row["depth_mm"]))
    return scenes.relative_radius(scene, row) < 1


def _stream(settings: Phantom, position: int, kind: int) -> np.random.Generator:
    columns = drawn(settings)
    name = (int(columns[part][position]) for part in ("patient", "nodule", "plane"))
    return stream(settings.seed, kind, *name)


def _annotate(image: np.ndarray, row: Mapping[str, Any], draw: np.random.Generator) -> None:
    """The black band beside the tissue, with settings and a depth scale."""
    size = len(image)
    left, right = tissue_columns(size, float(row["left"]), float(row["right"]))
    start, end = (0, left) if left else (right, size)
    image[:, start:end] = 0
    scale = max(1, size // 160)
    lines = [
        f"P{draw.integers(80, 101)}",
        "12L" if row["at_b"] else "9L",
        f"{row['depth_mm'] / 10:.1f}",
        f"DR{int(physics.DYNAMIC_RANGE_DB)}",
        f"G{draw.integers(40, 90)}",
    ]
    chosen = np.sort(draw.choice(len(lines), size=int(draw.integers(2, 6)), replace=False))
    for place, line in enumerate(chosen):
        top = size // 16 + place * (DOTS_DOWN + 2) * scale
        write_text(image[:, start:end], lines[line], top, scale, scale)
    for tick in range(1, int(row["depth_mm"] / 5)):
        at = int(size * tick * 5 / row["depth_mm"])
        image[at, end - 2 * scale : end] = 150


@functools.cache
def tissue_columns(size: int, left: float, right: float) -> tuple[int, int]:
    """First column of the tissue and the one past its last."""
    return int(np.floor(left * size)), int(np.ceil(right * size))
