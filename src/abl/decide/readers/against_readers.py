"""An algorithm against readers.

The one-treatment form of Obuchowski and Rockette's model on the differences (Hillis, Stat. Med. 26,
2007; Chakraborty, "Observer performance methods for diagnostic imaging", 2017, chapter 22): other
readers are drawn, the algorithm stays what it is. With the cases fixed the same data can speak
loudly for a difference of which nothing is left with other cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abl.decide.check import Floats
from abl.decide.readers.contrasts import MeanScale, ReaderContrast, contrast
from abl.decide.readers.error_squares import Effects
from abl.decide.readers.obuchowski_rockette import one_treatment
from abl.errors import InputError


@dataclass(frozen=True)
class AlgorithmAgainstReaders:
    """What a sample of readers says of an algorithm.

    Attributes:
        effects: What is random.
        algorithm: Its value, with an interval over samples of cases.
        readers: Mean of the readers, with an interval.
        difference: Algorithm minus readers.
        reader_square: Mean square of the differences.
        var, cov2: Mean variance of a difference and mean covariance of two.
    """

    effects: Effects
    algorithm: ReaderContrast
    readers: ReaderContrast
    difference: ReaderContrast
    reader_square: float
    var: float
    cov2: float


def algorithm_against_readers(
    values: Floats,
    covariance: Floats,
    names: Sequence[str],
    effects: Effects = "random",
    scale: MeanScale = "logit",
) -> AlgorithmAgainstReaders:
    """Compares the first rater, an algorithm, with all others.

    Args:
        values: (1 + J,) the algorithm's value, then the readers'.
        covariance: (1 + J, 1 + J) over samples of cases.
        names: Of them.
        scale: Of the intervals of the algorithm and of the readers' mean.

    Raises:
        InputError: No reader, or shapes that do not fit.
    """
    count = len(values)
    if count < 2 or covariance.shape != (count, count) or len(names) != count:
        raise InputError(f"{count} raters, a covariance of shape {covariance.shape}")
    apart = values[0] - values[1:]
    of_apart = (
        covariance[1:, 1:] - covariance[1:, :1] - covariance[:1, 1:] + covariance[0, 0]
    )  # the algorithm's own variance is in every difference
    readers = count - 1
    off = ~np.eye(readers, dtype=bool)
    return AlgorithmAgainstReaders(
        effects,
        contrast(
            names[0], float(values[0]), float(covariance[0, 0]), math.inf, tested=False, scale=scale
        ),
        one_treatment("readers", values[1:], covariance[1:, 1:], effects, scale=scale),
        one_treatment(f"{names[0]} - readers", apart, of_apart, effects, tested=True),
        float(apart.var(ddof=1)) if readers > 1 else math.nan,
        float(np.diag(of_apart).mean()),
        float(of_apart[off].mean()) if readers > 1 else math.nan,
    )  # fmt: skip
