"""What an outcome keeps beside its arms: of the data, of how it was asked, of what ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from abl.app.loaded import LoadedSweep
from abl.plan.outcome import Outcome
from abl.plan.scored_part import as_scored, scored_part
from abl.report.collapse import collapsed_arms
from abl.report.prediction_frames import (
    one_class_found,
    repeated_trainings,
)
from abl.studies.shared.analysis import Analysis
from abl.studies.shared.published_protocol import departure_notes, departures_done
from abl.studies.shared.ran import what_ran


def with_facts(sweep: LoadedSweep, analysis: Analysis, notes: Sequence[str]) -> Outcome:
    """The outcome of an analysis with its facts, and notes of the data and of the run."""
    outcome, asked = analysis.outcome, sweep.file.sweep
    opened = sweep.workspace.opened()
    data = [each.dataset for each in opened]
    of_data = [note for each in opened for note in (*each.dataset.notes, *each.mask_notes)]
    notes = list(dict.fromkeys([*of_data, *notes]))
    clusters = {each.clusters for each in data} or {"patient"}
    ran = [a for a, row in zip(sweep.plan.arms, outcome.arms, strict=False) if not row.failed]
    followed = departures_done(sweep.file, sweep.study, ran)
    one_class, one_class_of = one_class_found(analysis.predictions)
    facts = replace(
        outcome.facts,
        table=asked.table,
        labels=asked.labels,
        unit=asked.data.unit,
        margin=asked.margin,
        classes=list(data[0].classes) if data else [],
        patients_by_split=asked.splits.by,
        clusters=""
        if clusters == {"patient"}
        else min(clusters, key=["group", "image", "patient"].index),
        patients_unknown=any(not each.patients_known for each in data),
        one_class=one_class,
        one_class_of=one_class_of,
        trainings=repeated_trainings(analysis.predictions),
        stages=len(sweep.plan.stages),
        asked=sweep.plan.asked,
        departures=followed,
        ran=what_ran(sweep.file, sweep.study, sweep.plan, sweep.workspace, outcome),
    )
    called = scored_part(followed)
    told = [*outcome.notes, *departure_notes(followed), *notes]
    outcome = replace(outcome, facts=facts, notes=tuple(as_scored(note, called) for note in told))
    collapsed = collapsed_arms(outcome, analysis.predictions)
    return replace(outcome, facts=replace(facts, collapsed=collapsed))
