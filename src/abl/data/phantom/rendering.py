"""Pixels of a generated set: B-mode, elasticity and mask of one frame; how an ultrasound scanner
sees scatterers (speckle, attenuation, log compression); and the text that it writes.

Convolution is written out as sums of shifted arrays in float64 and rounded once at the end:
an FFT or a BLAS routine may give other last bits on another machine. Text is a font of 3 x 5 dots,
drawn without a font library so that bytes never change.

Source: Wagner, Smith, Sandrik, Lopez, "Statistics of speckle in ultrasound B-scans", IEEE Trans.
Sonics Ultrason. 1983 (Rayleigh envelope of fully developed speckle, mean / sd = 1.91).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from abl.data.phantom import scene as scenes
from abl.data.phantom.draws import SPECKLE, STRAIN, drawn, stream
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
    level, attenuated = scene.level, scene.extra.any(axis=0)
    level[:, attenuated] += accumulated_db(scene.extra[:, attenuated], mm_per_pixel)
    level -= draw.uniform(0.0, 0.12) * scene.depth_mm * scene.y  # depth gain is never quite right
    widening = WIDENING_B if row["at_b"] else 1.0
    echoes = envelope(10 ** (level / 20), mm_per_pixel, widening, draw)
    grey = log_compressed(echoes, float(row["frame_gain_db"]))
    side = settings.size
    image = rounded(grey.reshape(side, factor, side, factor).mean(axis=(1, 3)))
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
    shifted = (np.roll(noise, 1, 0), np.roll(noise, 1, 1), np.roll(noise, (1, 1), (0, 1)))
    noise = sum(shifted, noise) / 2
    cells = np.arange(pixels) * 64 // pixels
    grey = grey + (8 + 12 * scene.y) * noise[cells][:, cells]
    return rounded(grey)


def mask_image(settings: Phantom, position: int) -> np.ndarray:
    """The nodule of a row, uint8 (S, S), 255 inside."""
    row = row_of(settings, position)
    scene = scenes.blank_scene(settings.size, float(row["depth_mm"]))
    return np.where(scenes.relative_radius(scene, row) < 1, 255, 0).astype(np.uint8)


IMAGES = {"bmode": bmode_image, "elasticity": elasticity_image, "mask": mask_image}


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
        f"DR{int(DYNAMIC_RANGE_DB)}",
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
            three = [bit == "1" for bit in f"{int(bits):03b}"]
            dots[line, DOTS_ACROSS * place : DOTS_ACROSS * place + 3] = three
    return dots


def write_text(image: np.ndarray, text: str, top: int, left: int, scale: int) -> None:
    """Writes text into a uint8 image, as many characters as there is room for."""
    room = (image.shape[1] - left + scale) // (DOTS_ACROSS * scale)  # the last needs no space
    dots = text_dots(text[:room]).repeat(scale, axis=0).repeat(scale, axis=1)
    part = image[top : top + dots.shape[0], left : left + dots.shape[1]]
    part[dots[: part.shape[0], : part.shape[1]]] = GREY


DYNAMIC_RANGE_DB = 60.0
AXIAL_MM = 0.25  # standard deviation of the point-spread function along the beam
LATERAL_MM = 0.30  # across the beam, at the surface
LATERAL_GROWTH = 1.2 / 40  # per mm of depth
NOISE_DB = -64.0  # electronic noise, below the brightest echo
LEAST_PIXELS = 0.6  # a narrower point would fall between the samples


def envelope(
    amplitude: np.ndarray, mm_per_pixel: float, widening: float, draw: np.random.Generator
) -> np.ndarray:
    """Envelope of the echoes of random scatterers.

    Args:
        amplitude: Standard deviation of the scatterers' strength, (H, W), rows are depths.
        widening: Factor on the width of the point-spread function.

    Returns:
        (H, W), >= 0. Where amplitude is uniform, Rayleigh with mean square amplitude^2: the
        point-spread function has unit energy.
    """
    depth_mm = mm_per_pixel * np.arange(amplitude.shape[0])
    lateral = LATERAL_MM * widening * (1 + LATERAL_GROWTH * depth_mm) / mm_per_pixel
    axial = np.array([AXIAL_MM * widening / mm_per_pixel])
    across, along = _kernels(lateral), _kernels(axial)
    # scatterers lie beyond the border too, so that speckle there is as elsewhere
    margins = [(len(kernel) // 2, len(kernel) // 2) for kernel in (along, across)]
    strength = np.pad(amplitude, margins, mode="edge") / np.sqrt(2)
    # real and imaginary part: many scatterers a resolution cell at random phases
    echoes = draw.standard_normal((2, *strength.shape))
    echoes *= strength
    echoes = _convolved(echoes, along, axis=1)
    echoes = _convolved(echoes, across, axis=2)
    noise = draw.standard_normal(echoes.shape)
    noise *= 10 ** (NOISE_DB / 20)
    echoes += noise
    echoes *= echoes
    return np.sqrt(echoes[0] + echoes[1])


def _kernels(sigma: np.ndarray) -> np.ndarray:
    """Gaussians of unit energy with these widths in pixels, (2 * reach + 1, widths)."""
    sigma = np.maximum(sigma, LEAST_PIXELS)
    reach = int(np.ceil(3 * sigma.max()))
    kernels = np.exp(-0.5 * (np.arange(-reach, reach + 1)[:, None] / sigma) ** 2)
    return np.asarray(kernels / np.sqrt((kernels**2).sum(axis=0)))


def _convolved(echoes: np.ndarray, kernels: np.ndarray, axis: int) -> np.ndarray:
    """Convolution along an axis of (2, H, W), where kernels fit; one kernel for all lines of that
    axis or, for axis 2, one a row.
    """
    shape = list(echoes.shape)
    shape[axis] -= len(kernels) - 1
    result, weighted = np.zeros(shape), np.empty(shape)
    for at, weights in enumerate(kernels):
        part = echoes[:, at : at + shape[1]] if axis == 1 else echoes[:, :, at : at + shape[2]]
        np.multiply(weights[:, None], part, out=weighted)
        result += weighted
    return result


def accumulated_db(extra_db_per_mm: np.ndarray, mm_per_pixel: float) -> np.ndarray:
    """Echo level (dB) after the way down and back through what attenuates, (H, W).

    Positive values (calcification) cast a shadow, negative ones (fluid, which takes less than the
    depth gain gives back) an enhancement; each pixel is affected by those above it alone.
    """
    way = np.cumsum(extra_db_per_mm, axis=0) - extra_db_per_mm
    return -2 * mm_per_pixel * way


def log_compressed(envelope: np.ndarray, gain_db: float) -> np.ndarray:
    """Grey levels as float64 in 0..255, not rounded: the top DYNAMIC_RANGE_DB below 0 dB."""
    level = 20 * np.log10(np.maximum(envelope, 1e-12)) + gain_db
    return np.clip(255 * (level / DYNAMIC_RANGE_DB + 1), 0, 255)


def rounded(grey: np.ndarray) -> np.ndarray:
    """uint8 of grey levels."""
    return np.clip(np.floor(grey + 0.5), 0, 255).astype(np.uint8)
