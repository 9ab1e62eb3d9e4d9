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
from abl.plan.stage import Stage
from abl.runner.external import NETWORK
from abl.spec.data import Data
from abl.spec.external import External, internal_data
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.studies.external_checks import (
    centre_problems,
    lacking_classes,
    placed_problems,
    why_unscored,
)
from abl.studies.fronts import SEEN, seen_settings
from abl.studies.segmenting import masks_identity
from abl.studies.workspace import OpenData, Workspace

PREDICT_VERSION = 1


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
            known = plan.external.setdefault(block.name, {})
            if training not in known:
                known[training] = plan.add(self._stage(sweep, block, plan.stages[training]))

    def _stage(self, sweep: Sweep, block: External, training: Stage) -> Stage:
        data = block.data_for(sweep.data)
        opened = self._workspace.data(data)
        # how the network is made is as in its training; how images enter follows from the set
        left = {*SEEN, "subset"}
        settings = {name: value for name, value in training.settings.items() if name not in left}
        settings |= seen_settings(sweep.model_copy(update={"data": data}), opened)
        # what it started from does not matter any more
        settings["train"] = {k: v for k, v in settings["train"].items() if k != "weights"}
        context = {name: training.context[name] for name in ("module",) if name in training.context}
        attention = sweep.train.attention
        if attention.masks is not None and not attention.is_predicted:
            # a predicted mask needs none of the set's
            settings |= masks_identity(attention, opened)
            context["masks"] = self._workspace.masks(opened, sweep.image)
        return Stage(
            "predict",
            PREDICT_VERSION,
            settings,
            inputs={NETWORK: training.digest},
            reads=self._reads_of(opened),
            context=context | {"view": self._workspace.view(opened, sweep.image)},
            resources=training.resources,
            label=f"predict {block.name} by {training.label.removeprefix('train ')}",
        )

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
