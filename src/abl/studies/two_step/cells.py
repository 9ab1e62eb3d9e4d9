"""Arms of the two-step study on their replicates: each decides on internal validation images, is
scored on test images, and then decides in the same way on external sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from abl.decide.check import Floats
from abl.decide.risk_bounds import fewest_patients
from abl.errors import InputError
from abl.plan.graph import Arm, Plan, PlannedCell, Replicate
from abl.report.named import planned_words
from abl.stages.inputs import Workspace
from abl.studies.contract import options_of
from abl.studies.shared.analysis import ScoredArm, ScoredCell, Units
from abl.studies.shared.arm_cell import RISK, ArmCell
from abl.studies.shared.arms import Settings
from abl.studies.shared.predictions import Predictions
from abl.studies.shared.thresholds import mean_curve
from abl.studies.two_step.options import Options


class ArmCells:
    """The arms of a plan on its replicates, scored one after the other.

    Args:
        settings: The sweep as each arm sees it, without external centres.
        predictions: Of its store.
    """

    def __init__(self, settings: Settings, workspace: Workspace, predictions: Predictions):
        self._settings, self._workspace = settings, workspace
        self._predictions = predictions
        self._scored: dict[tuple[int, Replicate], ArmCell] = {}

    def cell(self, arm: Arm, cell: PlannedCell) -> ArmCell:
        """An arm on a replicate, by the file as the arm sees it."""
        own = self._settings.addressed_file(arm)
        options, opened = options_of(own, Options), self._workspace.data(own.sweep.data)
        return ArmCell(
            own.sweep, arm.params, cell, self._predictions, opened,
            own.sweep.curve("threshold"), options.search, options.promise,
        )  # fmt: skip

    def score(self, arm: Arm, cells: Sequence[PlannedCell]) -> ScoredArm:
        """An arm on all its replicates.

        Raises:
            InputError: It cannot decide on one of them (no T* keeps its promise): it has no table
                row then, as a mean over the others would be one over the easy ones.
        """
        searches = self._workspace.store.root / "searches"
        found: list[ScoredCell] = []
        faults: list[InputError] = []
        for each in cells:
            made = self.cell(arm, each)
            try:
                found.append(made.scored(searches))
            except InputError as error:
                faults.append(error)
            else:
                self._scored[each.arm, each.replicate] = made
        if faults and len(cells) > 1:
            raise InputError(f"{faults[0]}; in {len(faults)} of {len(cells)} replicates")
        if faults:
            raise faults[0]
        curves = mean_curve([cell.curve for cell in found])
        return ScoredArm(arm, tuple(found), curves, mean_curve([cell.test_curve for cell in found]))

    def external(
        self, at: int, cell: PlannedCell, digests: Mapping[str, str], units: Units
    ) -> Floats:
        """Final probabilities (U, K) on an external set: nothing is chosen anew.

        Args:
            at: Position of an arm that was scored.
            digests: Role -> digest of its network's predictions on the set.
        """
        return self._scored[at, cell.replicate].external(digests, units)


def hopeless_promises(plan: Plan, settings: Settings, workspace: Workspace) -> list[str]:
    """A sentence for each promise that the validation patients at hand are too few to keep."""
    found = []
    for arm in plan.arms:
        if arm.params.get("threshold") != "promise":
            continue
        own = settings.addressed_file(arm)
        promise, opened = options_of(own, Options).promise.promise, workspace.data(own.sweep.data)
        if promise.risk == "missed" and len(opened.dataset.classes) != 2:
            text = (
                "options.promise.risk: missed is for two classes, and these are "
                f"{len(opened.dataset.classes)}: write error"
            )
            raise InputError([own.problem(text, "options", "promise", "risk")])
        counts = []
        for repeat, fold in dict.fromkeys((each.repeat, each.fold) for each in plan.replicates):
            split = opened.split(own.sweep.splits, repeat, fold)
            rows = opened.dataset.frame.iloc[split.validation]
            counts.append(rows[rows["label"] == 1] if promise.risk == "missed" else rows)
        fewest = min(int(rows["patient"].nunique()) for rows in counts)
        needed = fewest_patients(promise.level, promise.alpha)
        if fewest < needed:
            kind = "patients with malignant images" if promise.risk == "missed" else "patients"
            found.append(
                f"threshold: promise ({promise}) takes {needed} validation {kind} without an "
                f"error, and a split has {fewest}: no T* can keep it"
            )
    return list(dict.fromkeys(found))


def promise_notes(scored: Sequence[ScoredArm], settings: Settings) -> list[str]:
    """What became of promised risks on the test images, with the arms that it is true of."""
    notes: dict[str, list[str]] = {}
    if not scored:
        return []
    sweep = settings.of(scored[0].arm)
    named = planned_words([arm.arm for arm in scored], sweep.name, sweep.labels)
    for arm, words in zip(scored, named, strict=True):
        values = np.array([cell.chosen[RISK] for cell in arm.cells if RISK in cell.chosen])
        known = values[~np.isnan(values)]
        if not known.size:
            continue
        promise = options_of(settings.addressed_file(arm.arm), Options).promise.promise
        above = int(np.sum(known > promise.level))
        ends = f", {100 * known.min():.1f} to {100 * known.max():.1f} %" if known.size > 1 else ""
        said = (
            f"T* by promise ({promise}): on test images the risk is {100 * known.mean():.1f} %"
            f"{ends}; above the level in {above} of {len(values)} replicates"
        )
        notes.setdefault(said, []).append(words)
    return [f"{said} ({'; '.join(titles)})." for said, titles in notes.items()]
