"""What studies share in which an arm is one trained network: from axes to scored arms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from abl.data.splits.splits import all_replicates
from abl.decide.check import Floats
from abl.decide.decision import TIE_RULE, with_cutoff_at_half
from abl.errors import InputError, Problem, raise_if_any
from abl.nets.registry import check_network
from abl.plan.graph import Arm, Plan, PlannedCell, Replicate
from abl.plan.stage import canonical_json
from abl.report.named import planned_words
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.stages.train import Trainings
from abl.studies.contract import Study, options_of
from abl.studies.shared.analysis import (
    Analysis,
    ScoredArm,
    ScoredCell,
    ScoredPart,
    Units,
    analysis_of,
    scored_arms,
)
from abl.studies.shared.arm_cell import ArmCell
from abl.studies.shared.arms import Settings, arms_from
from abl.studies.shared.checks import (
    PRETRAINED,
    RANDOM,
    arm_problems,
    design_faults,
    metric_problems,
    network_problems,
    open_data,
    place_of_axis,
    refuse_equal_repeats,
    stated_problems,
    weights_faults,
)
from abl.studies.shared.controls import test_labels_used
from abl.studies.shared.external import (
    ExternalSets,
    external_problems,
    internal_file,
    internal_sweep,
)
from abl.studies.shared.external_scores import external_note, external_rows
from abl.studies.shared.idle_axes import idle_axes
from abl.studies.shared.plan_notes import apart_notes, replicate_notes, test_sets
from abl.studies.shared.predictions import Predictions
from abl.studies.shared.scoring import scored_outcome

ROLE = "original"  # of an arm's one network, in its cells and for its rule
CUTOFF = "cutoff"  # what a study that chooses one notes of each replicate

# position of an arm, replicate -> digest of its network, whose stages are in the plan then
TrainedBy = Callable[[int, Replicate], str]


def same_network_notes(plan: Plan, sweep: Sweep) -> list[str]:
    """A sentence for arms whose settings come to the same trainings, but for axes of which it is
    said that they change nothing.
    """
    by_networks: dict[tuple[str, ...], dict[str, str]] = {}
    named = planned_words(plan.arms, sweep.name, sweep.labels)
    for arm, words, cells in zip(plan.arms, named, plan.cells_by_arm(), strict=True):
        networks = tuple(cell.uses[ROLE] for cell in cells)
        others = {axis: value for axis, value in arm.params.items() if axis not in plan.idle}
        by_networks.setdefault(networks, {}).setdefault(
            canonical_json(sorted(others.items())), words
        )
    return [
        f"{' and '.join(words.values())} are one network, trained once: each is a row"
        for words in by_networks.values()
        if len(words) > 1
    ]


class SingleNetwork(Study):
    """A study whose arms are one network each, scored at its own most probable class.

    A study gives `name`, `description`, `axes`, `options`, and what its values mean.
    """

    smoke_options: ClassVar[Mapping[str, Any]] = {}

    def relevant(self, own: Mapping[str, Any], axes: Collection[str]) -> set[str]:
        """The axes that matter to an arm: no levels of a pyramid that its head does not have."""
        return set(axes) - ({"train.spp_levels"} if own.get("head", "spp") != "spp" else set())

    def meaning(self, params: dict[str, Any], file: SweepFile) -> dict[str, Any]:
        """Settings that an arm's values stand for, by dotted path: what it starts from."""
        weights = str(params.get("weights", PRETRAINED))
        if weights == PRETRAINED:
            return {}
        return {"train.weights": "none" if weights == RANDOM else weights}

    def faults(self, arm: Arm, sweep: Sweep, file: SweepFile) -> list[tuple[str, str]]:
        """(axis, what is wrong) with an arm: weights, a head or a count that do not fit it."""
        return weights_faults(arm, file) or design_faults(sweep)

    def facts(self, file: SweepFile) -> dict[str, Any]:
        """What the figures of the study want to know beside the table."""
        return {"network": file.sweep.train.network}

    def trained_by(
        self,
        file: SweepFile,
        arms: Sequence[Arm],
        sweeps: Sequence[Sweep],
        trainings: Callable[[Sweep], Trainings],
    ) -> TrainedBy:
        """How an arm's network is trained: on its whole training part, if a study says no more.

        Args:
            file: Without external centres, as `sweeps`, one an arm.
            trainings: Makes the stages of a sweep.
        """
        own = [trainings(sweep) for sweep in sweeps]
        return lambda at, replicate: own[at].train(replicate)

    def cutoffs(
        self, file: SweepFile, sweep: Sweep, validation: ScoredPart, test: ScoredPart | None
    ) -> dict[str, float]:
        """The `cutoff` of an arm on a replicate and what is to be kept beside it; {} for 0.5.

        Args:
            sweep: The arm's.
            test: For a published protocol that chooses by it; None if it is not to be read.
        """
        return {}

    def settings(self, file: SweepFile) -> Settings:
        """The sweep as each arm sees it."""
        return Settings(file, self.axes, lambda params: self.meaning(params, file))

    def control(self, file: SweepFile, arm: Arm) -> str:
        """By the settings that an arm comes to, whatever axis gives them."""
        return test_labels_used(self.settings(file).of(arm))

    def problems(self, file: SweepFile) -> list[Problem]:
        problems = [*metric_problems(file), *network_problems(file), *stated_problems(file)]
        try:
            options_of(file, self.options)
        except InputError as error:
            # nothing that options decide can be judged
            return list(dict.fromkeys([*problems, *error.problems]))
        arms, found = arms_from(file, self.axes, self.relevant)
        problems += found
        settings, seen = self.settings(file), []
        for arm in arms.arms:
            try:
                sweep = settings.of(arm)
            except InputError as error:
                problems += error.problems
                continue
            seen.append(sweep.data)
            wrong = check_network(sweep.train.network)
            if not wrong:
                faults = self.faults(arm, sweep, file)
            else:  # that of the train block is told already
                faults = [("network", wrong)] if sweep.train != file.sweep.train else []
            problems += [file.problem(text, *self._place(file, arm, axis)) for axis, text in faults]
        problems += external_problems(file, seen)
        problems += arm_problems(file, self.axes, arms.arms, self.relevant)
        return list(dict.fromkeys(problems))

    def _place(self, file: SweepFile, arm: Arm, axis: str) -> tuple[str | int, ...]:
        """Where the file gives an axis, or the setting that it stands for, its value."""
        setting = next((each.setting for each in self.axes if each.name == axis), "")
        if "." in axis and axis not in arm.named:
            return tuple(axis.split("."))
        if axis in arm.named or not setting:
            return place_of_axis(file, axis)
        return tuple(setting.split("."))

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """A network for every arm and replicate, and its predictions on every external set."""
        raise_if_any(self.problems(file))
        arms, _ = arms_from(file, self.axes, self.relevant)
        given = self.settings(file).all_of(arms.arms)
        external = ExternalSets(file, workspace, [sweep.data for sweep in given])
        file, sweeps = internal_file(file), [internal_sweep(sweep) for sweep in given]
        open_data(workspace, [sweep.data for sweep in (file.sweep, *sweeps)])
        plan = Plan(
            arms=arms.arms, replicates=all_replicates(file.sweep.splits, file.sweep.replicates),
            sweeps=sweeps,
        )  # fmt: skip
        opened = workspace.data(file.sweep.data)
        refuse_equal_repeats(file, opened)
        tested = test_sets(sweeps, workspace.data, plan.replicates)
        plan.notes += replicate_notes(file.sweep, tested, plan.replicates)
        plan.notes += apart_notes(file, self.axes, plan.arms, self.relevant, tested)
        made: dict[Sweep, Trainings] = {}

        def trainings(sweep: Sweep) -> Trainings:
            if sweep not in made:
                made[sweep] = Trainings(sweep, workspace, plan)
            return made[sweep]

        trained = self.trained_by(file, arms.arms, sweeps, trainings)
        for at, sweep in enumerate(sweeps):
            for replicate in plan.replicates:
                digest = trained(at, replicate)
                plan.cells.append(PlannedCell(at, replicate, {ROLE: digest}))
                # alone, a cell would also train what its network starts from, or is chosen by
                behind = plan.stages[digest].inputs.values()
                plan.asked += 1 + sum(max(1, len(plan.stages[each].inputs)) for each in behind)
                external.add(plan, sweep, digest)
        plan.idle = idle_axes(plan, self.axes, workspace.data)
        plan.notes += same_network_notes(plan, file.sweep)
        return plan

    def validated(
        self, file: SweepFile, arm: Arm, cell: PlannedCell, workspace: Workspace
    ) -> ScoredPart:
        sweep = internal_sweep(self.settings(internal_file(file)).of(arm))
        opened, predictions = workspace.data(sweep.data), Predictions(workspace.store)
        part = ArmCell(sweep, {"rule": ROLE}, cell, predictions, opened).validated()
        return _at_half(part, self.cutoffs(file, sweep, part, None).get(CUTOFF, TIE_RULE))

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """Scores every arm on its test sets, each read once, then on the external sets."""
        file = internal_file(file)
        predictions, settings = Predictions(workspace.store), self.settings(file)

        def score(arm: Arm, cells: list[PlannedCell]) -> ScoredArm:
            sweep = internal_sweep(settings.of(arm))
            opened = workspace.data(sweep.data)
            found = [
                ArmCell(sweep, {"rule": ROLE}, cell, predictions, opened).scored() for cell in cells
            ]
            return ScoredArm(arm, tuple(self._with_cutoff(file, sweep, cell) for cell in found))

        scored = scored_arms(plan, workspace.store, score)
        outcome = scored_outcome(
            file, plan, workspace, self.axes, self.relevant, scored, study=self.facts(file),
            control=lambda arm: self.control(file, arm),
        )  # fmt: skip
        if file.sweep.external:
            # the table is made: nothing of it can follow from what comes now
            sweeps = [internal_sweep(each) for each in settings.all_of(plan.arms)]

            def own(at: int, cell: PlannedCell, digests: Mapping[str, str], units: Units) -> Floats:
                of_cell = {each.replicate: each.chosen for each in scored[at].cells}
                p = predictions.of(digests[ROLE], "external", units)
                return with_cutoff_at_half(p, of_cell[cell.replicate].get(CUTOFF, TIE_RULE))

            rows = external_rows(file.sweep, plan, workspace, sweeps, scored, outcome, own)
            notes = (*outcome.notes, external_note(rows))
            outcome = replace(outcome, notes=notes, facts=replace(outcome.facts, external=rows))
        return analysis_of(outcome, scored)

    def _with_cutoff(self, file: SweepFile, sweep: Sweep, cell: ScoredCell) -> ScoredCell:
        """Both parts by the study's cut-off; a single network sends nothing on."""
        chosen = self.cutoffs(file, sweep, cell.validation, cell.test)
        cutoff = chosen.get(CUTOFF, TIE_RULE)
        validation, test = (_at_half(part, cutoff) for part in (cell.validation, cell.test))
        return replace(cell, validation=validation, test=test, chosen=chosen)


def _at_half(part: ScoredPart, cutoff: float) -> ScoredPart:
    """The part with probabilities whose usual class is that of a cut-off."""
    return replace(part, p=with_cutoff_at_half(part.p, cutoff))
