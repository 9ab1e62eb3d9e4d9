"""What an outcome calls its axes, values and arms: by its file's labels, or what differs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from abl.errors import InputError, nearest
from abl.plan.facts import Facts
from abl.plan.graph import Arm
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import one_line, setting_label, short_names, value_label
from abl.spec.labels import Labels, written_value

SEPARATOR = " · "  # of the settings of an arm, wherever it is named


def title_in(outcome: Outcome) -> str:
    """The sweep's title on one line, or its name."""
    return one_line(outcome.title) or one_line(outcome.name)


def headed(outcome: Outcome, what: str) -> str:
    """`Title: what`, the heading of a table or figure; a title that is a sentence ends as it is."""
    title = title_in(outcome)
    return f"{title} {what[:1].upper()}{what[1:]}" if ends(title) else f"{title}: {what}"


def ends(text: str) -> bool:
    """Whether a text has its own mark at its end, so that no other follows."""
    return text.rstrip("\"')”’»").endswith((".", "?", "!", ":", "…", "。", "？", "！"))


def axis_in(outcome: Outcome, axis: str) -> str:
    """What this outcome calls an axis: the file's label, or the last part of its path."""
    own = outcome.facts.labels.axes.get(axis)
    return one_line(own or short_names([*outcome.axes, axis])[axis])


def axis_called(outcome: Outcome, name: str) -> str:
    """The axis of a name: its path, or what tables call it if they call no other so.

    Raises:
        InputError: There is none.
    """
    if name in outcome.axes:
        return name
    shown = {axis: axis_in(outcome, axis) for axis in outcome.axes}
    found = [axis for axis, label in shown.items() if one_line(name) == label]
    if len(found) == 1:
        return found[0]
    hint = nearest(name, dict.fromkeys([*outcome.axes, *shown.values()]))
    raise InputError(f"no axis '{name}' in {outcome.name}: {hint}")


def value_in(outcome: Outcome, axis: str, value: str | int | float) -> str:
    """What this outcome calls a value, under a heading that names its axis."""
    own = outcome.facts.labels.values.get(axis, {}).get(written_value(value))
    return one_line(own) if own else value_label(value)


def setting_in(outcome: Outcome, axis: str, value: str | int | float) -> str:
    """One setting in a few words that say of which axis it is; a label says enough alone."""
    if written_value(value) in outcome.facts.labels.values.get(axis, {}):
        return value_in(outcome, axis, value)
    name = axis_in(outcome, axis)
    text = setting_label(name, value)
    return f"{name} {text}" if axis in outcome.ambiguous and text == value_label(value) else text


def words_of(arm: ArmOutcome, outcome: Outcome, axes: Sequence[str] | None = None) -> str:
    """An arm in a few words, by what tells it from the others.

    Args:
        axes: To name it by; those that tell the arms apart by default.
    """
    values = [(a, arm.params.get(a, "")) for a in (outcome.told_apart if axes is None else axes)]
    named = [setting_in(outcome, axis, value) for axis, value in values if value != ""]
    return SEPARATOR.join(named) or ("" if axes is not None else arm.key[:8])


def run_names(outcome: Outcome) -> dict[str, str]:
    """Key of each arm -> what its run in MLflow is called."""
    return {arm.key: words_of(arm, outcome) for arm in outcome.arms}


def planned_outcome(planned: Sequence[Arm], name: str, labels: Labels) -> Outcome:
    """Arms of a plan as rows without numbers, in order; keys are their positions."""
    named = [arm.named for arm in planned]
    arms = [ArmOutcome(str(at), params, {}, pd.DataFrame()) for at, params in enumerate(named)]
    present = dict.fromkeys(axis for each in named for axis in each)
    order = dict.fromkeys(axis for arm in planned for axis in arm.shown)  # as the file has them
    axes = tuple(axis for axis in order | present if axis in present)
    return Outcome(name, "", "", "", axes, (), "", "", tuple(arms), facts=Facts(labels=labels))


def planned_words(planned: Sequence[Arm], name: str, labels: Labels) -> list[str]:
    """Each arm of a plan as tables name it; the sweep's name where nothing tells it apart."""
    outcome = planned_outcome(planned, name, labels)
    return [words_of(arm, outcome, outcome.axes) or one_line(name) for arm in outcome.arms]
