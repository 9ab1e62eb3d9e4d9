"""What one arm of a sweep said of its test images, for a page that shows it to readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from abl.errors import InputError
from abl.plan.outcome import Outcome
from abl.report.pairs.arm_words import arm_named, arm_title
from abl.report.prediction_frames import probabilities_of
from abl.studies.readers.joined import first_tests

_DECIMALS = 2


def aids_of(
    outcome: Outcome, tested: pd.DataFrame, words: str, classes: Sequence[str]
) -> tuple[str, Mapping[str, str]]:
    """Title of the arm; image -> its probability of each class, the likeliest first.

    Of each image the prediction of the first replicate that tests it, as where arms and readers
    are compared: no network of it was trained on that image.

    Args:
        tested: Test predictions by image of all arms.
        words: Of the arm, as `arm_named` takes them.

    Raises:
        InputError: No such arm, or several; it failed.
    """
    arm = arm_named(outcome, words, alone=True)
    title = arm_title(outcome, arm)
    rows = first_tests(tested)
    rows = rows[(rows["arm"] == arm.key).to_numpy()]
    if arm.failed or rows.empty:
        raise InputError(f"--aid {words}: {title} has no predictions of test images")
    said = {}
    for image, shares in zip(rows["unit"], probabilities_of(rows), strict=True):
        order = sorted(range(len(classes)), key=lambda at: -shares[at])
        said[str(image)] = ", ".join(f"{classes[at]} {shares[at]:.{_DECIMALS}f}" for at in order)
    return title, said
