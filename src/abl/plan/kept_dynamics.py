"""What the logits of training images by epoch take on the disk, where a sweep asks for them."""

from __future__ import annotations

from abl.plan.graph import Plan
from abl.spec.limits import DYNAMICS_MB, Limit, megabytes

_BYTES = 2  # of a float16


def dynamics_bytes(epochs: int, images: int, classes: int) -> int:
    """Of the array of one training."""
    return epochs * images * classes * _BYTES


def dynamics_notes(plan: Plan) -> list[str]:
    """What `abl plan` says of them; nothing if no training keeps any."""
    kept = plan.dynamics.values()
    if not kept:
        return []
    each = f"{megabytes(max(kept))} a training at most"
    return [
        f"train.dynamics: {len(kept):,} trainings keep logits of their training images after each "
        f"epoch, {each}, {megabytes(sum(kept))} in all"
    ]


def too_many_dynamics(size: int, limit: Limit = DYNAMICS_MB) -> str:
    """The line on a training that would keep more than the limit; "" if it does not."""
    if size <= limit.bytes:
        return ""
    return (
        f"train.dynamics: a training would keep {megabytes(size)} of logits; at most "
        f"{limit.most:,} MB are kept: fewer epochs, or set {limit.variable} higher"
    )
