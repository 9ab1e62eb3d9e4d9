"""What the numbers of a reader study say, in words."""

from __future__ import annotations

from collections.abc import Mapping

from abl.decide.readers.contrasts import ReaderContrast
from abl.decide.readers.error_squares import Effects
from abl.decide.readers.reader_study import AlgorithmComparison
from abl.decide.verdicts import SIGNIFICANT

TITLES: Mapping[str, str] = {
    "auc": "AUC", "sen": "sensitivity", "spe": "specificity", "acc": "accuracy"
}  # fmt: skip
RANDOM: Mapping[Effects, str] = {
    "random": "readers and cases",
    "fixed_readers": "cases alone",
    "fixed_cases": "readers alone",
}
FLOORED = (
    "These few readers differ by less than cases alone explain: with readers and cases random the "
    "error is no smaller than that of these readers on other cases."
)
_REACH: Mapping[Effects, str] = {
    "random": "other readers and other cases",
    "fixed_readers": "these readers alone, on other cases",
    "fixed_cases": "these cases alone, read by other readers",
}


def treatment_verdict(found: ReaderContrast, margin: float | None, effects: Effects) -> str:
    """What a difference of two treatments says, and of whom."""
    if found.why:
        return f"{found.name}: no verdict."
    return f"{found.name}: {_said(found, margin)}.{_reach(found, margin, effects)}"


def algorithm_verdict(found: AlgorithmComparison, effects: Effects, margin: float | None) -> str:
    """What the difference of an algorithm to the readers says, and of whom."""
    analysis = found.analyses[effects]
    apart = analysis.difference
    if apart.why:
        return f"{apart.name}: no verdict."
    words = f"{apart.name}, {RANDOM[effects]} random: {_said(apart, margin)}."
    words += _reach(apart, margin, effects)
    fixed = found.analyses["fixed_cases"].difference
    if effects != "fixed_cases" and not fixed.why and fixed.p < SIGNIFICANT <= apart.p:
        words += " With these cases alone the difference is clear, which says nothing of others."
    return words


def _reach(found: ReaderContrast, margin: float | None, effects: Effects) -> str:
    """Of whom a difference is shown, or that it does not matter; "" where nothing is."""
    shown = found.low > 0 or found.high < 0 or (margin is not None and found.low > -margin)
    return f" It holds for {_REACH[effects]}." if shown else ""


def _said(found: ReaderContrast, margin: float | None) -> str:
    differs = found.low > 0 or found.high < 0
    words = "undecided"
    if differs:
        words = "higher" if found.low > 0 else "lower"
    if margin is None:
        return words
    shown = f"{margin:g}"
    if found.low > -margin and found.high < margin:
        within = f"equivalent within {shown}"
        return f"{words}, but {within}" if differs else within
    not_lower = found.low > -margin
    shown_so = "non-inferior" if not_lower else "not shown to be non-inferior"
    if not_lower and not differs:
        words = "neither higher nor lower is shown"
    return f"{words}, {shown_so} by {shown} (one-sided P = {found.p_above(-margin):.4f})"
