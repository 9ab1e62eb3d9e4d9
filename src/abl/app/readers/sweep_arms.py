"""Readers' answers on the test images of a sweep, with its arms as further raters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from abl.app.image_pages.sweep_images import predictions_on_test
from abl.app.results import outcome_named
from abl.errors import InputError, Problem, raise_if_any
from abl.plan.outcome import Outcome
from abl.record.opening import store_at
from abl.report.pairs.arm_words import arm_named
from abl.studies.readers.joined import Compared, answers_on, compared_on_tests
from abl.studies.readers.options import Options


def with_sweep_arms(
    files: Sequence[Path],
    name: str,
    root: Path,
    *,
    positive: str | None = None,
    arms: Sequence[str] = (),
) -> Compared:
    """The answers, whose truth and patients are those of the sweep's test predictions.

    Args:
        name: Of a sweep that was run.
        root: Of the store.
        positive: As read_reader_answers.
        arms: Words of those that are set beside the readers, as `arm_named` takes them; (): all.

    Raises:
        InputError: No such sweep or arm, no predictions by image; everything that is
            wrong with the files.
    """
    store = store_at(root)
    outcome = outcome_named(store, name)
    tests = predictions_on_test(store, outcome)
    chosen = _chosen(outcome, arms, set(tests["arm"].astype(str))) if arms else None
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
    return _beside_all(compared_on_tests(answers, outcome, tests, chosen))


def _chosen(outcome: Outcome, arms: Sequence[str], tested: Collection[str]) -> set[str]:
    """Keys of arms. Raises InputError with every one that is not there or has no predictions."""
    keys: set[str] = set()
    problems: list[Problem] = []
    for words in arms:
        try:
            arm = arm_named(outcome, words, alone=True)
        except InputError as error:
            problems += [Problem(f"--arm {words}: {each.message}") for each in error.problems]
            continue
        if arm.failed or arm.key not in tested:
            problems.append(Problem(f"--arm {words}: it has no predictions of test images"))
        keys.add(arm.key)
    raise_if_any(problems)
    return keys


def _beside_all(compared: Compared) -> Compared:
    """With the arms in every treatment, and in the readers' first session, as arms of files are."""
    frame, own = compared.together.frame, compared.answers
    is_arm = frame["reader"].isin(compared.arms).to_numpy()
    arms = frame[is_arm].assign(session=own.sessions[0])
    parts = [frame[~is_arm], *(arms.assign(treatment=name) for name in own.treatments)]
    together = replace(compared.together, frame=pd.concat(parts, ignore_index=True))
    return replace(compared, together=together)
