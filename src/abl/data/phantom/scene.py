"""What lies in a generated frame: echo level and attenuation of every point, before any physics.

Lengths are shares of the frame's side, levels are dB below the brightest echo that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from abl.data.phantom.draws import ANGLES, LOWER_SLOTS, SLOTS

GLAND, FAT, MUSCLE, DEEP = -35.0, -44.0, -46.0, -42.0
LINE, FLUID, STONE = -20.0, -62.0, -8.0
FAT_MM, SKIN_MM = 3.5, 1.2


@dataclass
class Scene:
    """A frame being painted, each array (n, n) float64.

    Attributes:
        x, y: Coordinates of the pixel centres.
        level: Echo level, dB.
        extra: Attenuation beyond what the depth gain makes up for, dB per mm, one way.
    """

    x: np.ndarray
    y: np.ndarray
    level: np.ndarray
    extra: np.ndarray
    depth_mm: float

    def oval(self, x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
        """Distance from a centre in units of an ellipse's radius: 1 on its outline."""
        return np.hypot((self.x - x) / half_width, (self.y - y) / half_height)

    def line(self, y: np.ndarray, half_width: float, level: float) -> None:
        """Paints a bright line at height y (one a column), fading to both sides."""
        self.level = np.maximum(self.level, level - 6 * ((self.y - y) / half_width) ** 2)


def blank_scene(pixels: int, depth_mm: float) -> Scene:
    """A frame of nothing but gland."""
    at = (np.arange(pixels) + 0.5) / pixels
    x, y = np.broadcast_to(at, (pixels, pixels)), np.broadcast_to(at[:, None], (pixels, pixels))
    shape = (pixels, pixels)
    return Scene(x, y, np.full(shape, GLAND), np.zeros(shape), depth_mm)


def smooth_field(pixels: int, modes: int, draw: np.random.Generator) -> np.ndarray:
    """A smooth random field, (n, n), standard deviation about 1."""
    at = (np.arange(pixels) + 0.5) / pixels
    waves = np.cos(np.pi * np.arange(modes + 1)[:, None] * at)
    field = np.zeros((pixels, pixels))
    for down in range(modes + 1):
        across = np.zeros(pixels)
        for strength, wave in zip(draw.standard_normal(modes + 1), waves, strict=True):
            across += strength * wave
        field += waves[down][:, None] * across
    field *= 2 / (modes + 1)
    return field


def relative_radius(scene: Scene, row: Mapping[str, Any]) -> np.ndarray:
    """Distance from the nodule's centre over that of its outline in that direction, (n, n)."""
    across, down = scene.x - row["x"], scene.y - row["y"]
    angle = np.arctan2(down, across) % (2 * np.pi)
    radii = np.append(row["radii"], row["radii"][0])
    outline = np.interp(angle, np.linspace(0, 2 * np.pi, ANGLES + 1), radii)
    return np.hypot(across, down) / outline


def paint_layers(scene: Scene, row: Mapping[str, Any], draw: np.random.Generator) -> None:
    """Skin, fat, strap muscle, gland between two capsules, and the muscle below."""
    pixels = len(scene.x)
    scene.level = scene.level + 2.2 * smooth_field(pixels, 6, draw)
    x = scene.x[0]
    slope, deep_slope = draw.uniform(-0.03, 0.03), draw.uniform(-0.04, 0.04)  # never quite level

    def wavy(height: float, swing: float, slope: float) -> np.ndarray:
        first, second = draw.uniform(0, 2 * np.pi, 2)
        waves = swing * (np.sin(3 * x + first) + 0.5 * np.sin(8 * x + second))
        return height + slope * (2 * x - 1) + waves

    surface = float(row["surface"])
    capsule = wavy(surface, 0.006, slope)
    fascia = wavy(FAT_MM / scene.depth_mm, 0.006, 0.6 * slope)
    below = max(0.76, float(row["nodule_box"][3]) + 0.05) + draw.uniform(0, 0.05)
    bottom = wavy(below, 0.012, deep_slope)
    stripes = np.sin(2 * np.pi * scene.y * draw.uniform(24, 34) + 6 * x * draw.uniform(-1, 1))
    scene.level = np.where(scene.y < capsule, MUSCLE + 5 * stripes, scene.level)
    scene.level = np.where(scene.y < fascia, FAT + 3 * stripes, scene.level)
    scene.level = np.where(scene.y > bottom, DEEP + 4 * stripes, scene.level)
    for height in (fascia, capsule, bottom):
        scene.line(height, 0.008, LINE + draw.uniform(-4, 2))
    scene.line(np.zeros_like(x), SKIN_MM / scene.depth_mm, -14.0)


def paint_nodule(
    scene: Scene, row: Mapping[str, Any], ratio: np.ndarray, draw: np.random.Generator
) -> None:
    """The nodule: echogenicity, halo, microcalcifications; fluid and coarse calcification."""
    echogenicity, calcification, halo = (float(row["scores"][i]) for i in (0, 3, 4))
    inside = ratio < 1
    texture = 1.2 * smooth_field(len(scene.x), 8, draw)
    nodule = GLAND + np.clip(-6.0 - 4.2 * echogenicity, -20, 2) + texture
    # a soft edge of a few per cent of the radius: partial volume
    weight = np.clip((1.03 - ratio) / 0.06, 0, 1)
    scene.level = scene.level * (1 - weight) + nodule * weight
    rim = np.exp(-(((ratio - 1.05) / 0.10) ** 2))
    scene.level -= 18 * np.clip(0.5 - 0.35 * halo, 0, 1) * rim

    if row["fluid"]:
        angle, size = draw.uniform(0, 2 * np.pi), draw.uniform(0.35, 0.55)
        away = 0.9 * (1 - size)
        radius = np.sqrt(row["area"] / np.pi)
        shift = away * radius * np.array([np.cos(angle), np.sin(angle)])
        pool = scene.oval(row["x"] + shift[0], row["y"] + shift[1], size * radius, size * radius)
        is_fluid = inside & (pool < 1)
        scene.level = np.where(is_fluid, FLUID, scene.level)
        scene.extra = np.where(is_fluid, -0.35, scene.extra)

    count = int(np.clip(np.floor(2.6 + 2.4 * calcification), 0, 12))
    reach = 0.75 * np.sqrt(row["area"] / np.pi)
    for _ in range(count):
        angle, away = draw.uniform(0, 2 * np.pi), reach * np.sqrt(draw.uniform())
        at = row["x"] + away * np.cos(angle), row["y"] + away * np.sin(angle)
        grain = scene.oval(*at, 0.014, 0.011) < 1
        scene.level = np.where(grain & inside, STONE, scene.level)
        scene.extra = np.where(grain & inside, 0.8, scene.extra)
    if row["coarse"]:
        angle = draw.uniform(0, 2 * np.pi)
        at = row["x"] + 0.4 * reach * np.cos(angle), row["y"] + 0.4 * reach * np.sin(angle)
        _stone(scene, scene.oval(*at, 0.045, 0.018) < 1)


def paint_distractors(
    scene: Scene, row: Mapping[str, Any], ratio: np.ndarray, draw: np.random.Generator
) -> None:
    """Lymph node, vessel, calcification beside the nodule, in the first free places."""
    outside = ratio > 1.15
    places = [int(slot) for slot in row["slots"]]
    if row["node"]:
        x, y = SLOTS[places.pop(0)] + draw.uniform(-0.015, 0.015, 2)
        node = scene.oval(x, y, 0.09, 0.065)
        scene.level = np.where((node < 1) & outside, GLAND - 14, scene.level)
        hilum = scene.oval(x, y, 0.045, 0.012)
        scene.level = np.where((hilum < 1) & outside, LINE - 6, scene.level)
    if row["vessel"]:
        x, y = SLOTS[places.pop(0)] + draw.uniform(-0.015, 0.015, 2)
        radius = draw.uniform(0.055, 0.085)
        vessel = scene.oval(x, y, radius, radius)
        wall = (np.abs(vessel - 1) < 0.12) & outside
        lumen = (vessel < 0.9) & outside
        scene.level = np.where(wall, LINE - 4, scene.level)
        scene.level = np.where(lumen, FLUID, scene.level)
        scene.extra = np.where(lumen, -0.35, scene.extra)
    if row["stone"]:
        lower = [slot for slot in places if slot < LOWER_SLOTS]
        x, y = SLOTS[lower[0]] + draw.uniform(-0.015, 0.015, 2)
        _stone(scene, (scene.oval(x, y, 0.045, 0.018) < 1) & outside)


def _stone(scene: Scene, where: np.ndarray) -> None:
    scene.level = np.where(where, STONE, scene.level)
    scene.extra = np.where(where, 6.0, scene.extra)
