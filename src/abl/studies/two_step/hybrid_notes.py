"""What a plan says of `options.hybrid` where it does nothing."""

from __future__ import annotations

from collections.abc import Sequence

from abl.plan.graph import Arm
from abl.spec.sweep import Sweep

HYBRID = "options.hybrid"


def hybrid_notes(file: Sweep, arms: Sequence[Arm], sweeps: Sequence[Sweep]) -> list[str]:
    """A sentence each: the share is given and not read, or adds no image.

    Args:
        file: The sweep as its file has it.
        sweeps: As each arm sees it.
    """
    mixed = [
        sweep
        for arm, sweep in zip(arms, sweeps, strict=True)
        if str(arm.params.get("second")) == "hybrid"
    ]
    if "hybrid" in file.options and not mixed:
        return [f"{HYBRID} changes nothing: it is read only with second: hybrid, and no arm has it"]
    if any(sweep.options.get("hybrid") == 0 for sweep in mixed):
        return [f"{HYBRID}: 0 adds no image: second: hybrid is second: true then"]
    return []
