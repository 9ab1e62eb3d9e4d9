"""What ran of a sweep, as plain values: what a report says of its protocol is computed from it.

An axis takes the place of a setting of the file, so that the file alone does not say what any arm
was trained with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from abl.data.dataset import PAIR
from abl.errors import InputError
from abl.nets.memory_format import with_chosen_format
from abl.plan.graph import Arm, Plan
from abl.plan.outcome import Outcome
from abl.plan.stage import Stage, canonical_json, flattened
from abl.record.store import Store
from abl.spec.read import SweepFile
from abl.spec.splits import Splits
from abl.spec.sweep import Sweep
from abl.spec.train import Train
from abl.stages.inputs import OpenData, Workspace
from abl.studies.contract import Study, options_of
from abl.studies.shared.analysis import units_of
from abl.studies.shared.arms import Settings
from abl.studies.shared.external import internal_sweep

SELECTED_BY = "select"  # kind of the stages whose inputs judge training images
# blocks of a sweep file that an arm may have otherwise
BLOCKS = ("data", "image", "splits", "train")


def what_ran(
    file: SweepFile, study: Study, plan: Plan, workspace: Workspace, outcome: Outcome
) -> dict[str, Any]:
    """JSON-able; arms are named by their position in the table, those that failed are left out.

    Returns:
        settings: arms, changes (dotted path -> value, against the file; `options`: those of the
            study that the arms use, defaults included); one row a set of changes.
            Where a search chose for each split alone, an arm is in several rows.
        trainings: network, roles (of arm, selector, pretraining, segmentation, behind an arm,
            search), count of finished ones; one row a network and set of roles.
        untrained: arms that no training stage stands behind.
        epochs: Of the file's train block; arms with others say so in settings.
        power: Sentences on the difference that so many patients can show.
        data: arms, name, unit, listed and used (images, patients), left_out (why, images,
            patients), second (second images that are samples of their own), splits (number of),
            parts (role, patients, units, images: distinct over all splits; by_class: mean units of
            a split).
    """
    ran = [at for at, row in enumerate(outcome.arms) if not row.failed and at < len(plan.arms)]
    settings = Settings(file, study.axes, lambda params: study.meaning(params, file))

    def options(arm: Arm, sweep: Sweep) -> dict[str, Any]:
        given = options_of(replace(file, sweep=sweep), study.options).model_dump(mode="json")
        # those of which an arm makes no use are no part of its protocol
        used = {*study.relevant(arm.own, [f"options.{name}" for name in given])}
        used |= {f"options.{name}" for name in study.analysed_by}
        return {name: value for name, value in given.items() if f"options.{name}" in used}

    sweeps: dict[int, list[tuple[Sweep, dict[str, Any]]]] = {}
    for at in ran:
        try:
            arms = _as_chosen(plan.arms[at], _chosen(outcome, at))
            own = [(arm, settings.of(arm)) for arm in arms]
            sweeps[at] = [(sweep, options(arm, sweep)) for arm, sweep in own]
        except InputError:  # a study of one's own may read its arms otherwise
            continue
    return {
        "settings": _changes(file.sweep, sweeps),
        "trainings": _trainings(plan, workspace.store, ran),
        "untrained": _untrained(plan, ran),
        "epochs": file.sweep.train.epochs,
        # of what a plan says before it is run, what holds of the finished table too
        "power": [note for note in plan.notes if "% power" in note],
        "data": _data(plan, workspace, {at: each[0][0] for at, each in sweeps.items()}),
    }


def _chosen(outcome: Outcome, at: int) -> list[Mapping[str, Any]]:
    """What searches of each split alone chose for an arm; empty where one choice holds for all."""
    key, nested = outcome.arms[at].key, [
        row for row in outcome.facts.searches if row.get("scope") == "by_split"
    ]  # fmt: skip
    return [each["values"] for row in nested if row["arm"] == key for each in row["chosen"]]


def _as_chosen(arm: Arm, values: Sequence[Mapping[str, Any]]) -> list[Arm]:
    return [Arm({**arm.params, **each}, arm.shown) for each in values] or [arm]


def _changes(
    base: Sweep, sweeps: Mapping[int, Sequence[tuple[Sweep, Mapping[str, Any]]]]
) -> list[dict[str, Any]]:
    given, found = _blocks(base), dict[str, dict[str, Any]]()
    for at, every in sweeps.items():
        for sweep, options in every:
            train = with_chosen_format(sweep.train, gpus=sweep.resources.gpus)
            ran = sweep.model_copy(update={"train": train})
            changes = dict(differences(given, _blocks(ran))) | {"options": options}
            row = found.setdefault(canonical_json(changes), {"arms": [], "changes": changes})
            if at not in row["arms"]:
                row["arms"].append(at)
    return list(found.values())


def _blocks(sweep: Sweep) -> dict[str, Any]:
    blocks = {name: getattr(sweep, name).model_dump(mode="json") for name in BLOCKS}
    blocks.get("splits", {}).pop("share", None)  # that of the train block
    return blocks


def differences(
    given: Mapping[str, Any], other: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """(dotted path, value of `other`) of each leaf in which two nested mappings differ."""
    for name, value in other.items():
        before = given.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            yield from differences(before, value, f"{prefix}{name}.")
        elif value != before or name not in given:
            yield f"{prefix}{name}", value


def _trainings(plan: Plan, store: Store, ran: Iterable[int]) -> list[dict[str, Any]]:
    kept = set(ran)
    own = {d for cell in plan.cells if cell.arm in kept for d in cell.uses.values()}
    roles: dict[str, set[str]] = {digest: {"arm"} for digest in own}
    for cell in plan.cells:
        if cell.arm not in kept:
            for digest in cell.uses.values():
                roles.setdefault(digest, {"failed"})
    for digest, stage in plan.stages.items():
        if stage.kind == "segment":
            roles.setdefault(digest, set()).add("segmentation")
        for name, source in stage.inputs.items():
            if stage.kind == SELECTED_BY:
                roles.setdefault(source, set()).add("selector")
            elif name == "weights":
                roles.setdefault(source, set()).add("pretraining")
    behind = set(own)
    for digest, stage in reversed(plan.stages.items()):  # inputs come before what reads them
        behind |= set(stage.inputs.values()) if digest in behind else set()
    counts: dict[tuple[str, tuple[str, ...]], int] = {}
    for digest, stage in plan.stages.items():
        name = _network_of(stage)
        if name and store.has(digest):
            others = {"behind"} if digest in behind else {"search"}
            row = (name, tuple(sorted(roles.get(digest) or others)))
            counts[row] = counts.get(row, 0) + 1
    return [
        {"network": name, "roles": list(of), "count": count} for (name, of), count in counts.items()
    ]


def _network_of(stage: Stage) -> str:
    """The network that a stage trains, "" if it trains none."""
    if stage.kind not in ("train", "segment"):
        return ""
    # defaults are left out of what identifies a stage
    train = Train.model_validate(stage.settings["train"])
    return train.network if stage.kind == "train" else train.attention.segmentation.encoder


def _untrained(plan: Plan, ran: Iterable[int]) -> list[int]:
    """Arms behind which no stage of kind train stands, itself or as an input."""
    trained: set[str] = set()
    for digest, stage in plan.stages.items():  # inputs come before what reads them
        if stage.kind == "train" or trained & set(stage.inputs.values()):
            trained.add(digest)
    with_training = {c.arm for c in plan.cells if trained & set(c.uses.values())}
    return [at for at in ran if at not in with_training]


def _data(plan: Plan, workspace: Workspace, sweeps: Mapping[int, Sweep]) -> list[dict[str, Any]]:
    groups: dict[str, tuple[Sweep, list[int]]] = {}
    for at, sweep in sweeps.items():
        inner = internal_sweep(sweep)
        key = inner.data.model_dump_json() + inner.splits.model_dump_json()
        groups.setdefault(key, (inner, []))[1].append(at)
    places = sorted({(each.repeat, each.fold) for each in plan.replicates})
    rows: dict[str, dict[str, Any]] = {}
    settings: dict[str, list[dict[str, Any]]] = {}
    for sweep, arms in groups.values():
        try:
            found = _flow(workspace.data(sweep.data), sweep, places)
        except InputError:  # arms of a study of one's own that need no split
            continue
        # flipped labels, for one, move nobody; nor do second images that are samples too
        key = canonical_json({**found, "second": 0})
        row = rows.setdefault(key, {**found, "arms": []})
        row["arms"] += arms
        row["second"] = max(row["second"], found["second"])
        given = {name: getattr(sweep, name).model_dump(mode="json") for name in ("data", "splits")}
        settings.setdefault(key, []).append(flattened(given))
    for key, words in _differing(settings).items():
        rows[key]["name"] = ", ".join([rows[key]["name"], *words])
    return list(rows.values())


def _differing(settings: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    """Group -> the settings that tell it from the others: `validation 0.2`."""
    paths = dict.fromkeys(path for each in settings.values() for one in each for path in one)
    values = {
        key: {path: {str(one.get(path)) for one in each} for path in paths}
        for key, each in settings.items()
    }
    told = [p for p in paths if len({frozenset(of[p]) for of in values.values()}) > 1]
    # a setting of which no value is in two groups tells them apart alone
    apart = [
        p
        for p in told
        if sum(len(of[p]) for of in values.values())
        == len(set[str]().union(*(of[p] for of in values.values())))
    ]
    told = apart or told
    return {
        key: [f"{path.rpartition('.')[2]} {' or '.join(sorted(of[path]))}" for path in told]
        for key, of in values.items()
    }


def _flow(opened: OpenData, sweep: Sweep, places: Sequence[tuple[int, int]]) -> dict[str, Any]:
    frame, lost = opened.dataset.frame, opened.dataset.left_out
    # of a mixed set the second images of pairs are rows of their own, which no source lists:
    # a pair counts once, as it does everywhere else
    pairs = int(frame[PAIR].nunique()) if PAIR in frame else len(frame)
    added = len(frame) - pairs
    used = {"images": pairs, "patients": int(frame["patient"].nunique())}
    return {
        "name": opened.dataset.name,
        "unit": sweep.data.unit,
        "listed": {
            "images": used["images"] + sum(each.images for each in lost),
            "patients": used["patients"] + sum(each.patients for each in lost),
        },
        "left_out": [asdict(each) for each in lost],
        "second": added,
        "used": used,
        "splits": len(places),
        "parts": _parts(opened, sweep.splits, places, sweep.data.unit),
    }


def _parts(
    opened: OpenData, splits: Splits, places: Sequence[tuple[int, int]], unit: str
) -> list[dict[str, Any]]:
    frame, classes = opened.dataset.frame, len(opened.dataset.classes)
    firsts = (frame["image"] == frame[PAIR] if PAIR in frame else frame["image"].notna()).to_numpy()
    names: dict[str, list[set[str]]] = {}
    counts: dict[str, list[np.ndarray]] = {}
    for repeat, fold in places:
        for role, rows in opened.split(splits, repeat, fold).items():
            positions = rows[firsts[rows]]
            units = units_of(frame, positions, unit)
            known = names.setdefault(role, [set(), set(), set()])
            for at, values in enumerate((units.patients, units.names, units.images)):
                known[at].update(map(str, values))
            counts.setdefault(role, []).append(np.bincount(units.labels, minlength=classes))
    return [
        {
            "role": role,
            **dict(zip(("patients", "units", "images"), map(len, known), strict=True)),
            "by_class": np.mean(counts[role], axis=0).tolist(),
        }
        for role, known in names.items()
    ]
