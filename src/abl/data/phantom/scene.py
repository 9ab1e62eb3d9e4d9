"""What lies in a generated frame: echo level and attenuation of every point, before any physics.

Lengths are shares of the frame's side, levels are dB below the brightest echo that is shown.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from abl.data.phantom.draws import ANGLES, LOWER_SLOTS, SLOTS

Part = tuple[slice, slice]

GLAND, FAT, MUSCLE, DEEP = -35.0, -44.0, -46.0, -42.0
LINE, FLUID, STONE = -20.0, -62.0, -8.0
# attenuation of a stone and of fluid beyond that of tissue, dB per mm
SHADOW, ENHANCEMENT = 6.0, -0.35
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

    def oval(
        self, x: float, y: float, half_width: float, half_height: float, reach: float = 1.0
    ) -> tuple[Part, np.ndarray]:
        """Distance from a centre in units of an ellipse's radius: 1 on its outline.

        Args:
            reach: How far is asked for.

        Returns:
            A part of the frame, outside which all is further away, and the distances in it: the
            whole frame would be most of the work.
        """
        pixels = len(self.level)
        part = (
            _reached(y, reach * half_height, pixels),
            _reached(x, reach * half_width, pixels),
        )
        across, down = (self.x[part] - x) / half_width, (self.y[part] - y) / half_height
        return part, np.hypot(across, down)

    def fill(self, part: Part, where: np.ndarray, level: float, extra: float | None = None) -> None:
        """Paints pixels of a part of the frame; without `extra` their attenuation stays."""
        self.level[part][where] = level
        if extra is not None:
            self.extra[part][where] = extra

    def line(self, y: np.ndarray, half_width: float, level: float) -> None:
        """Paints a bright line at height y (one a column), fading to both sides."""
        self.level = np.maximum(self.level, level - 6 * ((self.y - y) / half_width) ** 2)


def blank_scene(pixels: int, depth_mm: float) -> Scene:
    """A frame of nothing but gland."""
    at = (np.arange(pixels) + 0.5) / pixels
    x, y = np.broadcast_to(at, (pixels, pixels)), np.broadcast_to(at[:, None], (pixels, pixels))
    shape = (pixels, pixels)
    return Scene(x, y, np.full(shape, GLAND), np.zeros(shape), depth_mm)


def _reached(centre: float, reach: float, pixels: int) -> slice:
    """The pixels whose centres may be within reach, with one more at each end."""
    first = int(np.floor((centre - reach) * pixels)) - 1
    last = int(np.ceil((centre + reach) * pixels)) + 1
    return slice(max(first, 0), max(last, 0))


def smooth_field(pixels: int, modes: int, draw: np.random.Generator) -> np.ndarray:
    """A smooth random field, (n, n), standard deviation about 1."""
    waves = _waves(pixels, modes)
    strengths = draw.standard_normal((modes + 1, modes + 1))
    across, field = np.zeros(waves.shape), np.zeros((pixels, pixels))
    for strength, wave in zip(strengths.T, waves, strict=True):
        across += strength[:, None] * wave
    part = np.empty(field.shape)
    for down, along in zip(waves, across, strict=True):
        field += np.multiply(down[:, None], along, out=part)
    field *= 2 / (modes + 1)
    return field


@functools.cache
def _waves(pixels: int, modes: int) -> np.ndarray:
    at = (np.arange(pixels) + 0.5) / pixels
    waves = np.cos(np.pi * np.arange(modes + 1)[:, None] * at)
    waves.setflags(write=False)  # all frames of a size share them
    return waves


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
    np.copyto(scene.level, MUSCLE + 5 * stripes, where=scene.y < capsule)
    np.copyto(scene.level, FAT + 3 * stripes, where=scene.y < fascia)
    np.copyto(scene.level, DEEP + 4 * stripes, where=scene.y > bottom)
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
        at = row["x"] + shift[0], row["y"] + shift[1]
        part, pool = scene.oval(*at, size * radius, size * radius)
        scene.fill(part, inside[part] & (pool < 1), FLUID, ENHANCEMENT)

    count = int(np.clip(np.floor(2.6 + 2.4 * calcification), 0, 12))
    reach = 0.75 * np.sqrt(row["area"] / np.pi)
    for _ in range(count):
        angle, away = draw.uniform(0, 2 * np.pi), reach * np.sqrt(draw.uniform())
        at = row["x"] + away * np.cos(angle), row["y"] + away * np.sin(angle)
        part, grain = scene.oval(*at, 0.014, 0.011)
        scene.fill(part, inside[part] & (grain < 1), STONE, 0.8)
    if row["coarse"]:
        angle = draw.uniform(0, 2 * np.pi)
        at = row["x"] + 0.4 * reach * np.cos(angle), row["y"] + 0.4 * reach * np.sin(angle)
        part, stone = scene.oval(*at, 0.045, 0.018)
        scene.fill(part, stone < 1, STONE, SHADOW)


def paint_distractors(
    scene: Scene, row: Mapping[str, Any], ratio: np.ndarray, draw: np.random.Generator
) -> None:
    """Lymph node, vessel, calcification beside the nodule, in the first free places."""
    outside = ratio > 1.15
    places = [int(slot) for slot in row["slots"]]
    if row["node"]:
        x, y = SLOTS[places.pop(0)] + draw.uniform(-0.015, 0.015, 2)
        part, node = scene.oval(x, y, 0.09, 0.065)
        scene.fill(part, outside[part] & (node < 1), GLAND - 14)
        part, hilum = scene.oval(x, y, 0.045, 0.012)
        scene.fill(part, outside[part] & (hilum < 1), LINE - 6)
    if row["vessel"]:
        x, y = SLOTS[places.pop(0)] + draw.uniform(-0.015, 0.015, 2)
        radius = draw.uniform(0.055, 0.085)
        part, vessel = scene.oval(x, y, radius, radius, reach=1.12)
        scene.fill(part, outside[part] & (np.abs(vessel - 1) < 0.12), LINE - 4)
        scene.fill(part, outside[part] & (vessel < 0.9), FLUID, ENHANCEMENT)
    if row["stone"]:
        lower = [slot for slot in places if slot < LOWER_SLOTS]
        x, y = SLOTS[lower[0]] + draw.uniform(-0.015, 0.015, 2)
        part, stone = scene.oval(x, y, 0.045, 0.018)
        scene.fill(part, outside[part] & (stone < 1), STONE, SHADOW)
