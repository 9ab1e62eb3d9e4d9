"""What a sweep follows of its source's protocol: what the file may name, and what its arms do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from abl.errors import InputError, Problem, nearest
from abl.plan.graph import Arm
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.studies.contract import Study, studies
from abl.studies.shared.arms import Settings, arms_from
from abl.studies.shared.checks import place_of_axis
from abl.studies.shared.departure import NO_VALIDATION, OF_BOTH, SCORED_ON_VALIDATION, Departure

# refused in every study but by their name; others are refused where a study reads its settings
_REFUSED = (NO_VALIDATION, SCORED_ON_VALIDATION)
_TOUCHED = ("splits.validation", "splits.scored")


def protocol_problems(file: SweepFile, study: Study) -> list[Problem]:
    """What is wrong with `published`, and what a file does without naming it there."""
    sweep, problems = file.sweep, list(_names_problems(file, study))
    varied = {*sweep.axes, *(axis for block in sweep.arms for axis in block)}
    plain = sweep.splits.validation and sweep.splits.scored == "test"
    if sweep.protocol == "own" and plain and not varied & set(_TOUCHED):
        return problems
    arms = _arms(file, study)
    for each in _REFUSED:
        does = [sweep for arm, sweep in arms if each.done(arm, sweep)]
        if does and not (each in study.departures and sweep.allows(each.name)):
            place = "validation" if each is NO_VALIDATION else "scored"
            problems.append(file.problem(_refusal(each, study), *_place(file, f"splits.{place}")))
    for at, name in enumerate(sweep.published):
        named = next((each for each in study.departures if each.name == name), None)
        if named is None or not arms:
            continue
        if not any(named.done(arm, own) for arm, own in arms):
            text = f"published: {name}: no arm does it: write {named.write}, or take it out"
            problems.append(file.problem(text, "published", at))
    problems += _choices_without_validation(file, study, arms)
    return list(dict.fromkeys(problems))


def _names_problems(file: SweepFile, study: Study) -> Iterator[Problem]:
    known = {each.name: each for each in study.departures}
    valid = (
        f"valid: {', '.join(known)}"
        if known
        else (f"study {study.name} follows no publication: leave published out")
    )
    for at, name in enumerate(file.sweep.published):
        if name in known:
            continue
        others = [
            other.name
            for other in studies().values()
            if any(each.name == name for each in other.departures)
        ]
        if others:
            of = "study" if len(others) == 1 else "studies"
            said = f"is of {of} {', '.join(others)}, not of {study.name}; {valid}"
        else:
            said = f"is not known; {nearest(name, known) if known else valid}"
        yield file.problem(f"published: '{name}' {said}", "published", at)


def _refusal(each: Departure, study: Study) -> str:
    setting = "splits.validation: 0" if each is NO_VALIDATION else "splits.scored: validation"
    why = {
        NO_VALIDATION.name: "leaves no images to choose by: write a share such as 0.2",
        SCORED_ON_VALIDATION.name: "scores what methods are developed on: name test rows",
    }[each.name]
    if each in study.departures:
        return f"{setting} {why}, or published: [{each.name}] to do as the publication did"
    takers = [other.name for other in studies().values() if each in other.departures]
    return f"{setting} {why}; published: [{each.name}] is for {', '.join(takers)} alone"


def _place(file: SweepFile, path: str) -> tuple[str | int, ...]:
    if path in file.sweep.axes:
        return ("axes", path)
    at = next((at for at, block in enumerate(file.sweep.arms) if path in block), None)
    return tuple(path.split(".")) if at is None else ("arms", at, path)


def _choices_without_validation(
    file: SweepFile, study: Study, arms: Sequence[tuple[Arm, Sweep]]
) -> Iterator[Problem]:
    """What would be chosen on validation images, of arms that have none."""
    without = [(arm, sweep) for arm, sweep in arms if not sweep.splits.validation]
    allowed = NO_VALIDATION in study.departures and file.sweep.allows(NO_VALIDATION.name)
    if not without or not allowed:  # that there is none is told then
        return
    said = "is chosen on validation images, and splits.validation: 0 leaves none"
    if file.sweep.search is not None:
        yield file.problem(f"search: what it finds {said}: leave it out", "search")
    for arm, sweep in without:
        if sweep.train.early_stop is not None:
            text = (
                f"train.early_stop: the epoch {said}: leave it out, and the last epochs predict "
                "(train.last_k)"
            )
            yield file.problem(text, *_place(file, "train.early_stop"))
        for axis, what, instead in study.chosen_on_validation(arm, sweep):
            text = f"{axis}: {what} {said}: {instead}"
            yield file.problem(text, *place_of_axis(file, axis))


def _arms(file: SweepFile, study: Study) -> list[tuple[Arm, Sweep]]:
    """Arms with the sweep as each sees it; without those whose faults are told elsewhere."""
    settings = Settings(file, study.axes, lambda params: study.meaning(params, file))
    found = []
    for arm in arms_from(file, study.axes, study.relevant, tuple(file.sweep.axes))[0].arms:
        try:
            found.append((arm, settings.of(arm)))
        except InputError:
            continue
    return found


def departures_done(file: SweepFile, study: Study, arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """Of a sweep that follows a published protocol, what these arms do of it.

    Returns:
        name, sentence, by_test; one row a departure that some arm does.
    """
    if file.sweep.protocol != "published":
        return []
    settings = Settings(file, study.axes, lambda params: study.meaning(params, file))
    seen = [(arm, settings.of(arm)) for arm in arms]
    found: list[dict[str, Any]] = []
    for each in study.departures:
        named = each.name in file.sweep.published
        if not file.sweep.allows(each.name) or (each.declared and not named):
            continue
        did = sum(each.done(arm, sweep) for arm, sweep in seen)
        if did:
            some = "" if did == len(seen) else f" (In {did} of {len(seen)} arms.)"
            found.append(
                {"name": each.name, "sentence": each.sentence + some, "by_test": each.by_test}
            )
    if {row["name"] for row in found} >= OF_BOTH.keys():
        told = {each.name: each.sentence for each in (NO_VALIDATION, SCORED_ON_VALIDATION)}
        for row in found:
            if row["name"] in OF_BOTH:
                some = row["sentence"].removeprefix(told[row["name"]])
                row["sentence"] = OF_BOTH[row["name"]] + some
    return found


def departure_notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each, as it stands under plans and tables."""
    return [f"Published protocol, {row['name']}: {row['sentence']}" for row in rows]
