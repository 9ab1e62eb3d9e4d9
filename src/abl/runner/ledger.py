"""Who may start where: free resources by node, what is held back, shares of GPUs as measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from abl.plan.stage import Stage, StageResources, shape_of
from abl.record.store import Store

# shares such as 0.3 do not add up exactly
_SLACK = 1e-9


@dataclass
class Node:
    """A machine: what it has and what is in use."""

    name: str
    total: StageResources
    used: dict[str, StageResources] = field(default_factory=dict)

    def free(self, *held: StageResources) -> StageResources:
        """What is neither in use nor held back."""
        amounts = [each.amounts for each in (self.total, *self.used.values(), *held)]
        return StageResources(*(have - sum(taken) for have, *taken in zip(*amounts, strict=True)))


def fits(want: StageResources, free: StageResources) -> bool:
    """Whether free resources are enough."""
    pairs = zip(want.amounts, free.amounts, strict=True)
    # what is held back for another may leave less than nothing: no matter to who wants none
    return all(need <= have + _SLACK for need, have in pairs if need > 0)


class Ledger:
    """Admission: which ready stage starts next, and on which node.

    A stage that fits nowhere now but would on an empty node holds back the node that is closest
    to it; stages of lower rank then start there only if both fit. So a large stage does not wait
    behind a stream of small ones.
    """

    def __init__(self, nodes: Mapping[str, StageResources]):
        self.nodes = {name: Node(name, total) for name, total in nodes.items()}

    def possible(self, want: StageResources) -> bool:
        """Whether a stage could ever start."""
        return any(fits(want, node.total) for node in self.nodes.values())

    def renew(self, nodes: Mapping[str, StageResources]) -> tuple[set[str], set[str]]:
        """Takes the nodes that there are now: names of those lost and of those that have come."""
        lost, come = self.nodes.keys() - nodes.keys(), nodes.keys() - self.nodes.keys()
        for name in lost:
            del self.nodes[name]
        for name in come:
            self.nodes[name] = Node(name, nodes[name])
        return set(lost), set(come)

    def choose(
        self,
        ready: Iterable[Stage],
        wanted: Callable[[Stage], StageResources] = attrgetter("resources"),
    ) -> tuple[Stage, str] | None:
        """The next stage (they come by falling rank) and its node, or None if none may start."""
        free = [node.free() for node in self.nodes.values()]
        if all(each.cpus <= _SLACK and each.gpus <= _SLACK for each in free):
            return None  # the usual case, and a plan may have a hundred thousand ready stages
        held: dict[str, StageResources] = {}
        refused: set[StageResources] = set()
        for stage in ready:
            want = wanted(stage)
            if want in refused:
                continue
            node = self._node_for(want, held)
            if node is not None:
                return stage, node
            # what is held back only grows, so that the same wish need not be tried again
            refused.add(want)
            able = [node for node in self.nodes.values() if fits(want, node.total)]
            if able and len(held) < len(self.nodes):
                closest = max(able, key=lambda each: (*each.free().amounts[:2], each.name))
                held.setdefault(closest.name, want)
        return None

    def _node_for(self, want: StageResources, held: Mapping[str, StageResources]) -> str | None:
        for name, node in self.nodes.items():
            if fits(want, node.free(*([held[name]] if name in held else []))):
                return name
        return None

    def take(self, digest: str, node: str, want: StageResources) -> None:
        """Books a stage's resources."""
        self.nodes[node].used[digest] = want

    def give_back(self, digest: str) -> None:
        """Frees what a stage had."""
        for node in self.nodes.values():
            node.used.pop(digest, None)

    def slots(self, want: StageResources) -> int:
        """How many stages of one size run at once on empty nodes."""
        count = 0
        for node in self.nodes.values():
            pairs = zip(node.total.amounts, want.amounts, strict=True)
            per = [have / need for have, need in pairs if need > 0]
            count += int(min(per, default=1) + _SLACK)
        return max(count, 1)


GPU_BYTES = "gpu_bytes"  # fact of a stage: what its process held of the GPU at most
GPU_TOTAL_BYTES = "gpu_total_bytes"  # fact of a stage: what that GPU has
# allocators of two runs of one training do not hold the same to the byte
HEADROOM = 1.15
# what CUDA takes for each process beside what the allocator holds
CONTEXT_BYTES = 600 * 2**20
# shares are rounded up to these parts of a GPU, which fill it without rests
PARTS = 16


def share_of(facts: Mapping[str, Any]) -> float | None:
    """The share of a GPU that holds what a stage took, None if that was not measured.

    In parts of 1/16, at most 1.
    """
    try:
        held, total = (float(facts.get(each) or 0) for each in (GPU_BYTES, GPU_TOTAL_BYTES))
    except (TypeError, ValueError):
        return None
    if not (0 < held < math.inf and 0 < total < math.inf):
        return None
    share = (held * HEADROOM + CONTEXT_BYTES) / total
    return min(math.ceil(share * PARTS) / PARTS, 1.0)


class Packing:
    """What each stage asks for, from what stages of its shape took.

    Args:
        shares: Shape -> share of a GPU, of stages that were run before.
    """

    def __init__(self, shares: Mapping[str, float] | None = None):
        self._shares = dict(shares or {})
        self._deaths: Counter[str] = Counter()

    def wanted(self, stage: Stage) -> StageResources:
        """What a stage asks for now."""
        asked, deaths = stage.resources, self._deaths[stage.digest]
        if asked.memory_gb and deaths:
            asked = replace(asked, memory_gb=asked.memory_gb * 2**deaths)
        if asked.gpus != 1 or not asked.pack or deaths:
            return asked
        return replace(asked, gpus=self._shares.get(stage.shape, 1.0))

    def learn(self, stage: Stage, facts: Mapping[str, Any]) -> None:
        """Takes what a finished stage says of its memory."""
        share = share_of(facts) if stage.resources.gpus else None
        if share is not None:
            self._shares[stage.shape] = max(share, self._shares.get(stage.shape, 0.0))

    def died(self, stage: Stage) -> None:
        """The process of a stage died, perhaps for want of memory: it gets more the next time."""
        self._deaths[stage.digest] += 1


def known_shares(store: Store) -> dict[str, float]:
    """Share of a GPU by shape, of all stages that a store holds."""
    shares: dict[str, float] = {}
    for done in store.known(store.digests()).values():
        share = share_of(done.facts)
        if share is not None:
            shape = shape_of(done.stage["kind"], done.stage["settings"])
            shares[shape] = max(share, shares.get(shape, 0.0))
    return shares
