"""What the two-step publication did and an honest sweep refuses, or says."""

from __future__ import annotations

from abl.decide.rules import RULES
from abl.plan.graph import Arm
from abl.spec.sweep import Sweep
from abl.studies.shared.departure import NO_VALIDATION, SPLITS_BY_IMAGE, Departure
from abl.studies.shared.thresholds import BEST_ON_TEST
from abl.studies.two_step.options import needs_selection, uses_false

SELECTION_IN_SAMPLE, THRESHOLD_IN_SAMPLE = "selection_in_sample", "threshold_in_sample"
FALSE_THRESHOLD_ON_TEST = "false_threshold_on_test"


def _selects_in_sample(arm: Arm, sweep: Sweep) -> bool:
    asked = sweep.options.get("selection", "in_sample")
    return needs_selection(arm.own) and asked == "in_sample"


def _threshold_in_sample(arm: Arm, sweep: Sweep) -> bool:
    """Read off here, or there: of a number only a file that names it says where it is from."""
    given = arm.params.get("threshold")
    if given == "histogram":
        return True
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return is_number and THRESHOLD_IN_SAMPLE in sweep.published


# Lee, Kwak, Lee, Sci. Rep. 2025, doi 10.1038/s41598-025-00416-5
DEPARTURES = (
    Departure(
        SELECTION_IN_SAMPLE,
        "options: {selection: in_sample}",
        "Training images were selected by networks that had been trained on them: such a network "
        "agrees with labels it has learned by heart.",
        _selects_in_sample,
    ),
    Departure(
        THRESHOLD_IN_SAMPLE,
        "axes: {threshold: [histogram]}, or a number that was read off so",
        "A T* was read off the confidences on training images, which are higher than those on new "
        "images: more test images are sent on than of those it was read from.",
        _threshold_in_sample,
    ),
    Departure(
        FALSE_THRESHOLD_ON_TEST,
        f"axes: {{false_threshold: [{BEST_ON_TEST}]}}",
        "The threshold of the False network is the best on the very test images that it is scored "
        "on.",
        lambda arm, sweep: (
            uses_false(arm.own) and arm.params.get("false_threshold") == BEST_ON_TEST
        ),
        by_test="the threshold of the False network",
    ),
    NO_VALIDATION,
    SPLITS_BY_IMAGE,
)


def choices_on_validation(arm: Arm, sweep: Sweep) -> list[tuple[str, str, str]]:
    """(axis, what, what to write instead) of T* and calibration."""
    found = []
    named = arm.params.get("threshold")
    by_curve = named is None and "threshold" in sweep.axes and sweep.axes["threshold"].curve
    rule = RULES.get(str(arm.params.get("rule")))
    chooses = by_curve or named in ("exact", "promise", "search") or str(named).endswith("%")
    if rule is not None and rule.has_threshold and chooses:
        what = "the best of a curve" if by_curve else str(named)
        found.append(("threshold", what, "write a number such as 0.9, always, or histogram"))
    calibrate = str(arm.params.get("calibrate", "none"))
    if calibrate != "none":
        found.append(("calibrate", calibrate, "write none"))
    return found
