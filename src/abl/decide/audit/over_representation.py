"""Which facts of images are found more often among the flagged ones, by patient.

Sources: `exact_association.py` for test and interval; Westfall, Young, "Resampling-based multiple
testing", 1993, for P within the family, whose draws are permutations of the flags.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from abl.decide.audit.exact_association import Margins
from abl.decide.check import Bools, Floats, Ints
from abl.decide.multiple_testing import corrected_p, normal_quantile

LEAST_PATIENTS = 5  # with a fact, and without it: below, no P
DRAWS = 1_000
_AT_ONCE = 4_000_000  # numbers of a block of permuted flags


def over_representation(
    has: Bools,
    flagged: Bools,
    patients: np.ndarray,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """One row a fact: how it goes with the flags, patients as the unit.

    A patient has a fact, and is flagged, if one of its images has or is. Both are likelier for a
    patient of many images, so patients are compared with those of about as many: 1, 2, 3-4,
    5-8, ... images.

    Args:
        has: (N, F) whether each image has each fact.
        flagged: (N,) bool.
        patients: (N,) names.
        level: Of the intervals of odds ratios, each alone.
        draws: Permutations of the flags, for P within the family.

    Returns:
        Columns images, flagged_images, patients, flagged_patients (of those with the fact);
        odds_ratio, low, high; p, p_corrected (two-sided, nan if none); why (why there is no P).
    """
    unit, of_unit = np.unique(patients, return_inverse=True)
    units = len(unit)
    having = np.zeros((units, has.shape[1]), dtype=bool)
    np.logical_or.at(having, of_unit, has)
    marked = np.zeros(units, dtype=bool)
    np.logical_or.at(marked, of_unit, flagged)
    sizes = np.bincount(of_unit, minlength=units)
    stratum = np.ceil(np.log2(np.maximum(sizes, 1))).astype(np.int64)
    both = (having & marked[:, None]).sum(axis=0)
    found = pd.DataFrame(
        {
            "images": has.sum(axis=0),
            "flagged_images": (has & flagged[:, None]).sum(axis=0),
            "patients": having.sum(axis=0),
            "flagged_patients": both,
        }
    )
    rows, margins = [], []
    for at in range(has.shape[1]):
        own = Margins.of(_strata(having[:, at], marked, stratum))
        why = _why_untested(having[:, at], marked, own)
        margins.append(None if why else own)
        odds = own.odds_ratio(int(both[at]), level)
        rows.append((*odds, math.nan if why else own.p_of(int(both[at])), why))
    found[["odds_ratio", "low", "high", "p", "why"]] = pd.DataFrame(rows, index=found.index)
    tested = [at for at, each in enumerate(margins) if each is not None]
    found["p_corrected"] = math.nan
    if tested:
        tables = [margins[at] for at in tested]
        drawn = _permuted(having[:, tested], marked, stratum, tables, draws, seed)  # type: ignore[arg-type]
        corrected = corrected_p(found["p"].to_numpy(np.float64)[tested], drawn)
        found.loc[found.index[tested], "p_corrected"] = corrected
    return found


def _strata(having: Bools, marked: Bools, stratum: Ints) -> list[tuple[int, int, int]]:
    total, first, second = (
        np.bincount(stratum, weights=weights).astype(int)
        for weights in (np.ones(len(stratum)), having, marked)
    )
    return list(zip(total.tolist(), first.tolist(), second.tolist(), strict=True))


def _why_untested(having: Bools, marked: Bools, margins: Margins) -> str:
    if not marked.any():
        return "nothing is flagged"
    few, without = int(having.sum()), int((~having).sum())
    if few < LEAST_PATIENTS:
        return f"{few} have it, fewer than {LEAST_PATIENTS}"
    if without < LEAST_PATIENTS:
        return f"{without or 'none'} without it, fewer than {LEAST_PATIENTS}"
    return "" if len(margins.log_chance) > 1 else "flagged are all or none of those compared"


def _permuted(
    having: Bools,
    marked: Bools,
    stratum: Ints,
    margins: list[Margins],
    draws: int,
    seed: int,
) -> Floats:
    """(B, F) distance from 0 of each fact's P, under flags that are permuted within strata."""
    rng = np.random.default_rng([seed, len(marked)])
    facts = having.astype(np.float32)
    tables = [normal_quantile(each.p_by_count) for each in margins]
    found = np.empty((draws, len(margins)))
    members = [np.flatnonzero(stratum == each) for each in np.unique(stratum[marked])]
    step = max(1, _AT_ONCE // len(marked))
    for start in range(0, draws, step):
        block = np.zeros((min(step, draws - start), len(marked)), dtype=np.float32)
        for own in members:
            flags = np.tile(marked[own].astype(np.float32), (len(block), 1))
            block[:, own] = rng.permuted(flags, axis=1)
        counts = np.rint(block @ facts).astype(np.int64)
        for at, (each, table) in enumerate(zip(margins, tables, strict=True)):
            found[start : start + len(block), at] = table[counts[:, at] - each.least]
    return found
