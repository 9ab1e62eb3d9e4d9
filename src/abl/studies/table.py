"""The table of a study: its scored arms compared with each other, and what its data is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from abl.plan.graph import Plan
from abl.plan.outcome import Outcome
from abl.spec.read import SweepFile
from abl.studies.analysis import ScoredArm
from abl.studies.arms import Relevant, base_position, base_values, named_contrasts
from abl.studies.base import StudyAxis
from abl.studies.data_summary import data_rows, training_patients
from abl.studies.scoring import outcome_of
from abl.studies.workspace import Workspace


def table_of(
    file: SweepFile,
    plan: Plan,
    workspace: Workspace,
    axes: tuple[StudyAxis, ...],
    relevant: Relevant,
    scored: Sequence[ScoredArm],
    *,
    curve_axis: str = "",
    facts: Mapping[str, Any] | None = None,
) -> Outcome:
    """The outcome of a sweep: every arm against its base, and the contrasts that the file names.

    Args:
        axes, relevant: The study's own axes, and which of them matter to an arm.
        scored: One an arm of the plan.
        curve_axis: Axis that is chosen on validation, "" if none.
        facts: Of the study, kept beside those of the data.
    """
    base = base_values(file, axes)
    bases = [
        None if base is None else base_position(arm, plan.arms, base, relevant) for arm in plan.arms
    ]
    opened, first = workspace.data(file.sweep.data), plan.replicates[0]
    known = {
        "data": data_rows(file.sweep, opened, first),
        "training_patients": training_patients(file.sweep, opened, first),
        "protocol": file.sweep.protocol,
    }
    contrasts = named_contrasts(file, axes, plan.arms, relevant)
    return outcome_of(
        file, plan, axes, scored, bases, contrasts, curve_axis, known | dict(facts or {})
    )
