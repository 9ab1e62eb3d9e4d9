"""Study two_step: consensus data selection and the two-step decision with threshold T*.

Source: Lee, Kwak, Lee, Sci. Rep. 2025, doi 10.1038/s41598-025-00416-5. The original network O is
trained on all training images, the True network T on those that at least N selectors classify
correctly; images on which O is not confident enough go to T.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from abl.decide.consensus import consensus_problems
from abl.decide.rules import RULES, rule_named
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.nets.registry import check_network
from abl.plan.graph import Arm, Plan, PlannedCell, Replicate
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.spec.train import Train
from abl.studies.base import StudyAxis, options_of, study
from abl.studies.predictions import Predictions
from abl.studies.scoring import ScoredArm, outcome_of
from abl.studies.settings import (
    Settings,
    arms_from,
    base_of,
    metric_problems,
    module_problems,
    place_of_axis,
)
from abl.studies.thresholds import curve_values, mean_curve, scored_cell, threshold_problem
from abl.studies.trainings import Trainings, replicates_of
from abl.studies.workspace import Workspace

# the seed of a control that differs from the original network by its seed alone
AGAIN = 1_000_003


class Options(Part):
    """Settings of the two-step study."""

    panel: tuple[str, ...] = Field(
        ("cnn1", "cnn2", "plain4", "tiny_resnet", "tiny_mobile"),
        min_length=1,
        description="Selector networks, trained as `train` says; one that is also an original "
        "network is trained once. Weights from a file are used by the network they belong to.",
    )
    epochs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Epochs of the selectors; default: those of the networks."
    )


@study
class TwoStep:
    """Arms are (network, consensus N, rule, T*); T* is usually a curve."""

    name: ClassVar[str] = "two_step"
    description: ClassVar[str] = "Consensus data selection and the two-step decision (Lee 2025)."
    options: ClassVar[type[Part]] = Options
    axes: ClassVar[tuple[StudyAxis, ...]] = (
        StudyAxis("network", "Architecture of O and T.", setting="train.network", words=True),
        StudyAxis("consensus", "N: a training image is kept if N selectors get it right.", 3),
        StudyAxis(
            "second",
            "What T is trained on: true (True-N), or a control: retrained (all images, another "
            "seed) or matched (random images, size and classes of True-N).",
            "true",
            words=True,
        ),
        StudyAxis("rule", "How the predictions of O and T become one.", "model1", words=True),
        StudyAxis("threshold", "T*: a number in [0, 1], always, or a share as '38%'.", 0.9),
    )

    def problems(self, file: SweepFile) -> list[Problem]:
        """Everything wrong with axes, arms and options that needs no data."""
        problems = [*metric_problems(file), *module_problems(file)]
        arms, found = arms_from(file, self.axes, self._relevant, {"threshold": True})
        problems += found
        settings = Settings(file, self.axes)
        for arm in arms.arms:
            own, panel = file, None
            try:
                own = settings.file_of(arm)
            except InputError as error:
                problems += error.problems
            try:
                options = options_of(own, Options)
            except InputError as error:
                problems += error.problems
            else:
                panel, last_k = options.panel, own.sweep.train.last_k
                if options.epochs is not None and options.epochs < last_k:
                    text = f"options.epochs: {options.epochs} is less than train.last_k: {last_k}"
                    problems.append(file.problem(text, "options", "epochs"))
            problems += [
                file.problem(text, *place_of_axis(file, axis))
                for axis, text in _arm_faults(arm, panel)
            ]
        values = curve_values(file.sweep) or ()
        faults = [threshold_problem(value) for value in values]
        problems += [file.problem(text, "axes", "threshold") for text in faults if text]
        problems += self._base_problems(file, arms.arms)
        return list(dict.fromkeys(problems))

    def _base_problems(self, file: SweepFile, arms: list[Arm]) -> list[Problem]:
        base = base_of(file, self.axes)
        if base is None or not arms:
            return []
        known = [axis.name for axis in self.axes]
        wrong = [name for name in base if name not in known and "." not in name]
        if wrong:
            return [file.problem(f"base: no axis '{wrong[0]}': {nearest(wrong[0], known)}", "base")]
        if not any(_base_of(arm, arms, base, self._relevant) is not None for arm in arms):
            own = any(self._relevant({**arm.params, **base}) == dict(arm.params) for arm in arms)
            text = "base: no arm differs from it" if own else "base: matches no arm of the sweep"
            return [file.problem(text, "base")]
        return []

    def _relevant(self, params: dict[str, Any]) -> dict[str, Any]:
        rule = RULES.get(str(params.get("rule")))
        selects = {"consensus", *(axis for axis in params if axis.startswith("options."))}
        drop = set()
        if rule is not None and "true" not in rule.uses:
            drop |= {*selects, "second"}
        if params.get("second") == "retrained":
            drop |= selects
        if rule is not None and not rule.has_threshold:
            drop.add("threshold")
        return {axis: value for axis, value in params.items() if axis not in drop}

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """Selectors, selection, O and T of every arm on every replicate."""
        problems = self.problems(file)
        raise_if_any(problems)
        arms, _ = arms_from(file, self.axes, self._relevant, {"threshold": True})
        settings = Settings(file, self.axes)
        sweeps = settings.all_of(arms.arms)
        plan = Plan(arms=arms.arms, replicates=replicates_of(file.sweep))
        if arms.cells > len(arms.arms):
            plan.notes.append(
                f"{arms.cells} combinations of axis values are {len(arms.arms)} arms: rules that "
                "use no second network or threshold do not vary with it"
            )
        values = curve_values(file.sweep)
        made: dict[str, Trainings] = {}

        def trainings(sweep: Sweep) -> Trainings:
            key = sweep.model_dump_json()
            if key not in made:
                made[key] = Trainings(sweep, workspace, plan)
            return made[key]

        panels: dict[int, list[Trainings]] = {}
        for at, (arm, sweep) in enumerate(zip(arms.arms, sweeps, strict=True)):
            rule = rule_named(str(arm.params["rule"]))
            # arms of the same settings share one Sweep: what follows from it is made once
            selects = "true" in rule.uses and arm.params.get("second") != "retrained"
            if selects and id(sweep) not in panels:
                options = options_of(settings.file_of(arm), Options)
                panels[id(sweep)] = [
                    trainings(_as_selector(sweep, name, options)) for name in options.panel
                ]
            panel = panels[id(sweep)] if selects else []
            own = trainings(sweep)
            for replicate in plan.replicates:
                uses = _networks(rule.uses, arm, own, panel, replicate)
                plan.cells.append(PlannedCell(at, replicate, uses))
                alone = set(uses.values())
                if "select" in uses:
                    alone |= set(plan.stages[uses["select"]].inputs.values())
                trained = sum(plan.stages[digest].kind == "train" for digest in alone)
                plan.asked += trained * (len(values) if rule.has_threshold and values else 1)
        return plan

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Outcome:
        """Scores every arm: T* chosen on validation, test read once."""
        predictions = Predictions(workspace.store)
        settings = Settings(file, self.axes)
        values = curve_values(file.sweep)
        scored = []
        for arm, cells in zip(plan.arms, plan.cells_by_arm(), strict=True):
            missing = [d for c in cells for d in c.uses.values() if not workspace.store.has(d)]
            if missing:
                failed = f"no result of {plan.stages[missing[0]].label}"
                scored.append(ScoredArm(arm, failed=failed))
                continue
            sweep = settings.of(arm)
            opened = workspace.data(sweep.data)
            try:
                found = [
                    scored_cell(sweep, arm.params, cell, predictions, opened, values)
                    for cell in cells
                ]
            except InputError as error:
                # a metric that is undefined at every T*, for one: this arm alone has no result
                scored.append(ScoredArm(arm, failed=str(error)))
                continue
            curves = [cell.curve for cell in found if cell.curve is not None]
            scored.append(ScoredArm(arm, tuple(found), mean_curve(curves) if curves else None))
        base = base_of(file, self.axes)
        bases = [
            None if base is None else _base_of(arm, plan.arms, base, self._relevant)
            for arm in plan.arms
        ]
        curve_axis = "threshold" if values else ""
        outcome = outcome_of(file, plan, self.axes, scored, bases, curve_axis, {})
        return replace(outcome, notes=(*outcome.notes, *_kept_notes(plan, workspace.store)))


def _kept_notes(plan: Plan, store: Store) -> list[str]:
    """How much of the training set each True-N keeps, mean over the replicates."""
    kept: dict[int, dict[str, float]] = {}
    for digest, stage in plan.stages.items():
        subset = stage.settings.get("subset")
        done = store.done(digest)
        select = store.done(stage.inputs["select"]) if "select" in stage.inputs else None
        if subset and subset["kind"] == "true" and done and select:
            share = done.facts["images"] / select.facts["images"]
            kept.setdefault(int(subset["n"]), {})[stage.inputs["select"]] = share
    means = {n: sum(shares.values()) / len(shares) for n, shares in sorted(kept.items())}
    if not means:
        return []
    listed = ", ".join(f"True-{n} {100 * mean:.0f} %" for n, mean in means.items())
    return [f"Kept of the training images: {listed}."]


def _as_selector(sweep: Sweep, network: str, options: Options) -> Sweep:
    changes: dict[str, Any] = {"network": network}
    if network != sweep.train.network and sweep.train.weights_file is not None:
        # a file holds the weights of one architecture
        changes["weights"] = "none"
    if options.epochs:
        changes["epochs"] = options.epochs
    train = Train.model_validate(sweep.train.model_dump() | changes)
    return sweep.model_copy(update={"train": train})


def _networks(
    uses: tuple[str, ...],
    arm: Arm,
    own: Trainings,
    panel: list[Trainings],
    replicate: Replicate,
) -> dict[str, str]:
    """Role -> digest of one cell's networks; with `select` where the second network needs it."""
    networks = {}
    if "original" in uses:
        networks["original"] = own.train(replicate)
    if "true" in uses:
        kind: Literal["true", "retrained", "matched"] = arm.params.get("second", "true")
        if kind == "retrained":
            networks["true"] = own.train(replicate, seed_shift=AGAIN)
            return networks
        select = own.select(replicate, [each.train(replicate) for each in panel])
        subset = {"kind": kind, "n": int(arm.params["consensus"]), "panel": len(panel)}
        networks["select"] = select
        networks["true"] = own.train(replicate, subset=subset, select=select)
    return networks


def _arm_faults(arm: Arm, panel: tuple[str, ...] | None) -> list[tuple[str, str]]:
    faults = []
    params = arm.params
    for name in panel or ():
        if wrong := check_network(name):
            faults.append(("options.panel", f"options.panel: {wrong}"))
    rule = str(params.get("rule"))
    if rule not in RULES:
        faults.append(("rule", f"rule '{rule}' is not known: {nearest(rule, RULES)}"))
    if "network" in params and (wrong := check_network(str(params["network"]))):
        faults.append(("network", wrong))
    if "consensus" in params:
        n = params["consensus"]
        if isinstance(n, bool) or not isinstance(n, int):
            faults.append(("consensus", f"consensus: a whole number is wanted, not {n}"))
        elif panel:
            faults += [("consensus", str(each)) for each in consensus_problems([n], len(panel))]
    if params.get("second", "true") not in ("true", "retrained", "matched"):
        valid = nearest(str(params["second"]), ["true", "retrained", "matched"])
        faults.append(("second", f"second: '{params['second']}' is not known: {valid}"))
    if "threshold" in params and (text := threshold_problem(params["threshold"])):
        faults.append(("threshold", text))
    return faults


def _base_of(arm: Arm, arms: list[Arm], base: Mapping[str, Any], relevant: Any) -> int | None:
    """Position of the arm that this one is compared with: equal but for the base's values."""
    wanted = relevant({**arm.params, **base})
    position = next((at for at, other in enumerate(arms) if dict(other.params) == wanted), None)
    return None if position is not None and arms[position] is arm else position
