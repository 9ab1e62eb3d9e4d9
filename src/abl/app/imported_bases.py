"""Which arm an imported one is compared with: one of the sweep's own, or another imported one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from abl.errors import InputError
from abl.plan.outcome import Outcome
from abl.report.pairs.arm_words import arm_named
from abl.studies.shared.contrasts import Contender, Positions
from abl.studies.shared.imported_arm import ImportedArm


def against_words(outcome: Outcome, imported: ImportedArm) -> str:
    """The words of the arm it is compared with; the name, if that was imported too.

    Args:
        outcome: The table as it is shown, with the arms imported before.

    Raises:
        InputError: No such arm, several, or the arm itself.
    """
    if not imported.against:
        return ""
    arm = arm_named(outcome, imported.against, alone=True)
    if arm.key not in outcome.facts.imported:
        return imported.against
    name = outcome.title_of(arm)
    if name.casefold() == imported.name.casefold():
        raise InputError(f"--against {imported.against}: is the arm itself: name another")
    return name


def is_against(arm: ImportedArm, name: str) -> bool:
    """Whether an arm is compared with the imported arm of this name."""
    return arm.against.casefold() == name.casefold()


def needed_for(arm: ImportedArm, arms: Sequence[ImportedArm]) -> list[ImportedArm]:
    """The imported arm that one is compared with, the one that this is, and so on."""
    found: list[ImportedArm] = []
    while arm.against:
        base = next((each for each in arms if is_against(arm, each.name)), None)
        if base is None or base in found:
            break
        found.append(base)
        arm = base
    return found


def compared_before(outcome: Outcome, own: Sequence[Contender]) -> list[Positions]:
    """(arm, base) of every comparison that was made, in its order."""
    position = {arm.title: at for at, arm in enumerate(own)}
    named = [(str(row["arm"]), str(row["base"])) for row in outcome.facts.tests] or [
        (outcome.title_of(arm), arm.comparison.base)
        for arm in outcome.arms
        if arm.comparison is not None
    ]
    pairs = [(position.get(arm), position.get(base)) for arm, base in named]
    return [
        (at, base)
        for at, base in pairs
        if at is not None and base is not None and own[at].scores and own[base].scores
    ]


def own_base(
    outcome: Outcome, against: str, pairs: Sequence[Positions], position: Mapping[str, int]
) -> int | None:
    """Position of the own arm that an imported one is compared with; None where none is.

    Args:
        position: Of each own arm, by its title.

    Raises:
        InputError: No such arm, one that failed, or several bases of which none is named.
    """
    if against:
        wanted = arm_named(outcome, against)
        if wanted.failed:
            raise InputError(f"--against {against}: that arm failed: {wanted.failed}")
        return outcome.arms.index(wanted)
    bases = {arm.comparison.base for arm in outcome.arms if arm.comparison is not None}
    if len(bases) > 1:
        words = ", ".join(sorted(bases)[:6])
        raise InputError(f"{outcome.name} has {len(bases)} bases ({words}): name one by --against")
    compared_with = {base for _, base in pairs}
    return next((position[base] for base in bases if position.get(base) in compared_with), None)
