"""The words for a difference, and when there is none."""

from __future__ import annotations

import math

from abl.errors import InputError

SIGNIFICANT = 0.05

BETTER, WORSE = "better", "worse"
BY_MORE = " by more than the margin"
EQUIVALENT, UNDECIDED = "equivalent", "undecided"
DIFFER, SAME = "these networks differ", "same predictions"
NO_VERDICT = "no verdict: "
TOO_FEW = NO_VERDICT + "too few patients"
ONE_CLASS = NO_VERDICT + "one class only"
NO_VALUE = NO_VERDICT + "undefined"
A_CONTROL = NO_VERDICT + "a control"
NOT_OUT_OF_FOLD = NO_VERDICT + "not out of fold"
TESTED_APART = "scored on other images or units than"  # in a note on arms that are not compared

FEWEST_TRAININGS = 3  # of each arm, from which on a statement is about recipes
# two-sided P of a sign flip of n patients is at least 2 / 2^n: 0.0625 of five
FEWEST_PATIENTS = 6


def verdict(
    low: float,
    high: float,
    margin: float | None = None,
    *,
    higher_is_better: bool = True,
    recipes: bool = True,
) -> str:
    """What an interval of a difference says.

    equivalent: inside (-margin, margin), which is the two one-sided tests (TOST; at 2.5 % each with
    a 95 % interval). Otherwise better or worse if it excludes 0, by more than the margin if all of
    it lies beyond, else undecided. Without a margin nothing is ever equivalent.

    Args:
        low, high: Ends; in a family those of the simultaneous interval.
        recipes: Whether arms were trained often enough to speak of more than the networks at hand,
            which otherwise can only differ.

    Raises:
        InputError: A margin that is not positive.
    """
    if margin is not None and not margin > 0:
        raise InputError(f"margin: {margin} is not a positive number")
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    if not higher_is_better:
        low, high = -high, -low
    excludes = low > 0 or high < 0
    if not recipes:
        return DIFFER if excludes else UNDECIDED
    if margin is not None and -margin < low and high < margin:
        return EQUIVALENT
    if not excludes:
        return UNDECIDED
    word, nearest = (BETTER, low) if low > 0 else (WORSE, -high)
    return word + BY_MORE if margin is not None and nearest > margin else word
