"""The settings that arms had: those of the file, with what each arm's axes put in their place."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from abl.plan.outcome import ArmOutcome, Outcome
from abl.plan.stage import canonical_json
from abl.spec.attention import looks_at_mask
from abl.spec.base import Part
from abl.spec.sweep import Sweep

BLOCKS = ("data", "image", "splits", "train", "options")
Blocks = Mapping[str, Any]


def settings_of_arms(outcome: Outcome, sweep: Sweep) -> list[dict[str, Any]]:
    """The blocks of the sweep file as arms with results had them, each set of values once.

    Imported arms had none. Without a record of what ran (older outcomes) an axis that is called
    like a setting stands for it.

    Returns:
        One mapping a set: block -> its settings as JSON has them; `trained`: whether a network was.
    """
    base = {name: _dumped(getattr(sweep, name)) for name in BLOCKS}
    own = own_arms(outcome)
    recorded = outcome.facts.ran.get("settings")
    if recorded is None:
        rows = [(_by_name(arm), True) for arm in own]
    else:
        untrained = set(outcome.facts.ran.get("untrained", ()))
        rows = [
            (row["changes"], trained)
            for row in recorded
            for trained in (True, False)
            if any((at not in untrained) == trained for at in row["arms"])
        ]
    found = [{**_changed(base, changes), "trained": trained} for changes, trained in rows]
    return _distinct(found) or [{**base, "trained": bool(own)}]


def own_arms(outcome: Outcome) -> list[ArmOutcome]:
    """Arms with results that the sweep ran itself."""
    imported = set(outcome.facts.imported)
    return [arm for arm in outcome.arms if not arm.failed and arm.key not in imported]


def blocks_of(settings: Sequence[Blocks], name: str) -> list[dict[str, Any]]:
    """One block as arms had it, each set of values once, without settings that change nothing.

    Of the train block those of arms that trained a network.
    """
    having = [each for each in settings if name != "train" or each["trained"]]
    return _distinct([_relevant(name, each[name]) for each in having])


def _by_name(arm: ArmOutcome) -> dict[str, Any]:
    known = {"network": "train.network"}
    paths = {axis: known.get(axis, axis) for axis, value in arm.params.items() if value != ""}
    return {
        path: arm.params[axis] for axis, path in paths.items() if path.partition(".")[0] in BLOCKS
    }


def _dumped(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Part) else dict(value)


def _changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    values = copy.deepcopy(dict(base))
    for path, value in changes.items():
        *blocks, name = path.split(".")
        place = values
        for block in blocks:
            if not isinstance(place.get(block), dict):
                place[block] = {}
            place = place[block]
        place[name] = value
    return values


def _distinct(blocks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({canonical_json(block): block for block in blocks}.values())


def _relevant(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Without what has no effect beside the other values, and what is not given at all."""
    values = {key: value for key, value in given.items() if value is not None}
    if name == "train":
        return values | _of_training(values)
    if name == "image":
        drop = {"multiple"} if values.get("fit") != "own" else set()
        crop = values.get("crop", {})
        if crop.get("to") == "frame":
            values["crop"] = "none"
        return _without(values, drop)
    if name == "data" and isinstance(phantom := values.get("phantom"), Mapping):
        lost = set() if phantom.get("centre_b") else {"prevalence_b"}
        values["phantom"] = _without(phantom, lost if phantom.get("flip") else {*lost, "flip_side"})
    return values


def _of_training(values: dict[str, Any]) -> dict[str, Any]:
    """What of a train block is to be written otherwise; what has no effect is taken out of it."""
    if values.get("head") != "spp":
        values.pop("spp_levels", None)
    if not values.get("frozen"):
        values.pop("frozen_precision", None)
    values.pop("dynamics", None)  # what is kept of a training is none of its settings
    stop = values.get("early_stop")
    if stop is not None and stop.get("restore_best"):
        values.pop("last_k", None)
    optimizer, schedule = values.get("optimizer", {}), values.get("schedule", {})
    still = {"every", "factor"} if schedule.get("name") != "step" else set()
    return {
        "optimizer": _without(optimizer, set() if optimizer.get("name") == "sgd" else {"momentum"}),
        "schedule": _without(schedule, still),
        "attention": _attention(values.get("attention", {})),
        "early_stop": stop or "none",
    }


def _attention(given: Mapping[str, Any]) -> Any:
    variant = str(given.get("variant", "none"))
    if variant == "none":
        return "none"
    guided = looks_at_mask(variant)
    branch = guided and given.get("mask") == "predicted"
    drop = {"detach", "alpha", "segmentation"} if not branch else set()
    return _without(given, drop if guided else {*drop, "mask"})


def _without(values: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
