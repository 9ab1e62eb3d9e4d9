"""Which networks an arm of the two-step study needs on a replicate: O, T, F and the selectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from abl.plan.graph import Plan, Replicate
from abl.record.store import Store
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.stages.train import Trainings
from abl.studies.contract import options_of
from abl.studies.shared.analysis import ScoredPart, units_of
from abl.studies.shared.arms import Settings
from abl.studies.shared.predictions import Predictions
from abl.studies.two_step.label_noise import Judged
from abl.studies.two_step.options import Options, needs_selection, uses_false

# the seed of a control that differs from the original network by its seed alone
AGAIN = 1_000_003


def as_selector(sweep: Sweep, network: str, options: Options) -> Sweep:
    """The sweep as a selector network is trained."""
    changes: dict[str, Any] = {"network": network}
    if network != sweep.train.network:
        # a count of layers is that of one architecture, and so are a head and a file of weights
        changes |= {"frozen": 0, "head": "fc"}
        if sweep.train.weights_file is not None:
            changes["weights"] = "none"
    if options.epochs:
        changes["epochs"] = options.epochs
    return sweep.model_copy(update={"train": sweep.train.with_changes(changes)})


def networks_of(
    uses: tuple[str, ...], values: Mapping[str, Any], own: Trainings, panel: list[Trainings],
    options: Options, replicate: Replicate,
) -> dict[str, str]:  # fmt: skip
    """Role -> digest of one cell's networks; with `select` where a selection is read.

    Args:
        uses: Roles that the rule takes.
        values: The arm's, of the study's own axes.
        own: Trainings of O, T and F.
        panel: Trainings of the selectors, empty if none is needed.
    """
    networks = {}
    if "original" in uses:
        networks["original"] = own.train(replicate)
    if needs_selection(values):
        networks["select"] = _selection(own, panel, options, replicate)
    second = values.get("second", "true")
    least = {"least": options.keep_at_least} if options.keep_at_least else {}
    if "true" in uses and second == "retrained":
        networks["true"] = own.train(replicate, seed_shift=AGAIN)
    elif "true" in uses:
        subset = {"kind": second, "n": int(values["consensus"]), "panel": len(panel)} | least
        networks["true"] = own.train(replicate, subset=subset, select=networks["select"])
    if uses_false(values):
        subset = {"kind": "false", "n": int(values["false_k"]), "panel": len(panel)} | least
        networks["false"] = own.train(replicate, subset=subset, select=networks["select"])
    return networks


def _selection(
    own: Trainings, panel: list[Trainings], options: Options, replicate: Replicate
) -> str:
    subsets: list[dict[str, Any] | None] = [None]
    if options.selection == "out_of_fold":
        inner = {"of": options.inner_folds, **own.inner_draw}
        subsets = [{"kind": "inner", "n": n, **inner} for n in range(options.inner_folds)]
    networks = [[each.train(replicate, subset=subset) for subset in subsets] for each in panel]
    return own.select(replicate, networks)


def trained_alone(plan: Plan, uses: Mapping[str, str]) -> int:
    """Trainings that a cell would need if it shared none."""
    alone = set(uses.values())
    if "select" in uses:
        alone |= set(plan.stages[uses["select"]].inputs.values())
    return sum(plan.stages[digest].kind == "train" for digest in alone)


def kept_notes(plan: Plan, store: Store) -> list[str]:
    """How much of the training set each True-N and False-k keeps, mean over the replicates."""
    kept: dict[str, dict[str, float]] = {}
    for digest, stage in plan.stages.items():
        subset = stage.settings.get("subset")
        done = store.done(digest)
        select = store.done(stage.inputs["select"]) if "select" in stage.inputs else None
        if subset and subset["kind"] in ("true", "false") and done and select:
            share = done.facts["images"] / select.facts["images"]
            name = f"{subset['kind'].capitalize()}-{subset['n']}"
            kept.setdefault(name, {})[stage.inputs["select"]] = share
    order = sorted(kept, key=lambda name: (name[0] == "F", name))
    means = [f"{name} {100 * sum(kept[name].values()) / len(kept[name]):.0f} %" for name in order]
    return [f"Kept of the training images: {', '.join(means)}."] if means else []


def judged_parts(plan: Plan, settings: Settings, workspace: Workspace) -> dict[str, Judged]:
    """Every select stage of the plan, with what it judged."""
    found = {}
    for cell in plan.cells:
        if "select" not in cell.uses:
            continue
        arm = plan.arms[cell.arm]
        own = settings.addressed_file(arm)
        opened, panel = workspace.data(own.sweep.data), len(options_of(own, Options).panel)
        varied = [
            f"{axis.rpartition('.')[2]} {value}"
            for axis, value in arm.params.items()
            if axis.startswith("data.")
        ]
        name = ", ".join([opened.dataset.name, *varied])
        judged = Judged(name, opened, own.sweep.splits, cell.replicate, panel)
        found[cell.uses["select"]] = judged
    return found


def network_parts(
    plan: Plan, settings: Settings, workspace: Workspace, predictions: Predictions
) -> Iterator[tuple[str, Replicate, ScoredPart]]:
    """Every network of an arm, once, on each part of its split; the name, replicate, part."""
    seen: set[str] = set()
    for cell in plan.cells:
        sweep = settings.of(plan.arms[cell.arm])
        opened = workspace.data(sweep.data)
        key = cell.replicate
        for role, digest in cell.uses.items():
            if role == "select" or digest in seen or not workspace.store.has(digest):
                continue
            seen.add(digest)
            # as figures call it: `original plain4`, `True-3 plain4`
            words = plan.stages[digest].label.removeprefix("train ").removesuffix(f" {key}").split()
            name = f"{' '.join(words[1:]) or role} {words[0]}"
            for part, positions in opened.split(sweep.splits, key.repeat, key.fold).items():
                units = units_of(opened.dataset.frame, positions, sweep.data.unit)
                p = predictions.of(digest, part, units)
                yield name, key, ScoredPart.of(part, units, p)
