"""Trainings that may run as one program: which are alike, and how many go together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from abl.plan.graph import Plan
from abl.plan.stage import Stage, StageResources, digest_of

# of the program that computes bundles; raised when it gives other results
BUNDLE_VERSION = 1

# a training that is faster by less is left alone: it also has a checkpoint and a GPU of its own
LEAST_GAIN = 1.2

# settings of `train` in which trainings of one bundle may differ: none changes a tensor's shape
_OWN = frozenset(
    {"weights", "last_k", "schedule", "balance", "augment", "early_stop", "dynamics", "optimizer"}
)


@dataclass(frozen=True)
class MeasuredGain:
    """What was measured of a network on a GPU.

    Attributes:
        network, image_size, batch_size: Of the trainings.
        members: Trainings in a bundle.
        times: How many times faster than one after the other, and than processes packed on the GPU.
    """

    network: str
    image_size: int
    batch_size: int
    members: int
    times: float


# by `benchmarks/bundles.py` on a GPU; none has been measured yet, so that `auto` bundles nothing
MEASURED: tuple[MeasuredGain, ...] = ()


def measured_bundle(
    network: str,
    image_size: int,
    batch_size: int,
    *,
    gpus: float,
    known: Sequence[MeasuredGain] = MEASURED,
) -> int:
    """How many trainings go together where nobody says so; 1 on a CPU and where nothing is known.

    A smaller image or batch fills a GPU less, so that a measured gain holds below its size too.
    """
    if not gpus:
        return 1
    sizes = [
        gain.members
        for gain in known
        if gain.network == network
        and image_size <= gain.image_size
        and batch_size <= gain.batch_size
        and gain.times >= LEAST_GAIN
    ]
    return max(sizes, default=1)


def in_bundles(resources: StageResources, most: int) -> StageResources:
    """What a training asks for that is one of a bundle: the memory of a GPU is the bundle's."""
    return replace(resources, bundle=most, pack=False) if most > 1 else resources


def bundle_key(stage: Stage) -> str:
    """Equal for trainings that may be one program; "" for a stage that runs by itself."""
    if stage.resources.bundle < 2 or "bundled" not in stage.settings:
        return ""
    places = tuple(str(stage.context.get(name, "")) for name in ("view", "module"))
    return _key(stage, stage.resources, places)


@lru_cache(maxsize=2**17)  # what is ready is looked through for each bundle
def _key(stage: Stage, resources: StageResources, places: tuple[str, ...]) -> str:
    settings = {name: value for name, value in stage.settings.items() if name != "subset"}
    train: dict[str, Any] = dict(settings["train"])
    optimizer = {"name": train.get("optimizer", {}).get("name", "")}
    settings["train"] = {name: each for name, each in train.items() if name not in _OWN}
    asked = [*resources.amounts, resources.bundle]
    return digest_of([stage.kind, stage.version, settings, optimizer, places, asked])


def bundle_notes(plan: Plan) -> list[str]:
    """What `abl plan` says of them; nothing if there are none."""
    counts: Counter[str] = Counter()
    most: dict[str, int] = {}
    for stage in plan.stages.values():
        if key := bundle_key(stage):
            counts[key] += 1
            most[key] = stage.resources.bundle
    if not counts:
        return []
    programs = sum(math.ceil(count / most[key]) for key, count in counts.items())
    return [
        f"train.bundle: {sum(counts.values()):,} trainings run as {programs:,} "
        f"program{'' if programs == 1 else 's'}, where all that are alike are ready at once"
    ]
