"""Study two_step: consensus data selection and the two-step decision with threshold T*.

Source: Lee, Kwak, Lee, Sci. Rep. 2025, doi 10.1038/s41598-025-00416-5. The original network O is
trained on all training images, the True network T on those that at least N selectors classify
correctly; images on which O is not confident enough go to T.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from abl.data.splits.splits import all_replicates
from abl.decide.rules import rule_named
from abl.errors import Problem, raise_if_any
from abl.plan.graph import Arm, Plan, PlannedCell
from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.stages.train import Trainings
from abl.studies.contract import Study, StudyAxis, options_of, study
from abl.studies.shared.activations import ACTIVATIONS
from abl.studies.shared.analysis import Analysis, ScoredPart, analysis_of, scored_arms
from abl.studies.shared.arms import Settings, arms_from
from abl.studies.shared.checks import (
    open_data,
    refuse_equal_repeats,
)
from abl.studies.shared.controls import test_labels_used
from abl.studies.shared.departure import Departure
from abl.studies.shared.external import (
    ExternalSets,
    InternalSettings,
    internal_file,
)
from abl.studies.shared.idle_axes import idle_axes
from abl.studies.shared.plan_notes import apart_notes, replicate_notes, test_sets
from abl.studies.shared.predictions import Predictions
from abl.studies.shared.thresholds import (
    BEST_ON_TEST,
)
from abl.studies.two_step.asked import sweep_problems
from abl.studies.two_step.cells import ArmCells, hopeless_promises, promise_notes
from abl.studies.two_step.departures import (
    DEPARTURES,
    choices_on_validation,
)
from abl.studies.two_step.hybrid_notes import hybrid_notes
from abl.studies.two_step.label_noise import noise_rows
from abl.studies.two_step.maps import (
    CHANGED,
    NO_CHANGE,
    add_maps_of_changes,
    maps_of_changes,
)
from abl.studies.two_step.networks import (
    VOTE,
    ArmTrainings,
    as_selector,
    in_role,
    judged_parts,
    kept_notes,
    network_parts,
    networks_of,
    trained_alone,
)
from abl.studies.two_step.options import (
    Options,
    needs_selection,
    relevant,
    two_step_weaknesses,
    uses_panel,
)
from abl.studies.two_step.selectors import SELECTORS, selector_frame, selectors_table

if TYPE_CHECKING:  # a plan scores nothing and writes no report
    from abl.report.page.report_facts import ReportFacts
    from abl.report.page.weaknesses import OwnWeaknesses
    from abl.report.tables.model import Table
    from abl.report.tables.published import Published
    from abl.report.tables.stated_tables import StatedTables


@study
class TwoStep(Study):
    """Arms are (network, consensus N, rule, T*); T* is usually a curve."""

    name: ClassVar[str] = "two_step"
    description: ClassVar[str] = "Consensus data selection and the two-step decision (Lee 2025)."
    options: ClassVar[type[Part]] = Options
    # networks of two epochs agree on little
    smoke_options: ClassVar[Mapping[str, Any]] = {"keep_at_least": 8}
    analysed_with: ClassVar[tuple[str, ...]] = ("cleanlab.filter",)
    departures: ClassVar[tuple[Departure, ...]] = DEPARTURES
    axes: ClassVar[tuple[StudyAxis, ...]] = (
        StudyAxis("network", "Architecture of O and T.", setting="train.network", words=True),
        StudyAxis("consensus", "N: a training image is kept if N selectors get it right.", 3),
        StudyAxis(
            "second",
            "What T is trained on: true (True-N), or a control: retrained (all images, another "
            "seed), matched (random images, size and classes of True-N); or hybrid (True-N and a "
            "share, options.hybrid, of the others).",
            "true",
            words=True,
        ),
        StudyAxis("rule", "How the predictions of O and T become one.", "model1", words=True),
        StudyAxis(
            "threshold",
            "T*: a number in [0, 1], always, a share as '38%', or how it is chosen in each "
            "replicate: exact (best on validation), histogram (of confidences on training images), "
            "promise (the smallest that keeps options.promise), search (options.search).",
            0.9,
        ),
        StudyAxis(
            "false_k",
            "k: a False network, trained on images that k selectors get wrong, replaces final "
            "predictions that are still unsure, and is the rule false; or none.",
        ),
        StudyAxis(
            "false_threshold",
            "Confidence under which the False network decides; or "
            "best_on_test, the paper's choice, which needs published: [false_threshold_on_test].",
            0.1,
        ),
        StudyAxis(
            "calibrate",
            "Of each network, fitted on validation before T*: none, temperature or prior.",
            words=True,
        ),
    )

    def problems(self, file: SweepFile) -> list[Problem]:
        return sweep_problems(file, self.axes)

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """Selectors, selection, O and T of every arm on every replicate.

        What O, T and F say of external sets stands beside them.
        """
        raise_if_any(self.problems(file))
        arms, _ = arms_from(file, self.axes, relevant, ["threshold"])
        given = Settings(file, self.axes).all_of(arms.arms)
        external = ExternalSets(file, workspace, [sweep.data for sweep in given])
        file = internal_file(file)
        settings = InternalSettings(file, self.axes)
        sweeps = settings.all_of(arms.arms)
        open_data(workspace, [sweep.data for sweep in (file.sweep, *sweeps)])
        plan = Plan(
            arms=arms.arms, replicates=all_replicates(file.sweep.splits, file.sweep.replicates),
            sweeps=sweeps,
        )  # fmt: skip
        if arms.cells > len(arms.arms):
            plan.notes.append(
                f"{arms.cells} combinations of axis values are {len(arms.arms)} arms: rules that "
                "use no second network or threshold do not vary with it"
            )
        opened = workspace.data(file.sweep.data)
        refuse_equal_repeats(file, opened)
        tested = test_sets(sweeps, workspace.data, plan.replicates)
        plan.notes += replicate_notes(file.sweep, tested, plan.replicates)
        plan.notes += apart_notes(file, self.axes, plan.arms, relevant, tested)
        plan.notes += hopeless_promises(plan, settings, workspace)
        plan.notes += hybrid_notes(file.sweep, arms.arms, sweeps)
        values = file.sweep.curve("threshold")
        made: dict[Sweep, Trainings] = {}

        def trainings(sweep: Sweep) -> Trainings:
            if sweep not in made:
                made[sweep] = Trainings(sweep, workspace, plan)
            return made[sweep]

        known: dict[int, Options] = {}
        panels: dict[int, tuple[tuple[Trainings, int], ...]] = {}
        for at, (arm, sweep) in enumerate(zip(arms.arms, sweeps, strict=True)):
            rule = rule_named(str(arm.params["rule"]))
            own = arm.own
            # arms of the same settings share one Sweep: what follows from it is made once
            if id(sweep) not in known:
                known[id(sweep)] = options_of(settings.addressed_file(arm), Options)
            options = known[id(sweep)]
            if (needs_selection(own) or uses_panel(own)) and id(sweep) not in panels:
                source = sweep
                if options.selectors == "base":
                    base = {"image": file.sweep.image, "train": file.sweep.train}
                    source = sweep.model_copy(update=base)
                panels[id(sweep)] = tuple(
                    (trainings(as_selector(source, name, options)), at * VOTE)
                    for name in options.panel
                    for at in range(options.selector_seeds)
                )
            networks = ArmTrainings(
                trainings(sweep),
                trainings(in_role(sweep, "true", options)),
                trainings(in_role(sweep, "false", options)),
                panels.get(id(sweep), ()),
            )
            times = len(values) if rule.has_threshold and values else 1
            for replicate in plan.replicates:
                uses = networks_of(rule.uses, own, networks, options, replicate)
                plan.cells.append(PlannedCell(at, replicate, uses))
                plan.asked += trained_alone(plan, uses) * times
                for role, digest in uses.items():
                    if role != "select":
                        external.add(plan, sweep, digest)
        add_maps_of_changes(plan, workspace, settings, [known[id(sweep)] for sweep in sweeps])
        plan.idle = idle_axes(plan, self.axes, workspace.data)
        return plan

    def validated(
        self, file: SweepFile, arm: Arm, cell: PlannedCell, workspace: Workspace
    ) -> ScoredPart:
        settings = InternalSettings(internal_file(file), self.axes)
        cells = ArmCells(settings, workspace, Predictions(workspace.store))
        return cells.cell(arm, cell).validated()

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """Scores every arm: T* chosen on validation, test read once, then the external sets."""
        from abl.studies.shared.external_scores import external_note, external_rows
        from abl.studies.shared.scoring import scored_outcome

        file = internal_file(file)
        predictions = Predictions(workspace.store)
        settings = InternalSettings(file, self.axes)
        cells = ArmCells(settings, workspace, predictions)
        scored = scored_arms(plan, workspace.store, cells.score)
        outcome = scored_outcome(
            file, plan, workspace, self.axes, relevant, scored,
            curve_axis="threshold" if file.sweep.curve("threshold") else "", study={},
            control=lambda arm: self.control(file, arm),
        )  # fmt: skip
        judged = judged_parts(plan, settings, workspace)
        noise = noise_rows(plan, workspace.store, judged)
        facts = replace(outcome.facts, study={"label_noise": noise}) if noise else outcome.facts
        notes = [*promise_notes(scored, settings), *kept_notes(plan, workspace.store)]
        if file.sweep.external:
            # the table is made: nothing of it can follow from what comes now
            sweeps = settings.all_of(plan.arms)
            rows = external_rows(
                file.sweep, plan, workspace, sweeps, scored, outcome, cells.external
            )
            notes.append(external_note(rows))
            facts = replace(facts, external=rows)
        outcome = replace(outcome, notes=(*outcome.notes, *notes), facts=facts)
        parts = network_parts(plan, settings, workspace, predictions)
        pictures = maps_of_changes(plan, workspace, settings)
        if pictures is None and ACTIVATIONS in plan.beside:
            outcome = replace(outcome, notes=(*outcome.notes, NO_CHANGE))
        selectors = selector_frame(plan, workspace.store, judged)
        return replace(
            analysis_of(outcome, scored, parts),
            pictures=pictures,
            own={} if selectors.empty else {SELECTORS: selectors},
        )

    def tables(
        self,
        outcome: Outcome,
        own: Mapping[str, pd.DataFrame],
        published: Published | None = None,
    ) -> Mapping[str, Table]:
        """How sure the selectors are of the training images that they judge."""
        table = selectors_table(outcome, own.get(SELECTORS, pd.DataFrame()))
        return {} if table is None else {SELECTORS: table}

    def figures(self, outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
        """Confidences of the selectors, and maps of images whose answer changes."""
        from abl.report.figures.maps import maps_figure
        from abl.studies.two_step.figures import selectors_figure

        drawn: dict[str, Draw] = {}
        if SELECTORS in frames.own:
            selectors = frames.own[SELECTORS]
            drawn[SELECTORS] = lambda: selectors_figure(outcome, selectors)
        if (pictures := frames.pictures) is not None:
            drawn["maps"] = lambda: maps_figure(pictures, frames.classes(outcome), CHANGED)
        return drawn

    def control(self, file: SweepFile, arm: Arm) -> str:
        if arm.params.get("false_threshold") == BEST_ON_TEST:
            return "its False threshold is the best on the test labels"
        return test_labels_used(Settings(file, self.axes).of(arm))

    def chosen_on_validation(self, arm: Arm, sweep: Sweep) -> list[tuple[str, str, str]]:
        """T* but for given ones, and calibration."""
        return choices_on_validation(arm, sweep)

    def relevant(self, own: Mapping[str, Any], axes: Collection[str]) -> set[str]:
        return relevant(own, axes)

    def stated(self) -> StatedTables:
        from abl.studies.two_step.stated import STATED

        return STATED

    def weaknesses(self, facts: ReportFacts) -> OwnWeaknesses:
        return two_step_weaknesses(facts)
