"""Study persistent: images that networks classify wrongly again and again, and what leaving them
out of training does.

Source: Rafalo, Zylka, "Persistent Misclassification Analysis for Improving Thyroid Cancer
Classification from Ultrasound Images" (2025).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from abl.decide.cutoffs import HALF, cutoff_by
from abl.decide.decision import with_cutoff_at_half
from abl.decide.metric_names import metric_named
from abl.errors import nearest
from abl.plan.graph import Arm, Plan
from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames
from abl.report.page.report_facts import ReportFacts
from abl.report.page.weaknesses import OwnWeaknesses
from abl.report.tables.model import Table
from abl.report.tables.published import Published
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.stages.select import FLIPPED
from abl.stages.train import Trainings
from abl.studies.contract import StudyAxis, options_of, study
from abl.studies.persistent.described import described_tables
from abl.studies.persistent.exclusion import ExclusionArms
from abl.studies.persistent.feature_columns import refuse_unknown_columns
from abl.studies.persistent.findings import IMAGES, findings_of, own_frames_of, with_cutoffs
from abl.studies.persistent.judged import ArmRows
from abl.studies.persistent.known_flips import flip_rows
from abl.studies.persistent.maps import add_maps
from abl.studies.persistent.notes import (
    ABSENT_TABLES,
    choices_made,
    exclusion_notes,
    exclusion_weaknesses,
    finding_notes,
)
from abl.studies.persistent.options import (
    CUTOFF_ON_TEST,
    EXCLUDED,
    OF_FLAGS,
    OF_IMAGES,
    PLAIN,
    Options,
    option_faults,
)
from abl.studies.persistent.tables import images_table, networks_table
from abl.studies.shared.analysis import Analysis, ScoredPart
from abl.studies.shared.checks import FROZEN, HEAD, NETWORK, WEIGHTS
from abl.studies.shared.departure import SPLITS_BY_IMAGE, Departure
from abl.studies.shared.external import internal_file, internal_sweep
from abl.studies.shared.single_network import CUTOFF, SingleNetwork, TrainedBy

if TYPE_CHECKING:
    from abl.report.tables.stated_tables import StatedTables


@study
class PersistentStudy(SingleNetwork):
    """Arms are (network, excluded); a replicate is one Monte Carlo split."""

    name: ClassVar[str] = "persistent"
    description: ClassVar[str] = "Images that are misclassified again and again (Rafalo 2025)."
    options: ClassVar[type[Part]] = Options
    smoke_options: ClassVar[Mapping[str, Any]] = {"inner": {"splits": 2}}
    analysed_by: ClassVar[tuple[str, ...]] = OF_IMAGES
    analysed_with: ClassVar[tuple[str, ...]] = ("cleanlab.filter",)
    departures: ClassVar[tuple[Departure, ...]] = (SPLITS_BY_IMAGE, CUTOFF_ON_TEST)
    absent_tables: ClassVar[Mapping[str, str]] = ABSENT_TABLES
    axes: ClassVar[tuple[StudyAxis, ...]] = (
        NETWORK,
        StudyAxis(
            "excluded",
            "Training images that are left out: none; flagged (misclassified again and again in "
            "an inner Monte Carlo); controls: random (as many), matched (as many of the same "
            "class, the hardest of those not flagged), flipped (wrong labels of generated data).",
            PLAIN,
            words=True,
        ),
        WEIGHTS,
        HEAD,
        FROZEN,
    )

    def relevant(self, own: Mapping[str, Any], axes: Collection[str]) -> set[str]:
        """Options of the flags matter where images leave by them."""
        kept = super().relevant(own, axes)
        if str(own.get("excluded", PLAIN)) not in (PLAIN, FLIPPED):
            return kept
        return {
            axis
            for axis in kept
            if axis.split(".")[:1] != ["options"] or axis.split(".")[1] not in OF_FLAGS
        }

    def faults(self, arm: Arm, sweep: Sweep, file: SweepFile) -> list[tuple[str, str]]:
        excluded, faults = str(arm.params.get("excluded", PLAIN)), []
        if excluded not in EXCLUDED:
            text = f"excluded: '{excluded}' is not known: {nearest(excluded, EXCLUDED)}"
            faults.append(("excluded", text))
        phantom = sweep.data.phantom
        if excluded == FLIPPED and (phantom is None or not phantom.flip):
            text = (
                "excluded: flipped needs generated data with wrong labels: data: {phantom: "
                "{flip: 0.05}}"
            )
            faults.append(("excluded", text))
        options = options_of(replace(file, sweep=sweep), Options)
        faults += option_faults(options, sweep)
        return faults or super().faults(arm, sweep, file)

    def trained_by(
        self,
        file: SweepFile,
        arms: Sequence[Arm],
        sweeps: Sequence[Sweep],
        trainings: Callable[[Sweep], Trainings],
    ) -> TrainedBy:
        return ExclusionArms(file, arms, sweeps, trainings).trained

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """As of one network; arms without some images have their inner trainings beside."""
        plan = super().expand(file, workspace)
        refuse_unknown_columns(file, plan.sweeps, workspace)
        plan.notes += exclusion_notes(plan)
        if options_of(file, Options).maps:
            plan.notes += add_maps(plan, workspace, plan.sweeps)
        return plan

    def cutoffs(
        self, file: SweepFile, sweep: Sweep, validation: ScoredPart, test: ScoredPart | None
    ) -> dict[str, float]:
        """The cut-off and what it reaches where it was chosen."""
        options = options_of(replace(file, sweep=sweep), Options)
        by = options.chosen_by(sweep)
        if by == HALF:
            return {}
        on_test = options.cutoff_on == "test" and test is not None
        part = test if on_test and test is not None else validation
        cutoff = cutoff_by(by, part.labels, part.p)
        reached = metric_named(by)(part.labels, with_cutoff_at_half(part.p, cutoff))
        return {CUTOFF: cutoff, f"{'test' if on_test else 'validation'}_{by}": reached}

    def control(self, file: SweepFile, arm: Arm) -> str:
        if str(arm.params.get("excluded", PLAIN)) == FLIPPED:
            return "it is told which training labels are wrong: a ceiling, and no method"
        sweep = self.settings(file).of(arm)
        options = options_of(replace(file, sweep=sweep), Options)
        of_calls = metric_named(sweep.primary).of_confusion is not None
        if options.cutoff_on == "test" and of_calls:
            return "its cut-off is the best on the test labels"
        return super().control(file, arm)

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """As of one network; then what its predictions say of every image."""
        analysis = super().analyse(file, plan, workspace)
        inner, outcome = internal_file(file), analysis.outcome
        settings = self.settings(inner)
        sweeps = [internal_sweep(each) for each in settings.all_of(plan.arms)]
        rows, options = ArmRows(plan, workspace, sweeps, outcome), options_of(file, Options)
        found = [each for arms in rows.by_data() if (each := findings_of(rows, arms, options))]
        facts = {**outcome.facts.study, "persistence": [dict(each.facts) for each in found]}
        if noise := flip_rows(plan, workspace, sweeps):
            facts["label_noise"] = noise
        own = own_frames_of(found)
        notes = (*outcome.notes, *finding_notes(found, plan, workspace.store))
        return replace(
            analysis,
            outcome=replace(outcome, notes=notes, facts=replace(outcome.facts, study=facts)),
            predictions=with_cutoffs(analysis.predictions, outcome),
            own=own,
            pictures=next((each.pictures for each in found if each.pictures), None),
        )

    def tables(
        self,
        outcome: Outcome,
        own: Mapping[str, pd.DataFrame],
        published: Published | None = None,
    ) -> Mapping[str, Table]:
        made = {
            "networks": networks_table(outcome, published),
            "images": images_table(outcome, own.get(IMAGES, pd.DataFrame())),
            **described_tables(outcome, own),
        }
        return {name: table for name, table in made.items() if table is not None}

    def figures(self, outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
        """Error rates of images and networks, the AUC without flagged ones, features."""
        from abl.studies.persistent.drawn import persistent_figures

        return persistent_figures(outcome, frames)

    def stated(self) -> StatedTables:
        from abl.studies.persistent.stated import STATED

        return STATED

    def weaknesses(self, facts: ReportFacts) -> OwnWeaknesses:
        return OwnWeaknesses(exclusion_weaknesses(facts), choices_made(facts))
