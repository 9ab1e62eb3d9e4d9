"""What a publication did and an honest sweep refuses: a name by which a sweep file allows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from abl.plan.graph import Arm
from abl.plan.scored_part import ON_VALIDATION, WITHOUT_VALIDATION
from abl.spec.sweep import Sweep


@dataclass(frozen=True)
class Departure:
    """Of a publication's protocol, one thing that makes its results look better than they are.

    Attributes:
        name: In `published` of a sweep file.
        write: How a sweep file does it.
        sentence: What is weak in it, of a sweep that does.
        done: Whether an arm, by the sweep as it sees it, does it.
        by_test: What the labels of test images choose by it, "" if nothing.
        declared: Whether only the file can say so, as no setting shows it: it is then said of a
            sweep that names it, and of no other.
    """

    name: str
    write: str
    sentence: str
    done: Callable[[Arm, Sweep], bool]
    by_test: str = ""
    declared: bool = False


NO_VALIDATION = Departure(
    WITHOUT_VALIDATION,
    "splits: {validation: 0}",
    "There is no validation part: epochs, thresholds and settings were fixed before or follow from "
    "training images, and whether another value would have been better is not known.",
    lambda arm, sweep: not sweep.splits.validation,
)
SCORED_ON_VALIDATION = Departure(
    ON_VALIDATION,
    "splits: {kind: column, scored: validation}",
    "There is no internal test set: what is scored is the validation set, by which methods are "
    "developed; it is meant wherever a test set is spoken of here, but for external ones.",
    lambda arm, sweep: sweep.splits.scored == "validation",
)
# of a sweep that does both, in place of their own sentences, which would contradict each other
OF_BOTH = {
    SCORED_ON_VALIDATION.name: "There is no internal test set: what is scored is the validation "
    "set, by which methods are developed; nothing was chosen on it here.",
    NO_VALIDATION.name: "No other images are held out to choose by: epochs, thresholds and "
    "settings were fixed before or follow from training images, and whether another value would "
    "have been better is not known.",
}
SPLITS_BY_IMAGE = Departure(
    "splits_by_image",
    "splits: {by: image}",
    "Splits are by image: one image of a patient can train while its twin tests, which makes every "
    "result look better than it is.",
    lambda arm, sweep: sweep.splits.by == "image",
)
