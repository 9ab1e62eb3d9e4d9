"""What can be wrong with the external sets of a sweep, each fault told at its line of the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from abl.data.dataset import Dataset
from abl.data.load import load_dataset
from abl.data.mask_cut import mask_problems
from abl.data.tables import Rows
from abl.errors import InputError, Problem, nearest
from abl.spec.data import Data
from abl.spec.external import CENTRE, External
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import OpenData, Workspace

SHUFFLED = "its pairs are shuffled within classes, which would take the set's labels"

NAMED = 5  # patients listed in a message
# what of a data block changes no row's centre, class or patient
_PLAIN = {"modality": "first", "pairing": "own", "unit": "image"}


def external_problems(file: SweepFile, arms: Iterable[Data]) -> list[Problem]:
    """What is wrong with the external blocks that needs no data.

    Args:
        arms: The data block of each arm.
    """
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
                f"{', '.join(sweep.data.classes)}: they must be the same, in the same order"
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


def unsupported_problems(file: SweepFile) -> list[Problem]:
    """Of a study that scores no external sets."""
    if not file.sweep.external:
        return []
    text = f"external: study {file.sweep.study} scores no external sets yet; leave them out"
    return [file.problem(text, "external")]


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
                hint = nearest(centre, {name for name in centres if name})
                text = f"external set {block.name}: no row has {CENTRE} '{centre}'; {hint}"
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
    both = sorted(set(frame["patient"][outside]) & set(inside["patient"]))
    if both:
        shown = ", ".join(map(str, both[:NAMED])) + (", ..." if len(both) > NAMED else "")
        who = "1 patient has" if len(both) == 1 else f"{len(both)} patients have"
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
        text = f"external set {block.name}: {message}"
        key = message.partition(":")[0]
        elsewhere = problem.file is not None
        found.append(
            replace(problem, message=text) if elsewhere else file.problem(text, "external", at, key)
        )
    return found


def why_unscored(sweep: Sweep, opened: OpenData) -> str:
    """Why an arm cannot be scored on an external set, "" if it can.

    Args:
        sweep: Of the arm.
        opened: The set.
    """
    if sweep.data.pairing == "shuffled":
        return SHUFFLED
    attention = sweep.train.attention
    # a predicted mask needs none of the set's
    if attention.masks is None or attention.is_predicted:
        return ""
    lacking = mask_problems(opened.dataset, attention.masks)
    return f"its images lack what mask: {attention.mask} is made of" if lacking else ""
