"""Agreement beyond chance: published values, gaps, resamples of patients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from abl.decide.agreement import (
    agreement_band,
    cohen_kappa,
    fleiss_kappa_interval,
    gwet_ac1,
    weighted_kappa,
)
from abl.decide.readers.krippendorff import ALPHA_LEVELS, krippendorff_alpha
from abl.errors import InputError

# Krippendorff 2011: 12 units, 4 observers, gaps
GAP = math.nan
TWELVE = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
        [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
    ]
).T


@pytest.mark.parametrize(
    ("level", "published"), zip(ALPHA_LEVELS, (0.7434, 0.8154, 0.8491, 0.7974), strict=True)
)
def test_alpha_of_krippendorffs_example(level: str, published: float) -> None:
    found = krippendorff_alpha(TWELVE, level, resamples=200)  # type: ignore[arg-type]
    assert found.estimate == pytest.approx(published, abs=5e-5)
    assert found.low < found.estimate < found.high <= 1


def test_ac1_and_fleiss_of_the_same_data_with_gaps() -> None:
    # as irrCAC 0.4.4; 0.78553 would count a missing answer as a sixth class
    assert gwet_ac1(TWELVE, resamples=10).estimate == pytest.approx(0.77544, abs=5e-6)
    kept = fleiss_kappa_interval(TWELVE, missing="keep", resamples=10)
    assert kept.estimate == pytest.approx(0.76117, abs=5e-6)


def test_whole_tables_are_those_of_the_libraries() -> None:
    draw = np.random.default_rng(3)
    ratings = draw.integers(0, 3, (40, 4))
    ratings[:, 1] = np.where(draw.random(40) < 0.6, ratings[:, 0], ratings[:, 1])
    table = np.array([np.bincount(row, minlength=3) for row in ratings])
    for missing in ("refuse", "keep"):
        found = fleiss_kappa_interval(ratings, missing=missing, resamples=10)  # type: ignore[arg-type]
        assert found.estimate == pytest.approx(fleiss_kappa(table))
    first, second = ratings[:, 0], ratings[:, 1]
    kappa = cohen_kappa(first, second, resamples=10).estimate
    assert kappa == pytest.approx(cohen_kappa_score(first, second))


def alpha_by_definition(ratings: np.ndarray) -> float:
    """Interval: one minus within-unit over whole mean squared difference of pairs."""
    units = [row[~np.isnan(row)] for row in ratings]
    units = [row for row in units if len(row) > 1]
    pooled = np.concatenate(units)
    within = sum(
        ((row[:, None] - row[None, :]) ** 2).sum() / (len(row) - 1) for row in units
    ) / len(pooled)
    whole = ((pooled[:, None] - pooled[None, :]) ** 2).sum()
    return 1 - within / (whole / (len(pooled) * (len(pooled) - 1)))


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_weighted_kappa_is_that_of_scikit_learn(weights: str) -> None:
    """Also where a class between others is never named: it keeps its place."""
    draw = np.random.default_rng(5)
    first = draw.choice([0, 1, 3, 11], 80)
    second = np.where(draw.random(80) < 0.6, first, draw.choice([0, 1, 3, 11], 80))
    found = weighted_kappa(first, second, weights, resamples=200)  # type: ignore[arg-type]
    want = cohen_kappa_score(first, second, labels=range(12), weights=weights)
    assert found.estimate == pytest.approx(want)
    assert found.low < want < found.high
    two = weighted_kappa(first > 1, second > 1, weights, resamples=50)  # type: ignore[arg-type]
    assert two.estimate == pytest.approx(cohen_kappa(first > 1, second > 1).estimate)
    for odd in ([0.5, 1], [-1, 1], [math.nan, 1]):
        with pytest.raises(InputError, match="whole numbers from 0 on"):
            weighted_kappa(odd, [0, 1])


def test_alpha_of_ratings_on_a_fine_scale() -> None:
    draw = np.random.default_rng(0)
    ratings = draw.normal(size=(300, 1)) + draw.normal(size=(300, 5))
    ratings[draw.random(ratings.shape) < 0.2] = np.nan
    found = krippendorff_alpha(ratings, "interval", resamples=50)
    assert found.estimate == pytest.approx(alpha_by_definition(ratings))
    assert math.isnan(krippendorff_alpha(ratings, "ordinal", resamples=10).estimate)


def test_intervals_are_by_patients() -> None:
    """Images of one patient that repeat say nothing new."""
    draw = np.random.default_rng(1)
    once = draw.integers(0, 2, (30, 3))
    repeated = np.repeat(once, 4, axis=0)
    patients = np.repeat(np.arange(30), 4)
    apart = fleiss_kappa_interval(repeated)
    together = fleiss_kappa_interval(repeated, patients=patients)
    one = fleiss_kappa_interval(once)
    assert together.high - together.low == pytest.approx(one.high - one.low, rel=0.05)
    assert apart.high - apart.low < 0.7 * (together.high - together.low)


def test_where_all_answers_are_one_nothing_is_beyond_chance() -> None:
    same = np.ones((5, 3))
    assert math.isnan(fleiss_kappa_interval(same, resamples=5).estimate)
    assert math.isnan(krippendorff_alpha(same, resamples=5).estimate)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (-0.1, "poor"), (0, "poor"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"),
        (3 * 0.2, "moderate"), (0.61, "substantial"), (0.81, "almost perfect"), (math.nan, ""),
    ],
)  # fmt: skip
def test_bands(value: float, word: str) -> None:
    assert agreement_band(value) == word


def test_negative_numbers_have_no_ratio() -> None:
    with pytest.raises(InputError, match="no ratio"):
        krippendorff_alpha([[1, -1], [1, 2]], "ratio")
