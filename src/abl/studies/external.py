"""External sets in a sweep: what is left without them, and the stages that predict on them.

They decide nothing: a training reads none of their images, a prediction none of their labels, and
their scores are made when the table is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from abl.data.views import all_reads
from abl.errors import InputError, Problem, raise_if_any
from abl.plan.graph import Plan
from abl.spec.data import Data
from abl.spec.external import External, internal_data
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData, Workspace
from abl.stages.predict import predict_stage
from abl.studies.external_checks import (
    centre_problems,
    lacking_classes,
    placed_problems,
    why_unscored,
)


def external_name(name: str) -> str:
    """What predictions on an external set are called beside their trainings."""
    return f"external {name}"


def internal_file(file: SweepFile) -> SweepFile:
    """The file as everything but the external sets sees it: without the rows of their centres."""
    return replace(file, sweep=internal_sweep(file.sweep))


def internal_sweep(sweep: Sweep) -> Sweep:
    """The same of an arm's sweep, whatever its axes have made of the data block."""
    return sweep.model_copy(update={"data": internal_data(sweep.data, sweep.external)})


class ExternalSets:
    """The external sets of a sweep and the stages that predict on them.

    Args:
        file: As it was read, before `internal_file`.
        arms: The data block of each arm, external centres included.

    Raises:
        InputError: With everything that is wrong with the sets.
    """

    def __init__(self, file: SweepFile, workspace: Workspace, arms: Iterable[Data]):
        self._workspace, self._blocks = workspace, file.sweep.external
        self._reads: dict[str, str] = {}
        if not self._blocks:
            return
        different = {each.model_dump_json(): each for each in arms}.values()
        # rows of a centre that is not there cannot be left out, so this is looked at first
        raise_if_any(centre_problems(file, workspace, different))
        problems: dict[Problem, None] = {}
        for data in (internal_data(each, self._blocks) for each in different):
            inside = workspace.data(data)
            for at, block in enumerate(self._blocks):
                try:
                    opened = workspace.data(block.data_for(data))
                except InputError as error:
                    problems |= dict.fromkeys(placed_problems(file, at, block, error))
                    continue
                if opened is not inside:
                    _name_notes(opened, block)
                lacking = lacking_classes(opened.dataset, opened.dataset.frame)
                if lacking:
                    text = f"external set {block.name}: it has no image of class {lacking}"
                    problems[file.problem(text, "external", at)] = None
                elif not problems:
                    workspace.keep_apart(block.name, opened, inside)
        raise_if_any(list(problems))

    def add(self, plan: Plan, sweep: Sweep, training: str) -> None:
        """Adds the predictions of an arm's training on every set.

        Args:
            sweep: Of the arm.
            training: Digest, in the plan.
        """
        for block in self._blocks:
            if why_unscored(sweep, self._workspace.data(block.data_for(sweep.data))):
                continue
            name = external_name(block.name)
            if not plan.beside_of(name, training):
                opened = self._workspace.data(block.data_for(sweep.data))
                stage = predict_stage(
                    self._workspace,
                    sweep,
                    block.name,
                    opened,
                    plan.stages[training],
                    self._reads_of(opened),
                )
                plan.put_beside(name, training, stage)

    def _reads_of(self, opened: OpenData) -> str:
        key = opened.data.model_dump_json()
        if key not in self._reads:
            self._reads[key] = all_reads(opened.dataset.frame)
        return self._reads[key]


def _name_notes(opened: OpenData, block: External) -> None:
    """Makes what is assumed of a set say whose it is, as it stands under the sweep's table."""
    said = f"External set {block.name}: "
    notes = tuple(
        note if note.startswith("External set ") else said + note for note in opened.dataset.notes
    )
    opened.dataset = replace(opened.dataset, notes=notes)
