"""Readers: proportions of clustered answers with few patients, and answers that are missing."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from abl.decide.agreement import cohen_kappa, fleiss_kappa_interval
from abl.decide.intervals import Interval
from abl.decide.readers.clustered_shares import gee_interval
from abl.errors import InputError


def by_hand(outcomes: np.ndarray, patients: np.ndarray) -> tuple[float, float]:
    """Mancl and DeRouen 2001 for a mean: a cluster's residuals over 1 - its share of all."""
    mean, total = outcomes.mean(), len(outcomes)
    sizes = np.bincount(patients)
    residuals = np.bincount(patients, weights=outcomes - mean) / (1 - sizes / total)
    error = math.sqrt((residuals**2).sum()) / (total * mean * (1 - mean))
    half = stats.t.ppf(0.975, len(sizes) - 1) * error
    middle = math.log(mean / (1 - mean))
    return tuple(1 / (1 + math.exp(-end)) for end in (middle - half, middle + half))


def clustered(
    draw: np.random.Generator, patients: int, p: float, images: int = 7
) -> tuple[np.ndarray, np.ndarray]:
    """Answers with a correlation of 0.25 within patients."""
    own = draw.beta(3 * p, 3 * (1 - p), patients)
    names = np.repeat(np.arange(patients), images)
    return (draw.random(len(names)) < own[names]).astype(int), names


def test_the_interval_is_the_bias_reduced_one_with_t() -> None:
    draw = np.random.default_rng(0)
    for patients in (3, 6, 35):
        sizes = draw.integers(1, 12, patients)
        names = np.repeat(np.arange(patients), sizes)
        outcomes = (draw.random(len(names)) < 0.6).astype(int)
        found = gee_interval(outcomes, [f"p{at}" for at in names])
        assert (found.low, found.high) == pytest.approx(by_hand(outcomes, names))


@pytest.mark.parametrize(("patients", "p"), [(6, 0.7), (35, 0.8)])
def test_it_covers_with_few_patients(patients: int, p: float) -> None:
    """By the closed form, which is that of the function: 2,000 draws, standard error 0.5 points.
    The plain sandwich with the normal quantile covers 88 and 94 %.
    """
    draw, covered = np.random.default_rng(patients), []
    while len(covered) < 2000:
        outcomes, names = clustered(draw, patients, p)
        if 0 < outcomes.mean() < 1:
            low, high = by_hand(outcomes, names)
            covered.append(low <= p <= high)
    assert 0.935 < np.mean(covered) < 0.99


def test_of_fifty_patients_it_is_the_sandwich_with_the_normal_quantile() -> None:
    outcomes, names = clustered(np.random.default_rng(4), 50, 0.7)
    mean, total = outcomes.mean(), len(outcomes)
    residuals = np.bincount(names, weights=outcomes - mean)
    half = stats.norm.ppf(0.975) * math.sqrt((residuals**2).sum()) / (total * mean * (1 - mean))
    found = gee_interval(outcomes, names)
    middle = math.log(mean / (1 - mean))
    assert found.low == pytest.approx(1 / (1 + math.exp(half - middle)))
    assert found.high == pytest.approx(1 / (1 + math.exp(-half - middle)))


def test_of_one_patient_whose_answers_differ_no_end_is_known() -> None:
    found = gee_interval([0, 1, 1], ["a", "a", "a"])
    assert found.estimate == pytest.approx(2 / 3)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


RATINGS = [[0, 0, 0], [1, 1, 1], [0, 0, 1], [1, 1, 0]]
GAPS: list[list[object]] = [*RATINGS, [1, None, 0], [math.nan, 1, 1]]


@pytest.mark.parametrize(
    "empty", [None, math.nan, "", " ", "NA", "nan", "NaN", "n/a", "None", pd.NA, np.float32("nan")]
)
def test_a_missing_answer_is_no_category(empty: object) -> None:
    ratings = [*RATINGS, [1, empty, 0], [0, 0, empty]]
    with pytest.raises(
        InputError, match=r"2 of 6 images lack an answer \(reader 2: 1, reader 3: 1"
    ):
        fleiss_kappa_interval(ratings, resamples=20)
    dropped = fleiss_kappa_interval(ratings, resamples=50, missing="drop")
    assert dropped == fleiss_kappa_interval(RATINGS, resamples=50)
    # by hand (Fleiss 1971): pairs agree in 2/3, by chance in 1/2
    assert dropped.estimate == pytest.approx(1 / 3)


def test_patients_are_dropped_with_their_images() -> None:
    names = ["a", "a", "b", "c", "c", "d"]
    found = fleiss_kappa_interval(GAPS, patients=names, resamples=50, missing="drop")
    assert found == fleiss_kappa_interval(RATINGS, patients=names[:4], resamples=50)
    with pytest.raises(InputError, match="5 patients for 6 images"):
        fleiss_kappa_interval(GAPS, patients=names[:5], missing="drop")


def test_of_few_patients_no_ends_of_kappa_are_made_up() -> None:
    """Two patients with one difference each: every resample has the same kappa."""
    first, second = ["keep", "drop"] * 2, ["keep", "keep"] * 2
    found = cohen_kappa([*first, "drop"], [*second, "drop"], patients=list("aabbb"), resamples=50)
    assert math.isnan(found.low)
    assert not math.isnan(found.estimate)
    readers = [(at % 2, (at + (at % 5 == 0)) % 2) for at in range(30)]
    many = cohen_kappa(*zip(*readers, strict=True), patients=[at // 2 for at in range(30)])
    assert many.low < many.estimate < many.high


def test_two_readers_with_gaps() -> None:
    first, second = ["b", "b", "m", "m", None], ["b", "m", "m", "m", "m"]
    with pytest.raises(InputError, match=r"1 of 5 images lack an answer \(reader 1: 1\).*row 5"):
        cohen_kappa(first, second)
    found: Interval = cohen_kappa(first, second, resamples=50, missing="drop")
    assert found.estimate == pytest.approx((0.75 - 0.5) / 0.5)
    with pytest.raises(InputError, match="no image has an answer of every reader"):
        cohen_kappa([None, 1], [1, None], missing="drop")
    with pytest.raises(InputError, match="5 and 4 answers"):
        cohen_kappa(first, second[:4])


@pytest.mark.parametrize("missing", ["omit", "Drop", "", None, True])
def test_another_way_with_gaps_is_refused_even_where_there_are_none(missing: object) -> None:
    both = r"missing: .* is neither 'refuse' nor 'drop'"
    with pytest.raises(InputError, match=both):
        fleiss_kappa_interval(RATINGS, missing=missing)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=both):
        cohen_kappa([0, 1], [0, 1], missing=missing)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.inf, -math.inf, "inf", "Infinity", np.float32("inf")])
def test_infinity_is_no_class(value: object) -> None:
    for missing in ("refuse", "drop"):
        with pytest.raises(InputError, match=r"row 5, reader 2: '-?[Ii]nf.*' is no class"):
            fleiss_kappa_interval([*RATINGS, [1, value, 0]], missing=missing)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="row 2, reader 1"):
        cohen_kappa([0, value], [0, 1])


@pytest.mark.parametrize("name", [None, math.nan, "", "NA", "nan", pd.NA])
def test_patients_without_a_name_are_no_patient(name: object) -> None:
    patients = ["a", "b", name, name]
    said = r"patients: 2 of 4 have no name, the first is row 3"
    with pytest.raises(InputError, match=said):
        fleiss_kappa_interval(RATINGS, patients=patients)
    with pytest.raises(InputError, match=said):
        cohen_kappa([0, 1, 0, 1], [0, 1, 1, 1], patients=patients)
    with pytest.raises(InputError, match=said):
        gee_interval([0, 1, 0, 1], patients)


def test_a_column_with_gaps_is_of_the_same_classes_as_one_without() -> None:
    """pandas reads 0, 1 with a gap as 0.0, 1.0."""
    found = cohen_kappa([0, 1, 1, 0], pd.Series([0, 1, None, 0]), resamples=50, missing="drop")
    assert found.estimate == 1


def test_none_is_a_class_if_readers_write_it() -> None:
    found = cohen_kappa(["none", "mass"] * 3, ["none", "mass"] * 3, resamples=20)
    assert found.estimate == 1
