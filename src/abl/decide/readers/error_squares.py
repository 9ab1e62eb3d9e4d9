"""The mean square that differences of readers' values are held against, and its degrees of freedom.

Hillis (Stat. Med. 26, 2007, 596-619) adds to the readers' mean square what readers share over
samples of cases. That mean square expects what cases alone explain, and the readers' own spread on
top of it. Of few readers, or of shares that move by whole cases, it may by chance be far below what
cases alone explain, down to 0 where all readers move by as many cases: then a sliver of covariance
would be all the error there is, and other readers on other cases would be known better than these
readers are. There the mean square is no smaller than what cases alone explain, so that the variance
is no smaller than that of the same readers on other cases. The degrees of freedom stay Hillis'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from abl.decide.readers.contrasts import NO_SPREAD, NO_SPREAD_OF_READERS, NO_VARIANCE

Effects = Literal["random", "fixed_readers", "fixed_cases"]
EFFECTS: tuple[Effects, ...] = get_args(Effects)
NO_SPREAD_OF: Mapping[Effects, str] = {
    "random": NO_SPREAD,
    "fixed_readers": "no spread between cases to measure it by",
    "fixed_cases": NO_SPREAD_OF_READERS,
}
# of a readers' mean square, from which on it is taken as it is: two treatments read by four readers
STEADY_DF = 3


@dataclass(frozen=True)
class ErrorSquare:
    """What a mean square of treatments is held against.

    Attributes:
        square: nan, or not above NO_VARIANCE, where there is none.
        df: Its degrees of freedom.
        floored: Whether it is what cases alone explain, as the readers' is less.
    """

    square: float
    df: float
    floored: bool = False


def error_square(
    of_readers: float, shared: float, own: float, df: float, effects: Effects
) -> ErrorSquare:
    """Of random readers, with cases random or fixed.

    Args:
        of_readers: Mean square of readers, or of their interaction with the treatments.
        shared: What readers share over samples of cases, times the number of readers.
        own: What cases alone explain of the mean square.
        df: Of the mean square.
        effects: random or fixed_cases; of fixed cases nothing is added and nothing explained.
    """
    extra = shared if effects == "random" else 0.0
    freedom = hillis_df(of_readers, extra, df)
    floored = (
        effects == "random" and of_readers < own and (df < STEADY_DF or of_readers <= NO_VARIANCE)
    )
    return ErrorSquare((own if floored else of_readers) + extra, freedom, floored)


def hillis_df(square: float, extra: float, df: float) -> float:
    """Degrees of freedom of a mean square with a covariance added; inf where the latter is all."""
    if square <= NO_VARIANCE:
        return math.inf if extra > NO_VARIANCE else df
    return df * ((square + extra) / square) ** 2
