"""Probabilities that do not sum to 1 because they were rounded: how far rounding alone may go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# half precision keeps 11 bits, so that a sum of 1 moves by 2**-11 = 0.0005 at most; half a unit of
# the third decimal of two probabilities is 0.001
ALWAYS = 1e-3
MOST = 0.05  # what is further off is not rounding, or says too little
EXACT = 1e-6  # sums of float32: left as they are
_BITS = 8  # of bfloat16
_FEW = 4  # decimals and digits of which the rounding can pass ALWAYS
_NOISE = 6e-8  # of a float32 that holds a decimal


def rounding_bound(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,): how far the sum of each row may be from 1 by rounding alone.

    Half a unit of the last place of each probability, added over the classes: of the last decimal
    or the last significant digit that the table has anywhere, or of the last bit where all are
    numbers of bfloat16; at least ALWAYS, at most MOST.

    Args:
        p: (N, K), in [0, 1].
    """
    bound = np.full(len(p), ALWAYS)
    if not p.size or _is_whole(p, np.ones_like(p)):
        return bound
    bound = np.maximum(bound, p.shape[1] * _half_a_decimal(p))
    bound = np.maximum(bound, _half_a_digit(p).sum(axis=1))
    bound = np.maximum(bound, _half_a_bit(p).sum(axis=1))
    return np.minimum(bound, MOST)


def _half_a_decimal(p: NDArray[np.float64]) -> float:
    """Half a unit of the last decimal; 0 of many decimals."""
    scales = (10.0**decimals for decimals in range(1, _FEW + 1))
    return next((0.5 / scale for scale in scales if _is_whole(p, np.full_like(p, scale))), 0.0)


def _half_a_digit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K): half a unit of the last significant digit of each; 0 of many digits, and of 0."""
    # 1 was below it, or is exact; 0.1 is 10**-1, whatever its last bits are
    below = np.where(p > 0, np.minimum(p, 0.9), 0.9)
    first = np.floor(np.log10(below * (1 + _NOISE)))
    for digits in range(1, _FEW + 1):
        scale = 10.0 ** (digits - 1 - first)
        if _is_whole(p, scale):
            return np.where(p > 0, 0.5 / scale, 0.0)
    return np.zeros_like(p)


def _half_a_bit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K): half a unit of the last bit of each, if all are numbers of bfloat16; else 0."""
    single = p.astype(np.float32)
    if (single != p).any() or (single.view(np.uint32) & 0xFFFF).any():
        return np.zeros_like(p)
    _, exponent = np.frexp(p)  # p = m * 2**exponent, m from 0.5 below 1
    return np.where(p > 0, np.ldexp(0.5, exponent - _BITS), 0.0)


def _is_whole(p: NDArray[np.float64], scale: NDArray[np.float64]) -> bool:
    scaled = p * scale
    return bool((np.abs(scaled - np.rint(scaled)) <= _NOISE * np.maximum(scaled, 1)).all())
