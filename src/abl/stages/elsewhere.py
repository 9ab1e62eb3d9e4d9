"""What stands beside a stage that predicts: the same, on images of another data set.

A network is kept and predicts (`predict`). A classifier of features is fitted again, to the bit, as
what scikit-learn would keep of it are pickles; an ensemble decides again on the images that it
decided on. No label of the other set is read.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from abl.plan.graph import Plan
from abl.plan.stage import Stage
from abl.spec.sweep import Sweep
from abl.stages.fit import OUTSIDE, OUTSIDE_VIEW
from abl.stages.identity import SEEN, seen_settings
from abl.stages.inputs import OpenData, Workspace
from abl.stages.predict import predict_stage


def predicted_elsewhere(
    plan: Plan,
    workspace: Workspace,
    sweep: Sweep,
    name: str,
    opened: OpenData,
    digest: str,
    reads: str,
) -> Stage:
    """The stage of an external set beside a stage of a plan; what it reads is added to the plan.

    Args:
        sweep: Of the arm.
        name, opened: Of the set.
        digest: Of a train, fit or combine stage.
        reads: `all_reads` of the set's rows.
    """
    stage = plan.stages[digest]
    of_input = partial(predicted_elsewhere, plan, workspace, sweep, name, opened)
    if stage.kind == "combine":
        outside = {
            role.replace("part_", OUTSIDE): plan.add(of_input(each, reads))
            for role, each in stage.inputs.items()
        }
    elif stage.kind == "fit":
        return _fitted_elsewhere(plan, workspace, sweep, name, opened, stage, reads)
    else:
        return predict_stage(workspace, sweep, name, opened, stage, reads)
    return _outside(stage, workspace, sweep, name, opened, dict(stage.inputs) | outside, {})


def _fitted_elsewhere(
    plan: Plan,
    workspace: Workspace,
    sweep: Sweep,
    name: str,
    opened: OpenData,
    stage: Stage,
    reads: str,
) -> Stage:
    inputs: dict[str, str] = {}
    more: dict[str, Any] = {}
    for role, digest in stage.inputs.items():
        source = plan.stages[digest]
        number, copy = role.split("_")[1:]
        if source.kind == "kernels":  # products with the set's images are not among them
            of_kernel = {key: source.inputs[key] for key in sorted(source.inputs)}
            inputs |= {
                f"network_{number}_{key.split('_')[1]}": each for key, each in of_kernel.items()
            }
            digest, more = source.inputs["features_0"], dict(source.settings)
        else:
            inputs[role] = digest
            if copy != "0":
                continue
        embedded = _embedded(plan.stages[digest], workspace, sweep, name, opened, reads)
        inputs[f"{OUTSIDE}{number}_0"] = plan.add(embedded)
    return _outside(stage, workspace, sweep, name, opened, inputs, more)


def _outside(
    stage: Stage,
    workspace: Workspace,
    sweep: Sweep,
    name: str,
    opened: OpenData,
    inputs: dict[str, str],
    more: dict[str, Any],
) -> Stage:
    view = workspace.view(opened, sweep.image)
    return replace(
        stage,
        settings={**stage.settings, **more},
        inputs=inputs,
        context={**stage.context, OUTSIDE_VIEW: view},
        label=f"predict {name} by {stage.label}",
    )


def _embedded(
    stage: Stage, workspace: Workspace, sweep: Sweep, name: str, opened: OpenData, reads: str
) -> Stage:
    """An embed stage, of the set's images."""
    settings = {key: value for key, value in stage.settings.items() if key not in SEEN}
    settings |= seen_settings(sweep.model_copy(update={"data": opened.data}), opened)
    view = workspace.view(opened, sweep.image)
    return replace(
        stage,
        settings=settings,
        reads=reads,
        context={**stage.context, "view": view},
        label=f"{stage.label} of {name}",
    )
