"""Which arms of a sweep are compared, and every test of it, as one family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from abl.decide.comparison import Contrast, best_and_tied, comparisons
from abl.decide.paired_tests import corrected_resampled_t
from abl.decide.replicates import KEYS, replicate_scores
from abl.plan.outcome import Comparison
from abl.plan.stage import digest_of
from abl.spec.sweep import Sweep
from abl.studies.analysis import ScoredArm

Pair = tuple[int, int]


def same_units(scored: ScoredArm) -> str:
    """Equal for arms that were scored on the same test units."""
    return digest_of([[*cell.key, *cell.test.units.tolist()] for cell in scored.cells])


def marks(sweep: Sweep, scored: Sequence[ScoredArm]) -> tuple[int | None, set[int]]:
    """Best arm and those not distinguishable from it, if all arms have the same units."""
    groups: dict[str, list[int]] = {}
    for at, each in enumerate(scored):
        if each.cells:
            groups.setdefault(same_units(each), []).append(at)
    if len(groups) != 1:
        return None, set()
    arms = {str(at): scored[at].scores for at in next(iter(groups.values()))}
    if len(arms) < 2:
        return None, set()
    best, tied = best_and_tied(arms, sweep.primary, permutations=sweep.resamples)
    return int(best), {int(at) for at in tied}


def comparable(scored: Sequence[ScoredArm], pairs: Sequence[Pair]) -> list[Pair]:
    """(arm, base) of those that were scored on the same units, each pair once."""
    units = {at: same_units(scored[at]) for pair in pairs for at in pair if scored[at].cells}
    return [
        (at, base)
        for at, base in dict.fromkeys(pairs)
        if at != base and at in units and base in units and units[at] == units[base]
    ]


def compared(
    sweep: Sweep, scored: Sequence[ScoredArm], pairs: Sequence[Pair]
) -> dict[Pair, Comparison]:
    """Every pair of one family, corrected together by max-T."""
    family = [
        Contrast(scored[base].arm.title, scored[at].scores, scored[base].scores)
        for at, base in pairs
    ]
    found = comparisons(
        family,
        sweep.primary,
        margin=sweep.margin,
        resamples=sweep.resamples // 5,
        permutations=sweep.resamples,
    )
    return dict(zip(pairs, found, strict=True))


def test_rows(
    sweep: Sweep,
    scored: Sequence[ScoredArm],
    found: Mapping[Pair, Comparison],
    train_patients: float,
) -> list[dict[str, Any]]:
    """Every comparison with all its tests, JSON-able; cross-validated ones have a corrected t too.

    Args:
        train_patients: Mean patients of a training part, for the corrected resampled t-test.
    """
    rows = []
    for (at, base), comparison in found.items():
        row: dict[str, Any] = {
            "arm": scored[at].arm.title,
            "base": scored[base].arm.title,
            "difference": comparison.difference,
            "low": comparison.low,
            "high": comparison.high,
            "p": comparison.p,
            "p_corrected": comparison.p_corrected,
            "verdict": comparison.verdict,
        }
        one, other = (replicate_scores(scored[each].scores, [sweep.primary]) for each in (at, base))
        differences = one[KEYS].assign(value=one[sweep.primary] - other[sweep.primary])
        if len(differences[["repeat", "fold"]].drop_duplicates()) > 1:
            tested = [len(np.unique(cell.test.patients)) for cell in scored[at].cells]
            t = corrected_resampled_t(
                differences,
                train_patients=train_patients,
                test_patients=float(np.mean(tested)),
            )
            row |= {"corrected_t": t.t, "corrected_t_df": t.df, "corrected_t_p": t.p}
        rows.append(row)
    return rows
