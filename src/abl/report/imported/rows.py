"""A table with arms that were trained elsewhere: scored, compared and marked with the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from abl.decide.cells import cell_of
from abl.decide.comparison import Contrast, best_and_tied, comparisons
from abl.decide.intervals import patient_interval
from abl.decide.replicates import Replicate, replicate_scores
from abl.errors import InputError
from abl.plan.graph import Arm
from abl.plan.outcome import ArmOutcome, Comparison, Outcome
from abl.plan.stage import digest_of
from abl.report.imported.arm import ImportedArm, placed
from abl.report.labels import is_metric
from abl.report.pairs.arm_words import arm_named
from abl.report.prediction_frames import KEYS, arm_tests, replicates_of
from abl.spec.sweep import Sweep

NOTE = "imported: "
Pair = tuple[int, int]


def with_imported(
    outcome: Outcome, predictions: pd.DataFrame, arms: Sequence[ImportedArm], sweep: Sweep
) -> tuple[Outcome, pd.DataFrame]:
    """Outcome and predictions with these arms as the last rows, by name, in place of earlier ones.

    Every comparison is corrected anew, as the family has grown; best arm and ties are marked anew.

    Args:
        predictions: arm, repeat, fold, seed, role, unit, label, patient, sent, p_0, ....
        sweep: Gives margin, resamples and what is scored.

    Raises:
        InputError: An arm that does not fit, or whose base is not clear.
    """
    outcome, predictions = without_imported(outcome, predictions)
    _refuse_taken_names(outcome, arms)
    scored = _scored(outcome, predictions)
    if arms and not scored:
        raise InputError(f"{outcome.name} kept no predictions: run `abl sweep` again")
    pairs = _pairs(outcome, scored)
    axes = outcome.axes or ("arm",)
    rows, frames, notes = list(outcome.arms), [_plain_words(predictions)], list(outcome.notes)
    for arm in sorted(arms, key=lambda each: each.name):
        base = _base(outcome, arm.against, pairs)
        like = next(iter(scored.values())) if base is None else scored[base]
        key = digest_of([NOTE, outcome.name, arm.name, arm.sha256])
        part = placed(arm, like, sweep.data.unit).assign(arm=key, role="test", sent=False)
        scored[len(rows)] = part
        pairs += [] if base is None else [(len(rows), base)]
        rows.append(_row(key, arm, axes, outcome, replicates_of(part), sweep.resamples))
        frames.append(part)
        notes.append(arm.note(part[KEYS].drop_duplicates()))
    replicates = {at: replicates_of(part) for at, part in scored.items()}
    found = _comparisons(rows, replicates, pairs, outcome, sweep)
    rows = _with_comparisons(rows, found, len(outcome.arms))
    best, tied = _marks(scored, replicates, outcome.primary, sweep.resamples)
    rows = [replace(row, best=at == best, tied=at in tied) for at, row in enumerate(rows)]
    facts = dict(outcome.facts)
    if tests := _tests(outcome, rows, found):
        facts["tests"] = tests
    keys = [row.key for row in rows[len(outcome.arms) :]]
    if keys:
        facts |= {"imported": keys, "key_without_imported": outcome.key}
    grown = replace(
        outcome,
        key=digest_of([outcome.key, keys]) if keys else outcome.key,
        axes=axes,
        arms=tuple(rows),
        notes=tuple(notes),
        facts=facts,
    )
    return grown, pd.concat(frames, ignore_index=True)


def without_imported(outcome: Outcome, predictions: pd.DataFrame) -> tuple[Outcome, pd.DataFrame]:
    """Both without the arms that were imported; comparisons are still those with them."""
    imported = set(outcome.facts.get("imported", []))
    if not imported:
        return outcome, predictions
    own = ("imported", "key_without_imported")
    facts = {name: value for name, value in outcome.facts.items() if name not in own}
    gone = {_title(arm, outcome) for arm in outcome.arms if arm.key in imported}
    facts["tests"] = [row for row in facts.get("tests", []) if row["arm"] not in gone]
    plain = replace(
        outcome,
        key=str(outcome.facts["key_without_imported"]),
        arms=tuple(arm for arm in outcome.arms if arm.key not in imported),
        notes=tuple(note for note in outcome.notes if not note.startswith(NOTE)),
        facts=facts,
    )
    kept = ~predictions["arm"].astype(str).isin(imported).to_numpy()
    return plain, predictions[kept].reset_index(drop=True)


def _comparisons(
    rows: Sequence[ArmOutcome],
    replicates: Mapping[int, list[Replicate]],
    pairs: Sequence[Pair],
    outcome: Outcome,
    sweep: Sweep,
) -> dict[Pair, Comparison]:
    """Every pair, as one family."""
    found = comparisons(
        [
            Contrast(_title(rows[base], outcome), replicates[at], replicates[base])
            for at, base in pairs
        ],
        outcome.primary,
        margin=sweep.margin,
        resamples=sweep.resamples // 5,
        permutations=sweep.resamples,
    )
    return dict(zip(pairs, found, strict=True))


def _with_comparisons(
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


def _marks(
    scored: Mapping[int, pd.DataFrame],
    replicates: Mapping[int, list[Replicate]],
    primary: str,
    permutations: int,
) -> tuple[int | None, set[int]]:
    """Best arm and those tied with it, if all were scored on the same units."""
    places = {
        tuple(part[[*KEYS, "unit"]].astype(str).agg("/".join, axis=1)) for part in scored.values()
    }
    if len(places) != 1 or len(scored) < 2:
        return None, set()
    named = {str(at): arm for at, arm in replicates.items()}
    best, tied = best_and_tied(named, primary, permutations=permutations)
    return int(best), {int(at) for at in tied}


def _row(
    key: str,
    arm: ImportedArm,
    axes: Sequence[str],
    outcome: Outcome,
    replicates: list[Replicate],
    resamples: int,
) -> ArmOutcome:
    metrics = [name for name in outcome.metrics if is_metric(name)]
    table = replicate_scores(replicates, metrics)
    cells = {}
    for name in metrics:
        interval = patient_interval(replicates, name, resamples=resamples // 5)
        values = table[KEYS].assign(value=table[name])
        cells[name] = cell_of(values, low=interval.low, high=interval.high)
    params = {axis: arm.name if at == 0 else "" for at, axis in enumerate(axes)}
    return ArmOutcome(key=key, params=params, cells=cells, replicates=table)


def _pairs(outcome: Outcome, scored: Mapping[int, pd.DataFrame]) -> list[Pair]:
    """(arm, base) of every comparison that was made, in its order."""
    position = {_title(arm, outcome): at for at, arm in enumerate(outcome.arms)}
    named = [(str(row["arm"]), str(row["base"])) for row in outcome.facts.get("tests", [])]
    if not named:
        named = [
            (_title(arm, outcome), arm.comparison.base)
            for arm in outcome.arms
            if arm.comparison is not None
        ]
    pairs = [(position.get(arm, -1), position.get(base, -1)) for arm, base in named]
    return [pair for pair in pairs if pair[0] in scored and pair[1] in scored]


def _base(outcome: Outcome, against: str, pairs: Sequence[Pair]) -> int | None:
    """Position of the arm that an imported one is compared with; None where none is."""
    if against:
        wanted = arm_named(outcome, against)
        base = outcome.arms.index(wanted)
        if wanted.failed:
            raise InputError(f"--against {against}: that arm failed: {wanted.failed}")
        return base
    bases = {arm.comparison.base for arm in outcome.arms if arm.comparison is not None}
    if len(bases) > 1:
        words = ", ".join(sorted(bases)[:6])
        raise InputError(f"{outcome.name} has {len(bases)} bases ({words}): name one by --against")
    position = {_title(arm, outcome): at for at, arm in enumerate(outcome.arms)}
    compared_with = {base for _, base in pairs}
    return next((position[base] for base in bases if position.get(base) in compared_with), None)


def _tests(
    outcome: Outcome, arms: Sequence[ArmOutcome], found: Mapping[Pair, Comparison]
) -> list[dict[str, Any]]:
    """Every comparison with its tests; of those made before, the correction is new."""
    before = {(row["arm"], row["base"]): row for row in outcome.facts.get("tests", [])}
    tests = []
    for (at, base), comparison in found.items():
        names = _title(arms[at], outcome), _title(arms[base], outcome)
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


def _scored(outcome: Outcome, predictions: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """Position of each arm that has predictions -> its test rows."""
    if predictions.empty:
        return {}
    frame = _plain_words(predictions)
    rows = {at: arm_tests(frame, arm.key) for at, arm in enumerate(outcome.arms)}
    return {at: part for at, part in rows.items() if len(part)}


def _plain_words(frame: pd.DataFrame) -> pd.DataFrame:
    words = [name for name in ("arm", "role") if name in frame]
    return frame.astype(dict.fromkeys(words, "str"))


def _refuse_taken_names(outcome: Outcome, arms: Sequence[ImportedArm]) -> None:
    titles = {_title(arm, outcome).casefold() for arm in outcome.arms}
    for arm in arms:
        if arm.name.casefold() in titles:
            raise InputError(f"--as {arm.name}: {outcome.name} has an arm of its own of that name")


def _title(arm: ArmOutcome, outcome: Outcome) -> str:
    """As in the plan, where what is chosen on validation is no part of it."""
    params = {
        axis: value
        for axis, value in arm.params.items()
        if value != "" and (axis != outcome.curve_axis or value != "chosen")
    }
    return Arm(params, tuple(params)).title
