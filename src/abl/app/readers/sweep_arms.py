"""Readers' answers on the test images of a sweep, with its arms as further raters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from abl.app.image_pages.sweep_images import predictions_on_test
from abl.app.results import outcome_named
from abl.record.opening import store_at
from abl.studies.readers.joined import Compared, answers_on, compared_on_tests
from abl.studies.readers.options import Options


def with_sweep_arms(
    files: Sequence[Path], name: str, root: Path, positive: str | None = None
) -> Compared:
    """The answers, whose truth and patients are those of the sweep's test predictions.

    Args:
        name: Of a sweep that was run.
        root: Of the store.
        positive: As read_reader_answers.

    Raises:
        InputError: No such sweep, no predictions by image; everything that is
            wrong with the files.
    """
    store = store_at(root)
    outcome = outcome_named(store, name)
    tests = predictions_on_test(store, outcome)
    classes = tuple(map(str, outcome.facts.classes))
    once = tests.assign(unit=tests["unit"].astype(str)).drop_duplicates("unit")
    images = pd.DataFrame(
        {
            "image": once["unit"].to_numpy(),
            "label": once["label"].to_numpy(np.int64),
            "patient": once["patient"].astype(str).to_numpy(),
        }
    )
    return compared_on_tests(
        answers_on(images, classes, Options(), files, positive), outcome, tests
    )
