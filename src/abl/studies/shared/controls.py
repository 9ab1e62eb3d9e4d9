"""Arms that used labels of the test set: controls, which can win without merit."""

from __future__ import annotations

from abl.spec.sweep import Sweep
from abl.spec.train import looks_at_mask

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
