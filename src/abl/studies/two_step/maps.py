"""Where the original and the second network look in images whose answer the second one changes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abl.data.masks.mask_sets import open_masks
from abl.data.views import open_view
from abl.decide.check import largest_class
from abl.plan.graph import Plan, PlannedCell
from abl.plan.stage import PREDICTIONS
from abl.report.pictures import Picture, Pictures
from abl.report.prediction_frames import probabilities_of
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.studies.shared.activations import ACTIVATIONS, KeptMaps, add_activation, pictured
from abl.studies.shared.arms import Settings
from abl.studies.two_step.options import Options

MOST_OF_A_KIND = 3  # images that T puts right, and that it gets wrong
RIGHT, WRONG = "became right", "became wrong"
CHANGED = (
    "Shown are test images that the two networks classify differently, those first of which the "
    "second one is surest: three that it puts right and three that it gets wrong, if there are so "
    "many."
)

NO_CHANGE = (
    "options.maps: no figure of maps, as the second network of the first arm that has one turns no "
    "right answer on a test image into a wrong one, and no wrong one into a right one."
)


def add_maps_of_changes(
    plan: Plan, workspace: Workspace, settings: Settings, options: list[Options]
) -> None:
    """Adds the stages that map O and T of the first arm that asks for maps and has both.

    Args:
        options: Of each arm.
    """
    asked = [
        cell
        for cell in plan.cells
        if options[cell.arm].maps and {"original", "true"} <= set(cell.uses)
    ]
    for cell in asked:
        if cell.arm != asked[0].arm:
            continue
        sweep = settings.of(plan.arms[cell.arm])
        for role in ("original", "true"):
            add_activation(
                plan, workspace, sweep, cell, cell.uses[role], predicted=True, nodules=False
            )


def maps_of_changes(plan: Plan, workspace: Workspace, settings: Settings) -> Pictures | None:
    """Test images that O and T classify differently: three that T puts right, three that it does
    not, in the first replicate that has some; None if nothing was mapped.

    Those are taken first of which T is surest.
    """
    for cell in plan.cells:
        digests = [cell.uses.get(role, "") for role in ("original", "true")]
        maps = [plan.beside_of(ACTIVATIONS, digest) if digest else "" for digest in digests]
        if not all(maps) or not all(workspace.store.has(each) for each in [*digests, *maps]):
            continue
        found = _pictures(cell, digests, maps, plan, workspace, settings.of(plan.arms[cell.arm]))
        if found is not None:
            return found
    return None


def _pictures(
    cell: PlannedCell,
    digests: list[str],
    maps: list[str],
    plan: Plan,
    workspace: Workspace,
    sweep: Sweep,
) -> Pictures | None:
    opened = workspace.data(sweep.data)
    store = workspace.store
    view = open_view(store.cache, workspace.view(opened, sweep.image))
    labels = view.frame.set_index("image")["label"]
    original, second = (_tested(workspace, digest) for digest in digests)
    second = second.loc[original.index]
    true = labels.loc[original.index].to_numpy(np.int64)
    before, after = (largest_class(probabilities_of(each)) for each in (original, second))
    surest = np.argsort(-probabilities_of(second).max(axis=1), kind="stable")
    chosen = []
    for why, wanted in ((RIGHT, (before != true) & (after == true)),
                        (WRONG, (before == true) & (after != true))):  # fmt: skip
        chosen += [(int(at), why) for at in surest[wanted[surest]][:MOST_OF_A_KIND]]
    if not chosen:
        return None
    masks = open_masks(store.cache / workspace.masks(opened, sweep.image))
    kept = [KeptMaps(store, digest) for digest in maps]
    place = {str(name): at for at, name in enumerate(view.frame["image"])}
    rows: list[Picture] = []
    for at, why in chosen:
        name = str(original.index[at])
        tiles = tuple(each.of(name) for each in kept)
        rows.append(pictured(view, masks, place[name], why, int(labels[name]), tiles))
    titles = [plan.stages[digest].label.removeprefix("train ") for digest in digests]
    columns = [title.removesuffix(f" {cell.replicate}") for title in titles]
    return Pictures((f"original: {columns[0]}", f"second: {columns[1]}"), "", tuple(rows))


def _tested(workspace: Workspace, digest: str) -> pd.DataFrame:
    frame = pd.read_parquet(workspace.store.file(digest, PREDICTIONS))
    return frame[frame["role"] == "test"].set_index("image")
