"""Study two_step: consensus data selection and the two-step decision with threshold T*.

Source: Lee, Kwak, Lee, Sci. Rep. 2025, doi 10.1038/s41598-025-00416-5. The original network O is
trained on all training images, the True network T on those that at least N selectors classify
correctly; images on which O is not confident enough go to T.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from abl.data.splits import all_replicates
from abl.decide.rules import rule_named
from abl.errors import InputError, Problem, raise_if_any
from abl.nets.registry import check_network
from abl.plan.graph import Arm, Plan, PlannedCell
from abl.report.page.report_facts import ReportFacts
from abl.report.page.weaknesses import OwnWeaknesses
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.stages.train import Trainings
from abl.studies.contract import Study, StudyAxis, options_of, study
from abl.studies.shared.analysis import Analysis, ScoredArm, ScoredPart, analysis_of, scored_arms
from abl.studies.shared.arms import Settings, arms_from
from abl.studies.shared.checks import (
    arm_problems,
    design_faults,
    metric_problems,
    network_problems,
    open_data,
    place_of_axis,
    stated_problems,
)
from abl.studies.shared.external import unsupported_problems
from abl.studies.shared.plan_notes import replicate_notes
from abl.studies.shared.predictions import Predictions
from abl.studies.shared.scoring import scored_outcome
from abl.studies.shared.thresholds import (
    ArmCell,
    curve_values,
    decision_search_problems,
    mean_curve,
    threshold_problem,
)
from abl.studies.two_step.label_noise import noise_rows
from abl.studies.two_step.networks import (
    as_selector,
    judged_parts,
    kept_notes,
    network_parts,
    networks_of,
    trained_alone,
)
from abl.studies.two_step.options import (
    Options,
    arm_faults,
    needs_selection,
    relevant,
    two_step_weaknesses,
)


@study
class TwoStep(Study):
    """Arms are (network, consensus N, rule, T*); T* is usually a curve."""

    name: ClassVar[str] = "two_step"
    description: ClassVar[str] = "Consensus data selection and the two-step decision (Lee 2025)."
    options: ClassVar[type[Part]] = Options
    # networks of two epochs agree on little
    smoke_options: ClassVar[Mapping[str, Any]] = {"keep_at_least": 8}
    axes: ClassVar[tuple[StudyAxis, ...]] = (
        StudyAxis("network", "Architecture of O and T.", setting="train.network", words=True),
        StudyAxis("consensus", "N: a training image is kept if N selectors get it right.", 3),
        StudyAxis(
            "second",
            "What T is trained on: true (True-N), or a control: retrained (all images, another "
            "seed) or matched (random images, size and classes of True-N).",
            "true",
            words=True,
        ),
        StudyAxis("rule", "How the predictions of O and T become one.", "model1", words=True),
        StudyAxis(
            "threshold",
            "T*: a number in [0, 1], always, a share as '38%', or how it is chosen in each "
            "replicate: exact (best on validation), histogram (of confidences on training images), "
            "search (options.search).",
            0.9,
        ),
        StudyAxis(
            "false_k",
            "k: a False network, trained on images that k selectors get wrong, replaces final "
            "predictions that are still unsure; or none.",
        ),
        StudyAxis(
            "false_threshold",
            "Confidence under which the False network decides; or "
            "best_on_test, the paper's choice, which needs protocol: published.",
            0.1,
        ),
        StudyAxis(
            "calibrate",
            "Of each network, fitted on validation before T*: none, temperature or prior.",
            words=True,
        ),
    )

    def problems(self, file: SweepFile) -> list[Problem]:
        problems = [*metric_problems(file), *network_problems(file)]
        arms, found = arms_from(file, self.axes, relevant, ["threshold"])
        problems += found
        settings = Settings(file, self.axes)
        if not arms.arms:
            try:
                options_of(file, Options)
            except InputError as error:
                problems += error.problems
        for arm in arms.arms:
            own, panel = file, None
            try:
                own = settings.file_of(arm)
            except InputError as error:
                problems += error.problems
            else:
                wrong = check_network(own.sweep.train.network)
                if "train.network" in arm.params:
                    problems += [file.problem(wrong, "axes", "train.network")] if wrong else []
                if not wrong:
                    faults = [text for _, text in design_faults(own.sweep)]
                    problems += [file.problem(text, "train") for text in faults]
            try:
                options = options_of(own, Options)
            except InputError as error:
                problems += error.problems
            else:
                panel, last_k = options.panel, own.sweep.train.last_k
                if arm.params.get("threshold") == "search":
                    faults = decision_search_problems(options.search)
                    problems += [file.problem(text, "options", "search") for text in faults]
                if options.epochs is not None and options.epochs < last_k:
                    text = f"options.epochs: {options.epochs} is less than train.last_k: {last_k}"
                    problems.append(file.problem(text, "options", "epochs"))
            problems += [
                file.problem(text, *place_of_axis(file, axis))
                for axis, text in arm_faults(dict(arm.params), panel, file.sweep.protocol)
            ]
        values = curve_values(file.sweep) or ()
        faults = [threshold_problem(value, of_curve=True) for value in values]
        problems += [file.problem(text, "axes", "threshold") for text in faults if text]
        problems += arm_problems(file, self.axes, arms.arms, relevant)
        problems += [*stated_problems(file), *unsupported_problems(file)]
        return list(dict.fromkeys(problems))

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """Selectors, selection, O and T of every arm on every replicate."""
        raise_if_any(self.problems(file))
        arms, _ = arms_from(file, self.axes, relevant, ["threshold"])
        settings = Settings(file, self.axes)
        sweeps = settings.all_of(arms.arms)
        open_data(workspace, [file.sweep, *sweeps])
        plan = Plan(arms=arms.arms, replicates=all_replicates(file.sweep))
        if arms.cells > len(arms.arms):
            plan.notes.append(
                f"{arms.cells} combinations of axis values are {len(arms.arms)} arms: rules that "
                "use no second network or threshold do not vary with it"
            )
        opened = workspace.data(file.sweep.data)
        plan.notes += replicate_notes(file.sweep, opened, plan.replicates)
        values = curve_values(file.sweep)
        made: dict[str, Trainings] = {}

        def trainings(sweep: Sweep) -> Trainings:
            key = sweep.model_dump_json()
            if key not in made:
                made[key] = Trainings(sweep, workspace, plan)
            return made[key]

        panels: dict[int, tuple[list[Trainings], Options]] = {}
        for at, (arm, sweep) in enumerate(zip(arms.arms, sweeps, strict=True)):
            rule = rule_named(str(arm.params["rule"]))
            params, options = dict(arm.params), Options()
            panel: list[Trainings] = []
            if needs_selection(params):
                # arms of the same settings share one Sweep: what follows from it is made once
                if id(sweep) not in panels:
                    options = options_of(settings.file_of(arm), Options)
                    source = sweep
                    if options.selectors == "base":
                        own = {"image": file.sweep.image, "train": file.sweep.train}
                        source = sweep.model_copy(update=own)
                    selectors = [as_selector(source, name, options) for name in options.panel]
                    panels[id(sweep)] = [trainings(each) for each in selectors], options
                panel, options = panels[id(sweep)]
            networks = trainings(sweep)
            times = len(values) if rule.has_threshold and values else 1
            for replicate in plan.replicates:
                uses = networks_of(rule.uses, params, networks, panel, options, replicate)
                plan.cells.append(PlannedCell(at, replicate, uses))
                plan.asked += trained_alone(plan, uses) * times
        return plan

    def validated(
        self, file: SweepFile, arm: Arm, cell: PlannedCell, workspace: Workspace
    ) -> ScoredPart:
        own = Settings(file, self.axes).file_of(arm)
        return _cell_of(own, arm, cell, Predictions(workspace.store), workspace).validated()

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """Scores every arm: T* chosen on validation, test read once."""
        predictions = Predictions(workspace.store)
        settings = Settings(file, self.axes)
        searches = workspace.store.root / "searches"

        def score(arm: Arm, cells: list[PlannedCell]) -> ScoredArm:
            own = settings.file_of(arm)
            of = [_cell_of(own, arm, cell, predictions, workspace) for cell in cells]
            found = [each.scored(searches) for each in of]
            curves = mean_curve([cell.curve for cell in found])
            exploratory = mean_curve([cell.test_curve for cell in found])
            return ScoredArm(arm, tuple(found), curves, exploratory)

        scored = scored_arms(plan, workspace.store, score)
        outcome = scored_outcome(
            file, plan, workspace, self.axes, relevant, scored,
            curve_axis="threshold" if curve_values(file.sweep) else "", study={},
        )  # fmt: skip
        noise = noise_rows(plan, workspace.store, judged_parts(plan, settings, workspace))
        facts = replace(outcome.facts, study={"label_noise": noise}) if noise else outcome.facts
        notes = (*outcome.notes, *kept_notes(plan, workspace.store))
        outcome = replace(outcome, notes=notes, facts=facts)
        return analysis_of(outcome, scored, network_parts(plan, settings, workspace, predictions))

    def weaknesses(self, facts: ReportFacts) -> OwnWeaknesses:
        return two_step_weaknesses(facts)


def _cell_of(
    own: SweepFile, arm: Arm, cell: PlannedCell, predictions: Predictions, workspace: Workspace
) -> ArmCell:
    """An arm on a replicate, by the file as the arm sees it."""
    opened, search = workspace.data(own.sweep.data), options_of(own, Options).search
    values = curve_values(own.sweep)
    return ArmCell(own.sweep, arm.params, cell, predictions, opened, values, search)
