"""External sets in a sweep: what is left without them, and the stages that predict on them.

They decide nothing: a training reads none of their images, a prediction none of their labels, and
their scores are made when the table is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd

from abl.data.dataset import Dataset
from abl.data.load import load_dataset
from abl.data.manifest import ALL_CLASSES
from abl.data.masks.mask_sets import mask_problems
from abl.data.splits.groups import kept_together
from abl.data.tables.alike_names import nearest_name, shown_name
from abl.data.tables.rows import Rows
from abl.data.view_reads import all_reads
from abl.errors import InputError, Problem, raise_if_any
from abl.plan.graph import Arm, Plan
from abl.spec.data import Data
from abl.spec.external import CENTRE, External, internal_data
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData, Workspace
from abl.studies.shared.arms import Settings


def external_name(name: str) -> str:
    """What predictions on an external set are called beside their trainings."""
    return f"external {name}"


def internal_file(file: SweepFile) -> SweepFile:
    """The file as everything but the external sets sees it: without the rows of their centres."""
    return replace(file, sweep=internal_sweep(file.sweep))


def internal_sweep(sweep: Sweep) -> Sweep:
    """The same of an arm's sweep, whatever its axes have made of the data block."""
    return sweep.model_copy(update={"data": internal_data(sweep.data, sweep.external)})


class InternalSettings(Settings):
    """The sweep as each arm sees it, without the rows of external centres."""

    def of(self, arm: Arm) -> Sweep:
        found = super().of(arm)
        # arms of the same settings share one sweep
        return self._internal.setdefault(id(found), internal_sweep(found))

    @cached_property
    def _internal(self) -> dict[int, Sweep]:
        return {}


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
                    opened = workspace.data(block.data_for(data), named_by="")
                except InputError as error:
                    problems |= dict.fromkeys(placed_problems(file, at, block, error))
                    continue
                if opened is not inside:
                    # what is assumed of a set says whose it is, under the sweep's table
                    said, notes = f"External set {block.name}: ", opened.dataset.notes
                    notes = tuple(n if n.startswith("External set ") else said + n for n in notes)
                    opened.dataset = replace(opened.dataset, notes=notes)
                lacking = lacking_classes(opened.dataset, opened.dataset.frame)
                if lacking:
                    text = f"external set {block.name}: it has no image of class {lacking}; "
                    text += ALL_CLASSES
                    problems[file.problem(text, "external", at)] = None
                elif not problems:
                    workspace.keep_apart(block.name, opened, inside)
        raise_if_any(list(problems))

    def add(self, plan: Plan, sweep: Sweep, training: str) -> None:
        """Adds the predictions of an arm's training (its digest) on every set."""
        if not self._blocks:
            return
        from abl.stages.elsewhere import predicted_elsewhere

        for block in self._blocks:
            name = external_name(block.name)
            opened = self._workspace.data(block.data_for(sweep.data))
            if why_unscored(sweep, opened) or plan.beside_of(name, training):
                continue
            key = opened.data.model_dump_json()
            if key not in self._reads:
                self._reads[key] = all_reads(opened.dataset.frame)
            stage = predicted_elsewhere(
                plan, self._workspace, sweep, block.name, opened, training, self._reads[key]
            )
            plan.put_beside(name, training, stage)


SHUFFLED = "its pairs are shuffled within classes, which would take the set's labels"

NAMED = 5  # patients listed in a message
# what of a data block changes no row's centre, class or patient
_PLAIN = {"modality": "first", "pairing": "own", "unit": "image"}


def external_problems(file: SweepFile, arms: Iterable[Data]) -> list[Problem]:
    """What is wrong with the external blocks, beside the data block of each arm, without data."""
    sweep, blocks = file.sweep, file.sweep.external
    problems = []
    names = [block.name for block in blocks]
    different = {data.model_dump_json(): data for data in arms}.values()
    for at, block in enumerate(blocks):
        said = f"external set {block.name}"
        if block.name in names[:at]:
            text = f"{said}: this name is given twice"
            problems.append(file.problem(text, "external", at, "name"))
        if block.classes not in (None, sweep.data.classes):
            text = (
                f"{said}: its classes are {', '.join(block.classes or ())}, those of data "
                f"{', '.join(sweep.data.classes)}: they must be the same, in the same order; "
                "leave classes out here, and write the labels of the set so"
            )
            problems.append(file.problem(text, "external", at, "classes"))
        if block.phantom is not None and len(sweep.data.classes) != 2:
            text = f"{said}: the phantom has two classes, data {len(sweep.data.classes)}"
            problems.append(file.problem(text, "external", at, "phantom"))
            continue
        if block.phantom is not None:
            own = "diagnosis" if sweep.data.phantom is None else sweep.data.phantom.task
            if block.phantom.task != own:
                text = f"{said}: its task is {block.phantom.task}, that of data {own}"
                problems.append(file.problem(text, "external", at, "phantom"))
        for data in different:
            try:
                block.data_for(data)
            except ValueError as error:
                text = f"{said}: {error}"
                problems.append(file.problem(text, "external", at, "modality"))
    return list(dict.fromkeys(problems))


def centre_problems(file: SweepFile, workspace: Workspace, arms: Iterable[Data]) -> list[Problem]:
    """Centres that are not there, that leave nothing, or whose patients are elsewhere too."""
    blocks = [(at, block) for at, block in enumerate(file.sweep.external) if block.centre]
    if not blocks:
        return []
    plain = [data.model_copy(update=_PLAIN) for data in arms]
    sets = {data.model_dump_json(): data for data in plain}
    # not of the workspace, whose data sets are those that the sweep uses
    whole = [
        load_dataset(data, base=workspace.base, roots=workspace.roots) for data in sets.values()
    ]
    found = [_of_centres(file, blocks, dataset) for dataset in whole]
    return list(dict.fromkeys(problem for each in found for problem in each))


def _of_centres(
    file: SweepFile, blocks: Sequence[tuple[int, External]], dataset: Dataset
) -> list[Problem]:
    frame = dataset.frame
    if CENTRE not in frame:
        text = (
            f"external set {blocks[0][1].name}: {dataset.name} has no column {CENTRE}; if it is "
            f"called otherwise, name it with data: {{columns: {{{CENTRE}: ...}}}}"
        )
        return [file.problem(text, "external", blocks[0][0], CENTRE)]
    centres = np.array(Rows(dataset.name, frame, []).text(CENTRE), dtype=object)
    problems = []
    for at, block in blocks:
        for centre in block.centre:
            if centre not in centres:
                hint = nearest_name(centre, {name for name in centres if name})
                where = f"{CENTRE} {shown_name(centre)}"
                text = f"external set {block.name}: no row has {where}; {hint}"
                problems.append(file.problem(text, "external", at, CENTRE))
    named = {centre for _, block in blocks for centre in block.centre}
    outside = np.isin(centres, list(named))
    inside = frame[~outside]
    place = ("external", blocks[-1][0], CENTRE)
    if outside.all():
        text = f"external: every row of {dataset.name} is of an external centre: none is left"
        problems.append(file.problem(text, *place))
    elif lacking := lacking_classes(dataset, inside):
        text = f"external: without these centres no image of class {lacking} is left to train on"
        problems.append(file.problem(text, *place))
    names, word = kept_together(frame), dataset.clusters
    both = sorted(set(names[outside]) & set(names[~outside]))
    if both:
        shown = ", ".join(map(str, both[:NAMED])) + (", ..." if len(both) > NAMED else "")
        who = f"1 {word} has" if len(both) == 1 else f"{len(both)} {word}s have"
        text = f"external: {who} images of an external centre and of another one: {shown}"
        problems.append(file.problem(text, *place))
    return problems


def lacking_classes(dataset: Dataset, rows: pd.DataFrame) -> str:
    """Names of the classes that no row has, "" if each has one."""
    present = set(rows["label"].tolist())
    return ", ".join(name for at, name in enumerate(dataset.classes) if at not in present)


def placed_problems(
    file: SweepFile, at: int, block: External, error: InputError
) -> Sequence[Problem]:
    """Problems of a data block, told of the external block that it stands for."""
    found = []
    for problem in error.problems:
        message = problem.message.removeprefix("data.")
        text, key = f"external set {block.name}: {message}", message.partition(":")[0]
        own = file.problem(text, "external", at, key)
        found.append(own if problem.file is None else replace(problem, message=text))
    return found


def why_unscored(sweep: Sweep, opened: OpenData) -> str:
    """Why an arm cannot be scored on an external set, "" if it can."""
    if sweep.data.pairing == "shuffled":
        return SHUFFLED
    attention = sweep.train.attention
    # a predicted mask needs none of the set's
    if attention.masks is None or attention.is_predicted:
        return ""
    lacking = mask_problems(opened.dataset, attention.masks)
    return f"its images lack what mask: {attention.mask} is made of" if lacking else ""
