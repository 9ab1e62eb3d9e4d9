"""What is weak in the two-step protocol: as published, and as a sweep follows it."""

from __future__ import annotations

from abl.report.page.report_facts import ReportFacts
from abl.report.page.weaknesses import OwnWeaknesses

# Lee, Kwak, Lee, Sci. Rep. 2025, doi 10.1038/s41598-025-00416-5
PUBLISHED = (
    "The training set is 41 % malignant and the test set 81 %, though the division is called "
    "random: accuracy and F1 mostly reflect sensitivity.",
    "There is one split; patients are not mentioned, so that images of one patient may lie on "
    "both sides; there is no validation set, and there are no intervals.",
    "The selection of training images and T* come from predictions on the images that the "
    "networks were trained on.",
    "The True network sees no hard training image, but receives only hard test images.",
    "No control separates the two-step decision from plain ensembling of two networks.",
    "The threshold of the False network was picked by looking at test results.",
)


def two_step_weaknesses(facts: ReportFacts) -> OwnWeaknesses:
    """The published ones, and what networks know of the images that decide."""
    arms, own = facts.outcome.arms, []
    options = {} if facts.sweep is None else facts.sweep.options
    selects = facts.sweep is not None and any(arm.params.get("consensus", "") != "" for arm in arms)
    if selects and options.get("selection", "in_sample") == "in_sample":
        own.append(
            "Training images were selected by networks that had been trained on them "
            "(selection: in_sample): such a network agrees with labels it has learned by heart."
        )
    if any(arm.params.get("threshold") == "histogram" for arm in arms):
        own.append(
            "A T* was read off the confidences on training images, which are higher than those "
            "on new images: more test images are sent on than of those it was read from."
        )
    return OwnWeaknesses(PUBLISHED, tuple(own))
