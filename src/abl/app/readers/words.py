"""What the numbers of a reader study say, in words."""

from __future__ import annotations

from collections.abc import Mapping

from abl.app.readers.layout import p_is
from abl.decide.readers.contrast_tests import ContrastTests
from abl.decide.readers.contrasts import ReaderContrast
from abl.decide.readers.error_squares import Effects
from abl.decide.readers.reader_study import AlgorithmComparison
from abl.decide.verdicts import SIGNIFICANT

TITLES: Mapping[str, str] = {
    "auc": "AUC", "sen": "sensitivity", "spe": "specificity", "acc": "accuracy"
}  # fmt: skip
# what is random, as of whom it speaks: "cases alone" was read as these cases, and as other cases
REACH: Mapping[Effects, str] = {
    "random": "other readers on other cases",
    "fixed_readers": "these readers on other cases",
    "fixed_cases": "other readers on these cases",
}
FLOORED = (
    "These few readers differ by less than the choice of cases explains: the error for "
    f"{REACH['random']} is taken as no smaller than that of {REACH['fixed_readers']}."
)


def treatment_verdict(
    found: ReaderContrast, margin: float | None, effects: Effects, test: ContrastTests
) -> str:
    """What a difference of two treatments says, and of whom.

    Args:
        test: Of the difference, within all pairs of treatments.
    """
    if found.why:
        return f"{found.name}: no verdict."
    return f"{found.name}: {_said(found, test, margin)}.{_reach(test, effects)}"


def algorithm_verdict(
    found: AlgorithmComparison,
    effects: Effects,
    margin: float | None,
    tests: Mapping[Effects, ContrastTests],
) -> str:
    """What the difference of an algorithm to the readers says, and of whom.

    Args:
        tests: Of it, within all algorithms, by what is random.
    """
    analysis = found.analyses[effects]
    apart = analysis.difference
    if apart.why:
        return f"{apart.name}: no verdict."
    test = tests[effects]
    words = f"{apart.name}, for {REACH[effects]}: {_said(apart, test, margin)}."
    words += _reach(test, effects)
    fixed = found.analyses["fixed_cases"].difference
    if (
        effects != "fixed_cases"
        and not fixed.why
        and tests["fixed_cases"].p < SIGNIFICANT <= test.p
    ):
        words += f" For {REACH['fixed_cases']} the difference is clear, which says nothing of "
        words += "other cases."
    return words


def _reach(test: ContrastTests, effects: Effects) -> str:
    """Of whom a difference is shown, or that it does not matter; "" where nothing is."""
    return f" It holds for {REACH[effects]}." if test.differs or test.noninferior else ""


def _said(found: ReaderContrast, test: ContrastTests, margin: float | None) -> str:
    words = "undecided"
    if test.differs:
        words = "higher" if found.estimate > 0 else "lower"
    if margin is None:
        return words
    shown = f"{margin:g}"
    if test.equivalent:
        within = f"equivalent within {shown}"
        return f"{words}, but {within}" if test.differs else within
    shown_so = "non-inferior" if test.noninferior else "not shown to be non-inferior"
    if test.noninferior and not test.differs:
        words = "neither higher nor lower is shown"
    p = p_is(test.p_noninferior) + (", Holm" if test.corrected else "")
    return f"{words}, {shown_so} by {shown} (one-sided {p})"
