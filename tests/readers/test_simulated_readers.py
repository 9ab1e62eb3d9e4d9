"""Simulated readers have the skill asked for; published counts give the published intervals."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.readers.rater_summaries import rater_summaries
from abl.studies.readers.options import Options
from abl.studies.readers.simulated import planted_auc, simulated_answers

PUBLISHED = Path(__file__).parents[3] / "shared/methods/tables/reader_study.csv"
N = 4000


def images(count: int = N) -> pd.DataFrame:
    names = [f"{at}.png" for at in range(count)]
    return pd.DataFrame({"image": names, "label": np.arange(count) % 2, "patient": names})


def options(**more: object) -> Options:
    readers = [
        {"name": "sharp", "sensitivity": 0.95, "specificity": 0.85},
        {"name": "dull", "sensitivity": 0.6, "specificity": 0.7, "missing": 0.1,
         "aided": {"sensitivity": 0.8, "specificity": 0.8}},
    ]  # fmt: skip
    return Options.model_validate({"simulated": readers, **more})


def test_skill_is_as_planted() -> None:
    frame = simulated_answers(images(), ("benign", "malignant"), options(seed=3)).frame
    for reader in options().simulated:
        for treatment, skill in (("unaided", reader), ("aided", reader.aided)):
            if skill is None:
                continue
            own = frame[(frame["reader"] == reader.name) & (frame["treatment"] == treatment)]
            said = own.dropna(subset=["answer"])
            share_missing = 1 - len(said) / N
            assert share_missing == pytest.approx(reader.missing, abs=4 * (0.1 / N) ** 0.5)
            # four standard errors of a share of half the images
            for truth, share in ((1, skill.sensitivity), (0, skill.specificity)):
                side = said[said["truth"] == truth]
                bound = 4 * (share * (1 - share) / len(side)) ** 0.5
                assert (side["answer"] == truth).mean() == pytest.approx(share, abs=bound)
            auc = roc_auc_score(said["truth"], said["rating"])
            assert auc == pytest.approx(planted_auc(skill), abs=0.03)
            assert ((said["rating"] >= 0) == (said["answer"] == 1)).all()


def test_readers_find_the_same_images_hard() -> None:
    def correlation(alike: float) -> float:
        frame = simulated_answers(images(), ("a", "b"), options(alike=alike)).frame
        wide = frame[frame["treatment"] == "unaided"].pivot(
            index="case", columns="reader", values="rating"
        )
        truth = wide.index.str.partition(".").to_frame()[0].astype(int).to_numpy() % 2
        return float(wide[truth == 0].corr().iloc[0, 1])

    assert correlation(0.0) == pytest.approx(0, abs=0.1)
    assert correlation(0.6) == pytest.approx(0.6, abs=0.08)


def test_other_images_change_no_answer() -> None:
    few, many = (
        simulated_answers(images(count), ("a", "b"), options()).frame for count in (50, 80)
    )
    keys = ["reader", "treatment", "case"]
    joined = few.merge(many, on=keys, suffixes=("", "_many"))
    assert len(joined) == len(few)
    pd.testing.assert_series_equal(joined["rating"], joined["rating_many"], check_names=False)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published tables are not here")
def test_the_published_table_of_readers() -> None:
    with PUBLISHED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    parts = []
    for row in rows:
        tp, fn, fp, tn = (int(row[name]) for name in ("tp", "fn", "fp", "tn"))
        truth = np.repeat([1.0, 1.0, 0.0, 0.0], [tp, fn, fp, tn])
        answer = np.repeat([1.0, 0.0, 1.0, 0.0], [tp, fn, fp, tn])
        cases = [f"{'m' if each else 'b'}{at % 100}" for at, each in enumerate(truth)]
        part = pd.DataFrame({"case": cases, "truth": truth, "answer": answer})
        parts.append(part.assign(reader=row["reader"], patient=part["case"]))
    frame = pd.concat(parts, ignore_index=True).assign(
        treatment="", session="", experience="", comment="", rating=np.nan, confidence=np.nan
    )
    found = {
        each.reader: each for each in rater_summaries(ReaderAnswers(frame, ("benign", "malignant")))
    }
    for row in rows:
        for name in ("acc", "spe", "sen"):
            interval = getattr(found[row["reader"]], name)
            ours = [100 * end for end in (interval.estimate, interval.low, interval.high)]
            printed = [float(row[key]) for key in (name, f"{name}_lo", f"{name}_hi")]
            assert ours == pytest.approx(printed, abs=0.3), (row["reader"], name)
