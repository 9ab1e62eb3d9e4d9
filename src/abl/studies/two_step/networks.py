"""Which networks an arm of the two-step study needs on a replicate: O, T, F and the selectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from abl.plan.graph import Plan, Replicate
from abl.record.store import Store
from abl.spec.sweep import Sweep
from abl.stages.combine import MEAN, combine_stage
from abl.stages.inputs import Workspace
from abl.stages.train import Trainings
from abl.studies.contract import options_of
from abl.studies.shared.analysis import ScoredPart, units_of
from abl.studies.shared.arms import Settings
from abl.studies.shared.predictions import Predictions
from abl.studies.two_step.judgements import Judged
from abl.studies.two_step.options import Options, needs_selection, uses_false

# the seed of a control that differs from the original network by its seed alone
AGAIN = 1_000_003
# between the seeds of a selector that votes several times
VOTE = 2_000_003


@dataclass(frozen=True, eq=False)
class ArmTrainings:
    """What makes the networks of an arm.

    Attributes:
        original, second, false: Trainings of O, of T and its controls, and of F.
        panel: Trainings of each selector that votes, with what is added to its seed; empty if none
            is needed.
    """

    original: Trainings
    second: Trainings
    false: Trainings
    panel: tuple[tuple[Trainings, int], ...] = ()


def in_role(sweep: Sweep, role: Literal["true", "false"], options: Options) -> Sweep:
    """The sweep as the second or the False network is trained."""
    if role not in options.balance:
        return sweep
    train = sweep.train.with_changes({"balance": options.balance[role]})
    return sweep.model_copy(update={"train": train})


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
    found: dict[str, Any] = {"train": sweep.train.with_changes(changes)}
    if network in options.sizes:
        found |= {"image": sweep.image.with_changes({"size": options.sizes[network]})}
    return sweep.model_copy(update=found)


def networks_of(
    uses: tuple[str, ...], values: Mapping[str, Any], trained: ArmTrainings, options: Options,
    replicate: Replicate,
) -> dict[str, str]:  # fmt: skip
    """Role -> digest of one cell's networks; with `select` where a selection is read.

    Args:
        uses: Roles that the rule takes.
        values: The arm's, of the study's own axes.
    """
    networks, panel = {}, len(trained.panel)
    if "original" in uses:
        networks["original"] = trained.original.train(replicate)
    if "panel" in uses:
        networks["panel"] = _mean_of_panel(trained, replicate)
    if needs_selection(values):
        networks["select"] = _selection(trained, options, replicate)
    second = values.get("second", "true")
    least = {"least": options.keep_at_least} if options.keep_at_least else {}
    if "true" in uses and second == "retrained":
        networks["true"] = trained.second.train(replicate, seed_shift=AGAIN)
    elif "true" in uses:
        subset = {"kind": second, "n": int(values["consensus"]), "panel": panel} | least
        if second == "hybrid":
            subset |= {"share": options.hybrid}
        networks["true"] = trained.second.train(replicate, subset=subset, select=networks["select"])
    if uses_false(values):
        subset = {"kind": "false", "n": int(values["false_k"]), "panel": panel} | least
        networks["false"] = trained.false.train(replicate, subset=subset, select=networks["select"])
    return networks


def _selection(trained: ArmTrainings, options: Options, replicate: Replicate) -> str:
    own = trained.original
    subsets: list[dict[str, Any] | None] = [None]
    if options.selection == "out_of_fold":
        inner = {"of": options.inner_folds, **own.inner_draw}
        subsets = [{"kind": "inner", "n": n, **inner} for n in range(options.inner_folds)]
    networks = [
        [each.train(replicate, subset=subset, seed_shift=shift) for subset in subsets]
        for each, shift in trained.panel
    ]
    return own.select(replicate, networks)


def _mean_of_panel(trained: ArmTrainings, replicate: Replicate) -> str:
    """The stage that takes the mean of the selectors, each on the whole training part."""
    own = trained.original
    parts = [[each.train(replicate, seed_shift=shift)] for each, shift in trained.panel]
    what = f"{len(parts)} selectors"
    stage = combine_stage(own.opened, own.sweep.splits, own.view, replicate, parts, MEAN, what)
    return own.plan.add(stage)


def trained_alone(plan: Plan, uses: Mapping[str, str]) -> int:
    """Trainings that a cell would need if it shared none."""
    alone = set(uses.values())
    for role in ("select", "panel"):
        if role in uses:
            alone |= set(plan.stages[uses[role]].inputs.values())
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
    subsets = [stage.settings.get("subset") or {} for stage in plan.stages.values()]
    least = max((int(each.get("least", 0)) for each in subsets), default=0)
    added = f" At least {least} of each class (options.keep_at_least)." if least else ""
    return [f"Kept of the training images: {', '.join(means)}.{added}"] if means else []


def judged_parts(plan: Plan, settings: Settings, workspace: Workspace) -> dict[str, Judged]:
    """Every select stage of the plan, with what it judged."""
    found = {}
    for cell in plan.cells:
        if "select" not in cell.uses:
            continue
        arm = plan.arms[cell.arm]
        own = settings.addressed_file(arm)
        opened, panel = workspace.data(own.sweep.data), len(options_of(own, Options).voters)
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
            name = role if role == "panel" else f"{' '.join(words[1:]) or role} {words[0]}"
            for part, positions in opened.split(sweep.splits, key.repeat, key.fold).items():
                units = units_of(opened.dataset.frame, positions, sweep.data.unit)
                p = predictions.of(digest, part, units)
                yield name, key, ScoredPart.of(part, units, p)
