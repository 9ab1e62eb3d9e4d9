"""Arms beside readers: networks of several folds, whose probabilities have no common scale; and how
little two readers tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.readers.rater_summaries import rater_summaries
from abl.plan.outcome import Outcome
from abl.report.pictures import Picture, Pictures
from abl.studies.readers.divided import ARMS_RIGHT, READERS_RIGHT
from abl.studies.readers.divided_figure import divided_figure
from abl.studies.readers.findings import reader_findings
from abl.studies.readers.joined import Compared, compared_on_tests
from abl.studies.readers.tables import reader_tables
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


def beside_readers(frame: pd.DataFrame, readers: int = 1) -> Compared:
    parts = [answers_of(frame, at) for at in range(readers)]
    answers = ReaderAnswers(pd.concat(parts, ignore_index=True), ("benign", "malignant"))
    return compared_on_tests(answers, outcome_of(frame), frame)


def outcome_of(frame: pd.DataFrame) -> Outcome:
    return made_outcome(frame, {"a": {"rule": "original"}})


def answers_of(frame: pd.DataFrame, reader: int) -> pd.DataFrame:
    """Of a reader who is wrong the more often the later they come."""
    wrong = np.random.default_rng(reader).random(len(frame)) < 0.1 + 0.2 * reader
    said = np.where(wrong, 1 - frame["label"], frame["label"])
    return pd.DataFrame(
        {
            "case": frame["unit"], "reader": f"r{reader}", "treatment": "",
            "patient": frame["patient"], "experience": "", "session": "", "comment": "",
            "truth": frame["label"].astype(float),
            "answer": said.astype(float), "rating": said * 4.0, "confidence": np.nan,
        }
    )  # fmt: skip


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


@pytest.mark.parametrize("readers", [2, 3])
def test_two_readers_are_said_to_tell_little(readers: int) -> None:
    frame = predictions_of([0.7])
    found = reader_findings(beside_readers(frame, readers), "delong", None)
    tables = reader_tables(outcome_of(frame), {"against": found.against})
    notes = [note.text for note in tables["against"].notes]
    assert any("one degree of freedom" in note for note in notes) == (readers == 2)


def test_a_divided_image_says_the_truth_and_who_calls_it_what_with_which_aid() -> None:
    divided = pd.DataFrame(
        [
            ("i", 0, ARMS_RIGHT, "aided", 3, 2, 0.1),
            ("i", 0, ARMS_RIGHT, "unaided", 3, 2, 0.1),
            ("j", 0, READERS_RIGHT, "", 3, 2, 0.9),
        ],
        columns=["image", "label", "why", "treatment", "readers", "arms", "p"],
    )
    pixels = np.zeros((1, 8, 8), dtype=np.uint8)
    rows = [("i", ARMS_RIGHT), ("j", READERS_RIGHT)]
    shown = Pictures((), "", tuple(Picture(n, w, 0, pixels, None, None, ()) for n, w in rows))
    figure = divided_figure(shown, divided, ("benign", "malignant"))
    assert figure is not None
    told = [" ".join(place.get_title().split()) for place in figure.axes if place.get_title()]
    assert told == [
        "truth: benign readers (aided, unaided): malignant arms: benign",
        "truth: benign readers: benign arms: malignant",
    ]


def test_p_of_several_treatments_is_corrected_over_their_pairs() -> None:
    frame = predictions_of([0.0]).head(40)
    parts = [
        answers_of(frame, 2 * at + reader).assign(reader=f"r{reader}", treatment=name)
        for at, name in enumerate(("none", "marks", "scores"))
        for reader in range(2)
    ]

    def treatments(several: int) -> pd.DataFrame:
        rows = pd.concat(parts[: 2 * several], ignore_index=True)
        answers = ReaderAnswers(rows, ("benign", "malignant"))
        compared = compared_on_tests(answers, outcome_of(frame), frame)
        return reader_findings(compared, "delong", None).treatments

    found = treatments(3)
    for _, part in found.groupby(["group", "statistic", "effects"]):
        known = part[part["p"].notna()]
        assert known["holm"].tolist() == pytest.approx(multipletests(known["p"], method="holm")[1])
    table = reader_tables(outcome_of(frame), {"treatments": found})["treatments"]
    assert "P, Holm" in [column.label for column in table.columns]
    assert any("Intervals are those of each pair alone" in note.text for note in table.notes)
    two = reader_tables(outcome_of(frame), {"treatments": treatments(2)})["treatments"]
    assert "P, Holm" not in [column.label for column in two.columns]
