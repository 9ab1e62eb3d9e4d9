"""The family of tests of a table: which arms are compared, every test, the best arm and its ties.

The same for arms of the sweep and for arms that were trained elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from abl.decide.comparison import Contrast, best_and_tied, calls_one_class, comparisons
from abl.decide.paired_tests import corrected_resampled_t
from abl.decide.replicates import KEYS, Scores, replicate_scores
from abl.decide.verdicts import TESTED_APART
from abl.plan.outcome import Comparison
from abl.plan.stage import digest_of
from abl.report.labels import counted
from abl.spec.sweep import Sweep

Positions = tuple[int, int]  # of an arm and of its base


@dataclass(frozen=True, eq=False)
class Contender:
    """An arm as its table compares it.

    Attributes:
        title: As the plan has it.
        scores: One a replicate; none for an arm that failed.
        units: Equal for arms that were scored on the same test units.
        out_of_fold: Whether no network was trained on what it is tested on; of arms from elsewhere
            that is not always known.
    """

    title: str
    scores: Sequence[Scores] = ()
    units: str = ""
    out_of_fold: bool = True

    @classmethod
    def of(cls, title: str, scores: Sequence[Scores], units: Iterable[Sequence[Any]]) -> Contender:
        """Of an arm with the names of its test units, replicate by replicate."""
        named = [[*each.key, *names] for each, names in zip(scores, units, strict=True)]
        return cls(title, scores, digest_of(named) if named else "")


def marks(
    sweep: Sweep, arms: Sequence[Contender], controls: Collection[int] = ()
) -> tuple[int | None, set[int]]:
    """Best arm and those that may be the best, if all arms have the same units.

    Args:
        controls: Positions of arms that are never the best, as they used labels of the test set;
            so are arms that are not out of fold, and those that call everything one class, of
            which no verdict is given either.
    """
    shut_out = {
        str(at)
        for at, arm in enumerate(arms)
        if at in controls or not arm.out_of_fold or (arm.scores and calls_one_class(arm.scores))
    }
    fair = {arm.units for at, arm in enumerate(arms) if arm.scores and str(at) not in shut_out}
    scored = {
        str(at): arm.scores for at, arm in enumerate(arms) if arm.scores and arm.units in fair
    }
    if len(fair) != 1 or len(scored) < 2:
        return None, set()
    best, tied = best_and_tied(
        scored, sweep.primary, permutations=sweep.resamples, controls=shut_out
    )
    return int(best), {int(at) for at in tied}


def family_of(
    sweep: Sweep, arms: Sequence[Contender], pairs: Iterable[Positions]
) -> dict[Positions, Comparison]:
    """Pairs that were scored on the same units, each once, corrected together."""
    comparable = [
        (at, base)
        for at, base in dict.fromkeys(pairs)
        if at != base and arms[at].scores and arms[at].units == arms[base].units
    ]
    found = comparisons(
        [
            Contrast(
                arms[base].title,
                arms[at].scores,
                arms[base].scores,
                arms[at].out_of_fold and arms[base].out_of_fold,
            )
            for at, base in comparable
        ],
        sweep.primary,
        margin=sweep.margin,
        resamples=sweep.resamples // 5,
        permutations=sweep.resamples,
    )
    return dict(zip(comparable, found, strict=True))


def tested_apart(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence on arms that are not compared, as their base has other test units; [] for none.

    Args:
        pairs: Words for the arm, and for what it would be compared with.
    """
    if not pairs:
        return []
    arm, base = pairs[0]
    more = f", and {counted(len(pairs) - 1, 'more arm')} than theirs" if len(pairs) > 1 else ""
    return [
        f"{arm} is {TESTED_APART} {base}{more}: no difference is tested there: give a base, or "
        "contrasts, by an axis that leaves these as they are"
    ]


def comparison_rows(
    arms: Sequence[Contender],
    family: Mapping[Positions, Comparison],
    before: Iterable[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Every comparison of a family, JSON-able; what it does not change is kept from rows before."""
    kept = {(row["arm"], row["base"]): row for row in before}
    rows = []
    for (at, base), comparison in family.items():
        names = {"arm": arms[at].title, "base": arms[base].title}
        numbers = {name: value for name, value in vars(comparison).items() if name != "base"}
        rows.append({**kept.get((names["arm"], names["base"]), names), **numbers})
    return rows


def corrected_t(
    primary: str, arm: Contender, base: Contender, train_patients: float
) -> dict[str, float]:
    """The corrected resampled t-test of a contrast; nothing where there is a single split."""
    one, other = (replicate_scores(each.scores, [primary]) for each in (arm, base))
    differences = one[KEYS].assign(value=one[primary] - other[primary])
    if len(differences[["repeat", "fold"]].drop_duplicates()) < 2:
        return {}
    tested = [len(np.unique(each.patients)) for each in arm.scores]
    t = corrected_resampled_t(
        differences, train_patients=train_patients, test_patients=float(np.mean(tested))
    )
    return {"corrected_t": t.t, "corrected_t_df": t.df, "corrected_t_p": t.p}
