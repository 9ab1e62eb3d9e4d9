"""The tests of several differences as one family: P corrected over it, by which verdicts go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abl.decide.multiple_testing import holm_p
from abl.decide.readers.contrasts import ReaderContrast
from abl.decide.verdicts import SIGNIFICANT

ONE_SIDED = SIGNIFICANT / 2  # as the one end of a 95 % interval


@dataclass(frozen=True)
class ContrastTests:
    """What is tested of a difference, each P corrected (Holm) over the differences of its family.

    Attributes:
        p: That it is 0, two-sided; nan where there is no P.
        p_noninferior: One-sided, that it is -margin or less; nan without a margin.
        p_equivalent: That it is -margin or less, or margin or more: the larger one-sided P.
        family: How many differences of the family have a P; 1: none is corrected.
    """

    p: float
    p_noninferior: float
    p_equivalent: float
    family: int

    @property
    def corrected(self) -> bool:
        """Whether P is of several."""
        return self.family > 1

    @property
    def differs(self) -> bool:
        """Whether it is shown not to be 0."""
        return self.p < SIGNIFICANT

    @property
    def noninferior(self) -> bool:
        """Whether it is shown to lie above -margin."""
        return self.p_noninferior < ONE_SIDED

    @property
    def equivalent(self) -> bool:
        """Whether it is shown to lie within the margin."""
        return self.p_equivalent < ONE_SIDED


def contrast_tests(
    differences: Sequence[ReaderContrast], margin: float | None = None
) -> tuple[ContrastTests, ...]:
    """The tests of differences that are looked at together, such as all pairs of treatments.

    Of one difference alone they say what its 95 % interval says.

    Args:
        margin: Largest difference that does not matter; None: that is not asked.
    """
    own = np.array([each.p for each in differences])
    above, within = (np.full(len(own), math.nan) for _ in range(2))
    if margin is not None:
        above = np.array([each.p_above(-margin) for each in differences])
        within = np.maximum(above, [each.p_below(margin) for each in differences])
    family = int((~np.isnan(own)).sum())
    return tuple(
        ContrastTests(float(p), float(not_lower), float(alike), family)
        for p, not_lower, alike in zip(holm_p(own), holm_p(above), holm_p(within), strict=True)
    )
