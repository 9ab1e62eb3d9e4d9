"""Which arms call every image one class, so that nothing can be judged by them, and what to try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abl.decide.verdicts import ONE_CLASS
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import joined, one_line

MOST_NAMED = 3  # in a sentence


def gave_up_sentence(outcome: Outcome, words: Mapping[str, str]) -> str:
    """Names the arms, says that their networks have not learned, and what to try; "" for none.

    Args:
        words: Key of each arm -> what it is called.
    """
    arms = arms_that_gave_up(outcome)
    if not arms:
        return ""
    bases = _bases(outcome)
    named = [_named(outcome, arm, words[arm.key], arm.key in bases) for arm in arms[:MOST_NAMED]]
    more = [f"{len(arms) - MOST_NAMED} more"] if len(arms) > MOST_NAMED else []
    who = joined([*named, *more])
    one = len(arms) == 1
    unit = outcome.facts.unit or "image"
    text = f"{who} {'calls' if one else 'call'} every {unit} one class"
    trained = [arm for arm in arms if arm.key not in outcome.facts.imported]
    if not trained:
        return f"{text}: of {'it' if one else 'them'} no verdict is given."
    advice = (
        f"longer{_epochs(outcome, trained)}, with another train.optimizer.lr or, where classes "
        "differ in size, with train.balance."
    )
    without = f"no verdict is given where {'it stands' if one else 'they stand'}."
    if len(trained) == len(arms):
        their, them = ("its", "it") if one else ("their", "them")
        return f"{text}: {their} networks have not learned, and {without} Train {them} {advice}"
    # how imported arms came about is not known here
    names = [words[arm.key] for arm in trained[:MOST_NAMED]]
    more = [f"{len(trained) - MOST_NAMED} more"] if len(trained) > MOST_NAMED else []
    ours = joined([*names, *more])
    return f"{text}, and {without} The networks of {ours} have not learned: train them {advice}"


def arms_that_gave_up(outcome: Outcome) -> list[ArmOutcome]:
    """Arms that call every test unit of a replicate one class, of which a verdict was withheld for
    that, or that do so in half of their replicates; bases first.
    """
    counts = outcome.facts.one_class
    bases = _bases(outcome)
    withheld = {
        name
        for arm in outcome.arms
        if arm.comparison is not None and arm.comparison.verdict == ONE_CLASS
        for name in (arm.key, arm.comparison.base)
    }
    found = [
        arm
        for arm in outcome.arms
        if (count := counts.get(arm.key, 0))
        and not arm.failed
        and (
            2 * count >= len(arm.replicates)
            or arm.key in withheld
            or outcome.title_of(arm) in withheld
        )
    ]
    return sorted(found, key=lambda arm: arm.key not in bases)


def _bases(outcome: Outcome) -> set[str]:
    """Keys of the arms that others are compared with."""
    names = {arm.comparison.base for arm in outcome.arms if arm.comparison is not None}
    return {a.key for a in outcome.arms if a.key in names or outcome.title_of(a) in names}


def _named(outcome: Outcome, arm: ArmOutcome, words: str, is_base: bool) -> str:
    """`plain · none (the base; smooth; in 12 of 15 replicates)`."""
    facts, told = outcome.facts, ["the base"] * is_base
    called = facts.one_class_of.get(arm.key)
    if called is not None and called < len(facts.classes):
        told.append(one_line(facts.classes[called]))
    if (count := facts.one_class[arm.key]) < (every := len(arm.replicates)):
        told.append(f"in {count} of {every} replicates")
    return f"{words} ({'; '.join(told)})" if told else words


def _epochs(outcome: Outcome, arms: list[ArmOutcome]) -> str:
    """` (train.epochs is 12)`, if they were trained for as many."""
    ran: Mapping[str, Any] = outcome.facts.ran
    if "epochs" not in ran:
        return " (train.epochs)"
    places = {at for at, arm in enumerate(outcome.arms) if arm in arms}
    own = {
        row["changes"].get("train.epochs", ran["epochs"])
        for row in ran.get("settings", ())
        if places & set(row["arms"])
    }
    return f" (train.epochs is {own.pop()})" if len(own) == 1 else " (train.epochs)"
