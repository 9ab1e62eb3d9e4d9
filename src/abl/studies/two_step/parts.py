"""What the analysis of the two-step study looks at beside its arms: selections, single networks."""

from __future__ import annotations

from collections.abc import Iterator

from abl.plan.graph import Plan, Replicate
from abl.stages.inputs import Workspace
from abl.studies.analysis import ScoredPart, units_of
from abl.studies.arms import Settings
from abl.studies.base import options_of
from abl.studies.label_noise import Judged
from abl.studies.predictions import Predictions
from abl.studies.two_step.networks import network_name
from abl.studies.two_step.options import Options


def judged_parts(plan: Plan, settings: Settings, workspace: Workspace) -> dict[str, Judged]:
    """Every select stage of the plan, with what it judged."""
    found = {}
    for cell in plan.cells:
        if "select" in cell.uses:
            arm = plan.arms[cell.arm]
            own = settings.file_of(arm)
            opened = workspace.data(own.sweep.data)
            varied = [
                f"{axis.rpartition('.')[2]} {value}"
                for axis, value in arm.params.items()
                if axis.startswith("data.")
            ]
            name = ", ".join([opened.dataset.name, *varied])
            panel = len(options_of(own, Options).panel)
            found[cell.uses["select"]] = Judged(
                name, opened, own.sweep.splits, cell.replicate, panel
            )
    return found


def network_parts(
    plan: Plan, settings: Settings, workspace: Workspace, predictions: Predictions
) -> Iterator[tuple[str, Replicate, ScoredPart]]:
    """Every network of an arm, once, on each part of its split; the name, replicate, part."""
    seen: dict[str, str] = {}
    for cell in plan.cells:
        sweep = settings.of(plan.arms[cell.arm])
        opened = workspace.data(sweep.data)
        key = cell.replicate
        for role, digest in cell.uses.items():
            if role == "select" or digest in seen or not workspace.store.has(digest):
                continue
            seen[digest] = network_name(plan, digest, role, key)
            split = opened.split(sweep.splits, key.repeat, key.fold)
            for part, positions in split.items():
                units = units_of(opened.dataset.frame, positions, sweep.data.unit)
                images = opened.dataset.frame["image"].to_numpy()[positions]
                p = units.mean(predictions.of(digest, part, images))
                yield seen[digest], key, ScoredPart.of(part, units, p)
