"""What stages ask of a GPU: a whole one until their memory is known, then a share that holds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from abl.plan.stage import Resources, Stage, shape_of
from abl.record.store import Store

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
    held, total = facts.get(GPU_BYTES), facts.get(GPU_TOTAL_BYTES)
    if not held or not total:
        return None
    share = (float(held) * HEADROOM + CONTEXT_BYTES) / float(total)
    return min(math.ceil(share * PARTS) / PARTS, 1.0)


class Packing:
    """What each stage asks for, from what stages of its shape took.

    Args:
        shares: Shape -> share of a GPU, of stages that were run before.
    """

    def __init__(self, shares: Mapping[str, float] | None = None):
        self._shares = dict(shares or {})
        self._deaths: dict[str, int] = {}

    def wanted(self, stage: Stage) -> Resources:
        """What a stage asks for now."""
        asked, deaths = stage.resources, self._deaths.get(stage.digest, 0)
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
        self._deaths[stage.digest] = self._deaths.get(stage.digest, 0) + 1


def known_shares(store: Store) -> dict[str, float]:
    """Share of a GPU by shape, of all stages that a store holds."""
    shares: dict[str, float] = {}
    for done in store.known(store.digests()).values():
        share = share_of(done.facts)
        if share is not None:
            shape = shape_of(done.stage["kind"], done.stage["settings"])
            shares[shape] = max(share, shares.get(shape, 0.0))
    return shares
