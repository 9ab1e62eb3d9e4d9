"""Arms of several folds beside readers: networks whose probabilities have no common scale."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.readers.rater_summaries import rater_summaries
from abl.studies.readers.joined import Compared, compared_on_tests
from made_arms import made_outcome

IMAGES = 120


def predictions_of(shifts: list[float]) -> pd.DataFrame:
    """A fold a shift, of its own images; shares of positives differ between folds."""
    rng, parts = np.random.default_rng(3), []
    for fold, shift in enumerate(shifts):
        labels = (rng.random(IMAGES) < 0.3 + 0.3 * fold).astype(int)
        score = 1 / (1 + np.exp(-(1.2 * labels + rng.normal(size=IMAGES) + shift)))
        parts.append(
            pd.DataFrame(
                {
                    "arm": "a", "unit": [f"i{fold}_{at}" for at in range(IMAGES)],
                    "patient": [f"p{fold}_{at}" for at in range(IMAGES)],
                    "role": "test", "repeat": 0, "fold": fold, "seed": 0, "label": labels,
                    "p_0": 1 - score, "p_1": score,
                }
            )
        )  # fmt: skip
    return pd.concat(parts)


def beside_readers(frame: pd.DataFrame) -> Compared:
    rows = pd.DataFrame(
        {
            "case": frame["unit"], "reader": "r", "treatment": "", "patient": frame["patient"],
            "experience": "", "session": "", "comment": "", "truth": frame["label"].astype(float),
            "answer": frame["label"].astype(float), "rating": frame["label"] * 4.0,
            "confidence": np.nan,
        }
    )  # fmt: skip
    answers = ReaderAnswers(rows.reset_index(drop=True), ("benign", "malignant"))
    return compared_on_tests(answers, made_outcome(frame, {"a": {"rule": "original"}}), frame)


def arm_rows(compared: Compared) -> pd.DataFrame:
    frame = compared.together.frame
    return frame[frame["reader"].isin(compared.arms)].set_index("case")


def auc_within_folds(frame: pd.DataFrame) -> float:
    folds = [roc_auc_score(part["label"], part["p_1"]) for _, part in frame.groupby("fold")]
    return float(np.mean(folds))


def test_networks_that_mean_other_things_by_a_probability_do_not_lower_an_arms_auc() -> None:
    frame = predictions_of([2.0, -2.0])
    within, pooled = auc_within_folds(frame), roc_auc_score(frame["label"], frame["p_1"])
    compared = beside_readers(frame)
    (found,) = [each for each in rater_summaries(compared.together) if each.reader in compared.arms]
    assert found.auc is not None
    assert found.auc.estimate == pytest.approx(within, abs=0.01)
    assert abs(pooled - within) > 0.03
    # what it calls is by its probabilities
    called = arm_rows(compared)["answer"].reindex(frame["unit"]).to_numpy()
    assert (called == (frame["p_1"] > 0.5).to_numpy()).all()
    assert any("no common scale" in note for note in compared.notes)


def test_a_perfect_network_of_each_fold_is_a_perfect_arm() -> None:
    frame = predictions_of([2.0, -2.0])
    frame["p_1"] = 0.2 + 0.3 * frame["label"] + 0.4 * (frame["fold"] == 0)
    frame["p_0"] = 1 - frame["p_1"]
    rows = arm_rows(beside_readers(frame))
    assert roc_auc_score(rows["truth"], rows["rating"]) == 1.0


def test_the_order_within_a_fold_is_that_of_its_probabilities() -> None:
    frame = predictions_of([2.0, -2.0])
    rating = arm_rows(beside_readers(frame))["rating"]
    for _, part in frame.groupby("fold"):
        assert (rating[part["unit"]].to_numpy().argsort() == part["p_1"].argsort()).all()


def test_probabilities_of_one_network_stay_as_they_are() -> None:
    frame = predictions_of([0.7])
    compared = beside_readers(frame)
    assert (arm_rows(compared)["rating"].reindex(frame["unit"]) == frame["p_1"].to_numpy()).all()
    assert not compared.ranked
    assert compared.notes == ()
