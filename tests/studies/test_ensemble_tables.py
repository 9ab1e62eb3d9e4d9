"""Tables of an ensembles sweep: what they say of intervals."""

from __future__ import annotations

from dataclasses import asdict, replace

import pandas as pd
import pytest

from abl.decide.gains import gains_of
from abl.plan.facts import Facts
from abl.report.prediction_frames import arm_tests, scored_replicates
from abl.studies.ensembles.tables import gains_table
from made_arms import made_frame, made_outcome


@pytest.mark.parametrize("seeds", [2, 3])
def test_what_was_resampled_and_how_few_seeds_there_are_is_said(seeds: int) -> None:
    keys = ("A", "B", "A+B")
    frame = made_frame({key: 0.5 + 0.2 * at for at, key in enumerate(keys)}, seeds=seeds, folds=2)
    outcome = made_outcome(frame, {key: {"networks": key} for key in keys}, axes=("networks",))
    outcome = replace(outcome, facts=Facts(clusters="group"))
    scores = {key: scored_replicates(arm_tests(frame, key)) for key in keys}
    rows = [
        asdict(gain)
        | {
            "metric": "acc", "networks": "A+B", "classifier": "svm", "ensemble": "mean",
            "others": "", "size": 2, "best_networks": gain.best, "best_classifier": "svm",
            "members": "A B", "p_corrected": 0.5,
        }
        for gain in gains_of(scores, {"A+B": ["A", "B"]}, "acc")
    ]  # fmt: skip
    table = gains_table(outcome, pd.DataFrame(rows))
    assert table is not None
    said = " ".join(note.text for note in table.notes)
    assert "Intervals by groups and trainings" in said
    assert "patients" not in said
    assert ("one degree of freedom" in said) == (seeds == 2)
