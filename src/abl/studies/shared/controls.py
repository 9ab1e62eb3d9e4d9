"""Arms that used labels of the test set: controls, which can win without merit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from abl.decide.verdicts import A_CONTROL
from abl.plan.outcome import Comparison
from abl.spec.attention import looks_at_mask
from abl.spec.sweep import Sweep

SHUFFLED = (
    "the second image of a test pair is another patient's of the same class, drawn by the test "
    "labels: it can tell the class where the patient's own image does not"
)
DRAWN_MASKS = {
    "true": "the masks that experts drew on the test images are given to it",
    "ellipse": "the places that experts marked on the test images are given to it",
    "random": "the sizes that experts marked on the test images are given to it",
}


def test_labels_used(sweep: Sweep) -> str:
    """How an arm with these settings uses labels of its test images; "" if it does not."""
    if sweep.data.pairing == "shuffled":
        return SHUFFLED
    attention = sweep.train.attention
    return DRAWN_MASKS.get(attention.mask, "") if looks_at_mask(attention.variant) else ""


def without_verdicts(
    family: Mapping[tuple[int, int], Comparison], controls: Collection[int]
) -> dict[tuple[int, int], Comparison]:
    """A family of comparisons (arm, base) in which arms that are controls have no verdict.

    Difference and interval stay. A control as the base keeps the verdict: that an arm is better
    than one which was helped is what the control is there to show.
    """
    return {
        pair: replace(found, verdict=A_CONTROL) if pair[0] in controls else found
        for pair, found in family.items()
    }
