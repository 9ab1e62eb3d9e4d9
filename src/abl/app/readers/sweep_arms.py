"""Readers' answers on the test images of a sweep, with its arms as further raters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
    answers = answers_on(images, classes, Options(), files, positive)
    return _beside_all(compared_on_tests(answers, outcome, tests))


def _beside_all(compared: Compared) -> Compared:
    """With the arms in every treatment, and in the readers' first session, as arms of files are."""
    frame, own = compared.together.frame, compared.answers
    is_arm = frame["reader"].isin(compared.arms).to_numpy()
    arms = frame[is_arm].assign(session=own.sessions[0])
    parts = [frame[~is_arm], *(arms.assign(treatment=name) for name in own.treatments)]
    together = replace(compared.together, frame=pd.concat(parts, ignore_index=True))
    return replace(compared, together=together)
