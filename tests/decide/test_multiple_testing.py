from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from simulated_arms import Truth, arms
from statsmodels.stats.multitest import multipletests

from abl.decide.comparison import Contrast, best_and_tied, calls_one_class, comparisons
from abl.decide.multiple_testing import (
    all_pairs_level,
    contrast_draws,
    corrected_p,
    holm_p,
    joint_draws,
    simultaneous_level,
)
from abl.decide.paired_tests import corrected_resampled_t
from abl.decide.replicates import Scores
from abl.decide.verdicts import verdict
from abl.errors import InputError


def two_arms(patients=12, images=3, seeds=3, seed=0, **more):
    return arms(np.random.default_rng(seed), patients, images, seeds, **more)


@cache
def independent(count, correlation=0.0):
    """Contrasts of `count` arms with one base that does not vary, and draws of them."""
    covariance = np.full((count + 1, count + 1), correlation)
    np.fill_diagonal(covariance, 1.0)
    covariance[-1] = covariance[:, -1] = 0.0
    first, second = np.arange(count), np.full(count, count)
    drawn = joint_draws(covariance, 20_000)
    return drawn, covariance, contrast_draws(drawn, covariance, first, second)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=8))
def test_a_corrected_p_lies_between_its_own_and_holms(p):
    own = np.array(p)
    _, _, drawn = independent(len(p), 0.3)
    found = corrected_p(own, drawn)
    holm = multipletests(own, method="holm")[1]
    assert (found >= own - 1e-12).all()
    assert (found <= holm + 1e-12).all()
    order = np.argsort(own, kind="stable")
    assert (np.diff(found[order]) >= -1e-12).all()


@pytest.mark.parametrize("p", [[], [0.03], [0.2, 0.01, 0.01, 0.04, 0.9], [math.nan, 0.03, 0.02]])
def test_holms_p_is_that_of_statsmodels_over_what_was_tested(p):
    own = np.array(p, dtype=float)
    tested = ~np.isnan(own)
    found = holm_p(own)
    assert np.isnan(found[~tested]).all()
    if tested.any():
        assert found[tested] == pytest.approx(multipletests(own[tested], method="holm")[1])


def test_independent_contrasts_cost_what_sidak_says():
    own = np.array([0.004, 0.02, 0.3, 0.6])
    _, _, drawn = independent(4)
    sidak = multipletests(own, method="holm-sidak")[1]
    assert corrected_p(own, drawn) == pytest.approx(sidak, abs=0.01)
    assert simultaneous_level(drawn, 0.95) == pytest.approx(0.95 ** (1 / 4), abs=0.003)


def test_all_pairs_cost_what_tukey_says():
    covariance = np.eye(5)
    drawn = joint_draws(covariance, 20_000)
    level = all_pairs_level(drawn, covariance, 0.95)
    reach = stats.studentized_range.ppf(0.95, 5, 1e6) / math.sqrt(2)
    assert stats.norm.isf((1 - level) / 2) == pytest.approx(reach, rel=0.01)


def test_a_family_of_one_costs_nothing_and_repeats_itself():
    arm, base = two_arms(60, gain=0.5)
    (found,) = comparisons([Contrast("base", arm, base)], "auc")
    assert found.p_corrected == found.p
    assert (found.low_corrected, found.high_corrected) == (found.low, found.high)
    (again,) = comparisons([Contrast("base", arm[::-1], base[::-1])], "auc")
    assert again == found


def test_p_and_interval_agree_in_every_row():
    rng = np.random.default_rng(9)
    for metric in ("acc", "sen", "auc", "f1", "brier"):
        for gain in rng.uniform(0, 2, 12):
            seeds = int(rng.integers(1, 4))
            pair = arms(rng, int(rng.integers(6, 60)), 2, seeds, gain=float(gain))
            (found,) = comparisons([Contrast("base", *pair)], metric)
            if math.isnan(found.difference):
                continue
            assert found.low <= found.difference <= found.high
            assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


def test_a_contrast_twice_costs_no_more():
    arm, base = two_arms(80, gain=0.6, seed=8)
    once = comparisons([Contrast("base", arm, base)], "auc")[0]
    twice = comparisons([Contrast("base", arm, base)] * 5, "auc")
    for each in twice:
        assert each.p == once.p
        assert each.p_corrected == pytest.approx(once.p, abs=0.01)


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_predictions_are_a_fact_whatever_the_metric(seeds):
    arm, base = two_arms(200, 1, seeds)
    for metric in ("acc", "auc", "f1", "brier"):
        same, other = comparisons(
            [Contrast("base", arm, list(arm)), Contrast("base", arm, base)], metric, margin=0.2
        )
        assert (same.verdict, same.difference) == ("same predictions", 0)
        inferred = (same.low, same.high, same.low_corrected, same.high_corrected)
        assert all(map(math.isnan, (*inferred, same.p, same.p_corrected)))
        assert other.verdict == ("equivalent" if seeds > 1 else "undecided")
        # nothing is tested there, so that it costs the others nothing
        (alone,) = comparisons([Contrast("base", arm, base)], metric, margin=0.2)
        assert other.p_corrected == pytest.approx(alone.p_corrected)


def test_one_image_that_differs_is_no_equality():
    arm, _ = two_arms(200, 3)
    p = arm[0].p.copy()
    p[0] = p[0] * 0.999 + 0.0005
    other = [replace(arm[0], p=p), *arm[1:]]
    (found,) = comparisons([Contrast("base", other, arm)], "brier")
    assert found.verdict != "same predictions"
    assert found.low < found.difference < found.high
    assert 0 < found.p <= 1


def without(metric_classes, seeds=3):
    """An arm that calls everything class 1 of so many images a class."""
    labels = np.repeat([0, 1], metric_classes)
    p = np.tile([0.3, 0.7], (len(labels), 1))
    names = np.arange(len(labels))
    noise = [
        np.column_stack([-e, e]) for e in np.random.default_rng(0).uniform(0, 0.1, (seeds, len(p)))
    ]
    return [Scores(0, 0, seed, labels, names, p + noise[seed]) for seed in range(seeds)]


def test_no_verdict_of_networks_that_call_everything_one_class():
    constant = without((12, 12))
    assert calls_one_class(constant)
    labels, names = constant[0].labels, constant[0].patients
    rng = np.random.default_rng(3)
    good = []
    for seed in range(3):
        p = np.clip(0.5 + 0.4 * (2 * labels - 1) + rng.normal(0, 0.1, len(labels)), 0.01, 0.99)
        good.append(Scores(0, 0, seed, labels, names, np.column_stack([1 - p, p])))
    assert not calls_one_class(good)
    for pair in ((constant, good), (good, constant)):
        (found,) = comparisons([Contrast("base", *pair)], "acc", margin=0.02)
        assert found.verdict == "no verdict: one class only"
    # a fold of one class, called so, is no giving up; nor is a fold of a few
    one_sided = [Scores(0, 1, 0, [1, 1, 1], ["a", "b", "c"], [[0.1, 0.9]] * 3)]
    assert not calls_one_class([*good, *one_sided])


def test_no_verdict_where_patients_are_too_few_or_not_out_of_fold():
    arm, base = two_arms(5, 10, gain=8.0)
    (found,) = comparisons([Contrast("base", arm, base)], "acc", margin=0.02)
    assert found.verdict == "no verdict: too few patients"
    arm, base = two_arms(11, 10, gain=8.0, truth=Truth(malignant=0.4))
    found = comparisons([Contrast("base", arm, base)], "sen")[0]  # four of them are malignant
    assert found.verdict == "no verdict: too few patients"
    arm, base = two_arms(100, gain=2.0)
    (found,) = comparisons([Contrast("base", arm, base, out_of_fold=False)], "acc")
    assert found.verdict == "no verdict: not out of fold"


def test_an_undefined_metric_has_neither_p_nor_verdict():
    benign = [Scores(0, 0, 0, [0, 0], ["a", "b"], [[0.9, 0.1], [0.2, 0.8]])]
    other = [Scores(0, 0, 0, [0, 0], ["a", "b"], [[0.8, 0.2], [0.2, 0.8]])]
    arm, base = two_arms(40)
    found = comparisons([Contrast("b", benign, other), Contrast("b", arm, base)], "auc")
    assert math.isnan(found[0].p)
    assert math.isnan(found[0].p_corrected)
    assert found[1].p == found[1].p_corrected


def differences(*splits, seeds=1):
    return pd.DataFrame(
        [
            (0, fold, seed, value + 0.1 * (seed - (seeds - 1) / 2))
            for fold, value in enumerate(splits)
            for seed in range(seeds)
        ],
        columns=["repeat", "fold", "seed", "value"],
    )


def test_corrected_t():
    splits = [0.02, 0.05, 0.01, 0.04, 0.03]
    found = corrected_resampled_t(differences(*splits), train_patients=80, test_patients=20)
    t = np.mean(splits) / math.sqrt((1 / 5 + 20 / 80) * np.var(splits, ddof=1))
    assert found.t == pytest.approx(t)
    assert found.df == 4
    assert found.p == pytest.approx(2 * stats.t.sf(t, 4))
    assert found.low < 0.03 < found.high
    # seeds are averaged first: they add no degree of freedom
    with_seeds = corrected_resampled_t(
        differences(*splits, seeds=3), train_patients=80, test_patients=20
    )
    assert (with_seeds.df, with_seeds.t) == (4, pytest.approx(t))
    nearly_naive = corrected_resampled_t(differences(*splits), train_patients=1e9, test_patients=1)
    assert nearly_naive.p == pytest.approx(stats.ttest_1samp(splits, 0).pvalue, rel=1e-4)


def test_corrected_t_of_one_split_is_undefined():
    found = corrected_resampled_t(differences(0.02), train_patients=80, test_patients=20)
    assert found.difference == pytest.approx(0.02)
    assert math.isnan(found.p)


@pytest.mark.parametrize(
    ("low", "high", "margin", "expected"),
    [
        (0.01, 0.05, None, "better"),
        (-0.05, -0.01, None, "worse"),
        (-0.01, 0.01, None, "undecided"),
        (-0.01, 0.01, 0.02, "equivalent"),
        (0.001, 0.01, 0.02, "equivalent"),
        (0.001, 0.03, 0.02, "better"),
        (0.021, 0.03, 0.02, "better by more than the margin"),
        (-0.01, 0.02, 0.02, "undecided"),
        (math.nan, 0.02, 0.02, "undecided"),
    ],
)
def test_verdict(low, high, margin, expected):
    assert verdict(low, high, margin) == expected
    words = {"better": "worse", "worse": "better"}
    first, _, rest = expected.partition(" ")
    mirrored = " ".join([words.get(first, first), rest]).strip()
    assert verdict(low, high, margin, higher_is_better=False) == mirrored
    networks = verdict(low, high, margin, recipes=False)
    assert networks == ("these networks differ" if low > 0 or high < 0 else "undecided")


def test_verdict_needs_a_real_margin():
    with pytest.raises(InputError, match="margin"):
        verdict(0, 1, 0.0)


def test_equivalence_must_hold_for_the_whole_family():
    alike = Truth(arm_patient=0.1, arm_image=0.1, seed_image=0.3)
    arm, base = arms(np.random.default_rng(2), 300, 1, 3, truth=alike)
    contrast = Contrast("base", arm, base)
    (alone,) = comparisons([contrast], "acc")
    margin = 1.02 * max(-alone.low, alone.high)
    assert comparisons([contrast], "acc", margin=margin)[0].verdict == "equivalent"
    family = [contrast]
    for seed in range(8):
        rng = np.random.default_rng(seed)
        other = []
        for each in base:
            turned = rng.random(len(each.p))[:, None] < 0.05
            p = np.where(turned, each.p[:, ::-1], each.p)
            other.append(Scores(*each.key, each.labels, each.patients, p))
        family.append(Contrast("base", other, base))
    first = comparisons(family, "acc", margin=margin)[0]
    assert (first.low, first.high) == (alone.low, alone.high)
    assert first.low_corrected < alone.low
    assert first.verdict != "equivalent"


def test_comparisons_tell_a_better_arm_from_the_null():
    better, base = two_arms(200, 2, gain=0.8)
    found = comparisons(
        [Contrast("original", better, base), Contrast("original", base, base)], "auc", margin=0.01
    )
    assert [each.verdict for each in found] == [
        "better by more than the margin",
        "same predictions",
    ]
    assert found[0].low < found[0].difference < found[0].high
    assert found[0].p_corrected < 0.01
    assert math.isnan(found[1].p_corrected)
    worse = comparisons([Contrast("new", base, better)], "brier")
    assert worse[0].verdict == "worse"


def test_best_arm_and_those_tied_with_it():
    rng = np.random.default_rng(3)
    better, base = arms(rng, 200, 2, 3, gain=1.0)
    table = {"base": base, "better": better, "twin": list(better)}
    best, tied = best_and_tied(table, "auc")
    assert best == "better"
    assert tied == {"twin"}
    # what used labels of the test set is never the best
    assert best_and_tied(table, "auc", controls={"better", "twin"}) == ("base", frozenset())
    with pytest.raises(InputError, match="best between its ends"):
        best_and_tied(table, "calibration_slope")


def test_all_of_many_equal_arms_are_marked():
    lost = 0
    for sweep in range(40):
        rng = np.random.default_rng([7, sweep])
        shared = rng.normal(size=100)
        labels = np.arange(100) % 2
        table = {}
        for arm in range(8):
            own = shared + 0.5 * rng.normal(size=100)
            replicates = []
            for seed in range(3):
                score = own + 0.5 * rng.normal(size=100) + (2 * labels - 1)
                p = 1 / (1 + np.exp(-score))
                replicates.append(
                    Scores(0, 0, seed, labels, np.arange(100), np.column_stack([1 - p, p]))
                )
            table[str(arm)] = replicates
        _, tied = best_and_tied(table, "acc")
        lost += len(tied) < 7
    assert lost <= 6  # 5 % of 40 are 2; more than 6 in 0.3 % of runs
