"""Regression of error rates: known odds ratios, patients as clusters, separation that is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from abl.decide.audit.rate_regression import RateModel, rate_odds_ratios


def model_of(
    terms: dict[str, np.ndarray], wrong: np.ndarray, seen: np.ndarray, patients: np.ndarray
) -> RateModel:
    return RateModel(wrong, seen, patients, pd.DataFrame(terms), tuple(terms))


def test_one_term_gives_the_odds_ratio_of_the_counts() -> None:
    has = np.arange(40) < 10
    wrong, seen = np.where(has, 4, 2), np.full(40, 10)
    seen[-1], wrong[-1] = 0, 0  # never tested: of no fit
    row = rate_odds_ratios(model_of({"x": has * 1.0}, wrong, seen, np.arange(40))).loc["x"]
    assert row["odds_ratio"] == pytest.approx((40 / 60) / (58 / 232))
    assert (row["images"], row["patients"], row["why"]) == (39, 39, "")


def test_images_of_one_patient_do_not_count_as_many() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 1.5, 40)
    x = (np.arange(40) < 20) * 1.0
    wrong = rng.binomial(10, 1 / (1 + np.exp(-hard)))

    def width(copies: int) -> float:
        def repeated(values: np.ndarray) -> np.ndarray:
            return np.repeat(values, copies)

        model = model_of(
            {"x": repeated(x)}, repeated(wrong), np.full(40 * copies, 10), repeated(np.arange(40))
        )
        row = rate_odds_ratios(model).loc["x"]
        return float(np.log(row["high"] / row["low"]))

    assert width(8) == pytest.approx(width(1), rel=0.05)


@pytest.mark.parametrize("patients", [1, 4])
def test_a_value_of_few_patients_has_an_estimate_and_no_interval(patients: int) -> None:
    who = np.repeat(np.arange(40), 2)
    has = who < patients
    wrong, seen = np.where(has, 7, 2), np.full(80, 10)
    row = rate_odds_ratios(model_of({"x": has * 1.0}, wrong, seen, who)).loc["x"]
    assert row["odds_ratio"] == pytest.approx((7 / 3) / (2 / 8))
    assert row[["low", "high", "p"]].isna().all()
    assert row["why"] == f"{patients} patients have it, fewer than 5"


def test_intervals_hold_with_patients_that_differ() -> None:
    rng = np.random.default_rng(3)
    held = []
    for _ in range(150):
        patients = np.repeat(np.arange(60), 2)
        logit = np.repeat(rng.normal(-1, 1.5, 60), 2) + rng.normal(0, 1, 120)
        x = np.repeat(rng.random(60) < 0.4, 2) * 1.0
        seen = rng.poisson(8, 120)
        wrong = rng.binomial(seen, 1 / (1 + np.exp(-logit)))
        row = rate_odds_ratios(model_of({"x": x}, wrong, seen, patients)).loc["x"]
        held.append(row["low"] < 1 < row["high"])
    assert np.mean(held) > 0.89  # 95 % of 150, less three standard errors


def test_a_value_that_is_never_wrong_is_told_and_the_rest_is_fitted() -> None:
    rng = np.random.default_rng(0)
    at = np.arange(80)
    easy, other = at < 10, at % 2
    wrong = np.where(easy, 0, rng.binomial(6, np.where(other, 0.5, 0.2)))
    found = rate_odds_ratios(
        model_of({"easy": easy * 1.0, "other": other * 1.0}, wrong, np.full(80, 6), at)
    )
    assert found.loc["easy", "odds_ratio"] == 0
    assert found.loc["easy", "why"] == "never wrong in 60 answers: no finite estimate"
    assert np.isnan(found.loc["easy", "high"])
    assert found.loc["other", "low"] > 1
    assert found.loc["other", "images"] == 70


@pytest.mark.parametrize(
    ("terms", "wrong", "said"),
    [
        ({"x": np.arange(60) / 60}, np.where(np.arange(60) > 30, 5, 0), "separated by x"),
        ({"x": np.arange(60.0), "y": np.arange(60.0) * 2}, np.arange(60) % 5, "the same thing"),
        ({"x": np.ones(60)}, np.arange(60) % 5, "no two values"),
        ({f"x{n}": np.arange(60) % (n + 2) for n in range(12)}, np.arange(60) % 5, "too few"),
    ],
)
def test_what_cannot_be_estimated_is_said(
    terms: dict[str, np.ndarray], wrong: np.ndarray, said: str
) -> None:
    found = rate_odds_ratios(model_of(terms, wrong, np.full(60, 5), np.arange(60)))
    assert found["why"].str.contains(said).all()
    assert found[["low", "high", "p"]].isna().all(axis=None)
