"""A table with arms that were trained elsewhere: scored, compared and marked with the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from abl.decide.cells import cell_of
from abl.decide.comparison import best_and_tied
from abl.decide.intervals import patient_interval
from abl.decide.replicates import KEYS, Replicate, replicate_scores
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Outcome
from abl.plan.stage import digest_of
from abl.report.imported.arm import NOTE, ImportedArm, placed
from abl.report.imported.family import (
    Pair,
    compared_pairs,
    family_of,
    family_tests,
    plan_title,
    with_family,
)
from abl.report.labels import is_metric
from abl.report.one_class import one_class_replicates
from abl.report.pairs.arm_words import arm_named
from abl.report.prediction_frames import arm_tests, replicates_of
from abl.spec.sweep import Sweep


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
    pairs = compared_pairs(outcome, scored)
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
        notes.append(arm.note(part))
    replicates = {at: replicates_of(part) for at, part in scored.items()}
    found = family_of(rows, replicates, pairs, outcome, sweep)
    rows = with_family(rows, found, len(outcome.arms))
    best, tied = _marks(scored, replicates, outcome.primary, sweep.resamples)
    rows = [replace(row, best=at == best, tied=at in tied) for at, row in enumerate(rows)]
    facts = dict(outcome.facts)
    if tests := family_tests(outcome, rows, found):
        facts["tests"] = tests
    whole = pd.concat(frames, ignore_index=True)
    facts["one_class"] = one_class_replicates(whole)
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
    return grown, whole


def without_imported(outcome: Outcome, predictions: pd.DataFrame) -> tuple[Outcome, pd.DataFrame]:
    """Both without the arms that were imported; comparisons are still those with them."""
    imported = set(outcome.facts.get("imported", []))
    if not imported:
        return outcome, predictions
    own = ("imported", "key_without_imported")
    facts = {name: value for name, value in outcome.facts.items() if name not in own}
    gone = {plan_title(arm, outcome) for arm in outcome.arms if arm.key in imported}
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
    position = {plan_title(arm, outcome): at for at, arm in enumerate(outcome.arms)}
    compared_with = {base for _, base in pairs}
    return next((position[base] for base in bases if position.get(base) in compared_with), None)


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
    titles = {plan_title(arm, outcome).casefold() for arm in outcome.arms}
    for arm in arms:
        if arm.name.casefold() in titles:
            raise InputError(f"--as {arm.name}: {outcome.name} has an arm of its own of that name")
