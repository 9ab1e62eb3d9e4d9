"""The comparisons of a table with imported arms: one family, corrected anew."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from abl.decide.comparison import Contrast, comparisons
from abl.decide.replicates import Replicate
from abl.plan.graph import Arm
from abl.plan.outcome import ArmOutcome, Comparison, Outcome
from abl.spec.sweep import Sweep

Pair = tuple[int, int]


def plan_title(arm: ArmOutcome, outcome: Outcome) -> str:
    """As in the plan, where what is chosen on validation is no part of it."""
    params = {
        axis: value
        for axis, value in arm.params.items()
        if value != "" and (axis != outcome.curve_axis or value != "chosen")
    }
    return Arm(params, tuple(params)).title


def compared_pairs(outcome: Outcome, scored: Container[int]) -> list[Pair]:
    """(arm, base) of every comparison that was made, in its order."""
    position = {plan_title(arm, outcome): at for at, arm in enumerate(outcome.arms)}
    named = [(str(row["arm"]), str(row["base"])) for row in outcome.facts.get("tests", [])]
    if not named:
        named = [
            (plan_title(arm, outcome), arm.comparison.base)
            for arm in outcome.arms
            if arm.comparison is not None
        ]
    pairs = [(position.get(arm, -1), position.get(base, -1)) for arm, base in named]
    return [pair for pair in pairs if pair[0] in scored and pair[1] in scored]


def family_of(
    rows: Sequence[ArmOutcome],
    replicates: Mapping[int, list[Replicate]],
    pairs: Sequence[Pair],
    outcome: Outcome,
    sweep: Sweep,
) -> dict[Pair, Comparison]:
    """Every pair, as one family."""
    found = comparisons(
        [
            Contrast(plan_title(rows[base], outcome), replicates[at], replicates[base])
            for at, base in pairs
        ],
        outcome.primary,
        margin=sweep.margin,
        resamples=sweep.resamples // 5,
        permutations=sweep.resamples,
    )
    return dict(zip(pairs, found, strict=True))


def with_family(
    rows: Sequence[ArmOutcome], found: Mapping[Pair, Comparison], own: int
) -> list[ArmOutcome]:
    """Rows with their comparison; of the first `own` those that had one, with the same base."""
    compared = []
    for at, row in enumerate(rows):
        mine = [each for (arm, _), each in found.items() if arm == at]
        if at < own:
            base = row.comparison.base if row.comparison is not None else None
            mine = [each for each in mine if each.base == base]
        compared.append(replace(row, comparison=mine[0]) if mine else row)
    return compared


def family_tests(
    outcome: Outcome, arms: Sequence[ArmOutcome], found: Mapping[Pair, Comparison]
) -> list[dict[str, Any]]:
    """Every comparison with its tests; of those made before, the correction is new."""
    before = {(row["arm"], row["base"]): row for row in outcome.facts.get("tests", [])}
    tests = []
    for (at, base), comparison in found.items():
        names = plan_title(arms[at], outcome), plan_title(arms[base], outcome)
        row = dict(before.get(names, {"arm": names[0], "base": names[1]}))
        tests.append(
            row
            | {
                "difference": comparison.difference,
                "low": comparison.low,
                "high": comparison.high,
                "p": comparison.p,
                "p_corrected": comparison.p_corrected,
                "verdict": comparison.verdict,
            }
        )
    return tests
