"""How an ultrasound scanner sees scatterers: speckle, attenuation, log compression.

Convolution is written out as sums of shifted arrays in float64 and rounded once at the end:
an FFT or a BLAS routine may give other last bits on another machine.

Source: Wagner, Smith, Sandrik, Lopez, "Statistics of speckle in ultrasound B-scans", IEEE Trans.
Sonics Ultrason. 1983 (Rayleigh envelope of fully developed speckle, mean / sd = 1.91).
"""

from __future__ import annotations

import numpy as np

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
        mm_per_pixel: Spacing of the samples.
        widening: Factor on the width of the point-spread function.
        draw: Gives the scatterers.

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
    echoes = draw.standard_normal((2, *strength.shape)) * strength
    echoes = _convolved(echoes, along)
    echoes = _convolved(echoes.swapaxes(1, 2), across).swapaxes(1, 2)
    echoes += draw.standard_normal(echoes.shape) * 10 ** (NOISE_DB / 20)
    return np.sqrt(echoes[0] ** 2 + echoes[1] ** 2)


def _kernels(sigma: np.ndarray) -> np.ndarray:
    """Gaussians of unit energy with these widths in pixels, (2 * reach + 1, widths)."""
    sigma = np.maximum(sigma, LEAST_PIXELS)
    reach = int(np.ceil(3 * sigma.max()))
    kernels = np.exp(-0.5 * (np.arange(-reach, reach + 1)[:, None] / sigma) ** 2)
    unit: np.ndarray = kernels / np.sqrt((kernels**2).sum(axis=0))
    return unit


def _convolved(echoes: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Convolution along axis 1, where kernels fit; one kernel for all columns or one a column."""
    height = echoes.shape[1] - len(kernels) + 1
    result = np.zeros((echoes.shape[0], height, echoes.shape[2]))
    for row, weights in enumerate(kernels):
        result += weights * echoes[:, row : row + height]
    return result


def accumulated_db(extra_db_per_mm: np.ndarray, mm_per_pixel: float) -> np.ndarray:
    """Echo level (dB) after the way down and back through what attenuates, (H, W).

    Positive values (calcification) cast a shadow, negative ones (fluid, which takes less than the
    depth gain gives back) an enhancement; each pixel is affected by those above it alone.
    """
    way = np.cumsum(extra_db_per_mm, axis=0) - extra_db_per_mm
    level: np.ndarray = -2 * mm_per_pixel * way
    return level


def log_compressed(envelope: np.ndarray, gain_db: float) -> np.ndarray:
    """Grey levels as float64 in 0..255, not rounded: the top DYNAMIC_RANGE_DB below 0 dB."""
    level = 20 * np.log10(np.maximum(envelope, 1e-12)) + gain_db
    grey: np.ndarray = np.clip(255 * (level / DYNAMIC_RANGE_DB + 1), 0, 255)
    return grey


def mean_blocks(image: np.ndarray, factor: int) -> np.ndarray:
    """Means over factor x factor blocks."""
    height, width = image.shape[0] // factor, image.shape[1] // factor
    means: np.ndarray = image.reshape(height, factor, width, factor).mean(axis=(1, 3))
    return means


def rounded(grey: np.ndarray) -> np.ndarray:
    """uint8 of grey levels."""
    return np.clip(np.floor(grey + 0.5), 0, 255).astype(np.uint8)
