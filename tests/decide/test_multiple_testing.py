from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import rankdata
from simulated_arms import arms

from abl.decide.comparison import Contrast, best_and_tied, comparisons, verdict
from abl.decide.metrics import METRICS, metric_named
from abl.decide.multiple_testing import _difference_of_signs, family_test
from abl.decide.paired_tests import corrected_resampled_t
from abl.decide.replicates import Scores, checked_arm, patients_of, replicate_scores
from abl.errors import InputError

SKEWED = [*METRICS, "npv@0.2"]


def two_arms(patients=12, images=3, seeds=2, seed=0, **more):
    return arms(np.random.default_rng(seed), patients, images, seeds, **more)


def over_folds(arm, folds=3):
    """The same predictions as if each fold had tested its part of the patients."""
    parts = []
    for each in arm:
        code = np.unique(each.patients, return_inverse=True)[1]
        for fold in range(folds):
            rows = code % folds == fold
            parts.append(
                Scores(0, fold, each.seed, each.labels[rows], each.patients[rows], each.p[rows])
            )
    return parts


def three_classes(seed):
    rng = np.random.default_rng(seed)
    labels, patients = rng.integers(0, 3, 36), rng.integers(0, 9, 36)
    draw = lambda: np.round(rng.dirichlet([2, 2, 2], 36), 2) + 0.01  # noqa: E731
    return tuple(
        [Scores(0, 0, 0, labels, patients, p / p.sum(1)[:, None])] for p in (draw(), draw())
    )


def of_ranks(arm, column):
    """One class against the rest, its probabilities replaced by their ranks within the arm."""
    ranked = []
    for each in arm:
        share = rankdata(each.p[:, column]) / (len(each.p) + 1)
        p = np.column_stack([1 - share, share])
        ranked.append(Scores(*each.key, each.labels == column, each.patients, p))
    return ranked


def exchanged_difference(arm, base, metric, signs, patients):
    """By definition: exchange the predictions (for AUC their ranks), score both, subtract."""
    if metric == "auc":
        classes = arm[0].p.shape[1]
        columns = [1] if classes == 2 else range(classes)
        each = [
            exchanged_scores(of_ranks(arm, c), of_ranks(base, c), metric, signs, patients)
            for c in columns
        ]
        return np.mean(each)
    return exchanged_scores(arm, base, metric, signs, patients)


def exchanged_scores(arm, base, metric, signs, patients):
    scores = []
    for first, second in ((arm, base), (base, arm)):
        replicates = []
        for one, other in zip(first, second, strict=True):
            keep = signs[patients.positions(one)][:, None] > 0
            p = np.where(keep, one.p, other.p)
            replicates.append(Scores(*one.key, one.labels, one.patients, p))
        table = replicate_scores(replicates, [metric])
        means = table.groupby(["repeat", "fold"])[metric_named(metric).name].mean()
        scores.append(means.mean())
    return scores[0] - scores[1]


@pytest.mark.parametrize("metric", SKEWED)
@pytest.mark.parametrize("make", [two_arms, lambda: map(over_folds, two_arms(patients=30))])
def test_the_statistic_is_the_difference_after_exchanging_patients(metric, make):
    arm, base = map(checked_arm, make())
    patients = patients_of(arm)
    of_signs = _difference_of_signs(arm, base, metric_named(metric), patients)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], size=(6, len(patients)))
    signs[0] = 1
    for row, found in zip(signs, of_signs(signs), strict=True):
        direct = exchanged_difference(arm, base, metric, row, patients)
        assert found == pytest.approx(direct, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("metric", ["auc", "f1", "balanced_acc", "brier", "spe"])
def test_so_it_is_for_three_classes(metric):
    arm, base = three_classes(2)
    patients = patients_of(arm)
    of_signs = _difference_of_signs(arm, base, METRICS[metric], patients)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], size=(6, len(patients)))
    for row, found in zip(signs, of_signs(signs), strict=True):
        assert found == pytest.approx(exchanged_difference(arm, base, metric, row, patients))


def sign_flip_test(arm, base, metric, **options):
    return family_test([(arm, base)], metric, **options)[0]


@pytest.mark.parametrize("metric", ["acc", "auc", "f1"])
def test_p_approaches_the_one_of_all_exchanges(metric):
    arm, base = two_arms(patients=9, seed=4, gain=1.0)
    patients = patients_of(arm)
    every = np.array(list(itertools.product([-1.0, 1.0], repeat=len(patients))))
    differences = _difference_of_signs(arm, base, METRICS[metric], patients)(every)
    observed = differences[-1]
    exact = np.mean(np.abs(differences) >= abs(observed) - 1e-12)
    found = sign_flip_test(arm, base, metric, permutations=20_000)
    assert found.difference == pytest.approx(observed)
    assert found.p == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000) + 1e-3)


def test_p_is_never_zero_and_repeats_itself():
    arm, base = two_arms(patients=100, gain=4.0)
    found = sign_flip_test(arm, base, "acc", permutations=10_000)
    assert found.p == 1 / 10_001
    assert found == sign_flip_test(arm[::-1], base[::-1], "acc", permutations=10_000)


def test_equal_arms_have_p_one():
    arm, _ = two_arms()
    for metric in ("acc", "auc", "f1"):
        found = sign_flip_test(arm, arm, metric, permutations=200)
        assert (found.difference, found.p, found.p_corrected) == (0, 1, 1)


def test_a_planted_difference_is_found():
    arm, base = two_arms(patients=200, images=2, seeds=3, gain=0.8)
    for metric in ("acc", "auc", "f1"):
        found = sign_flip_test(arm, base, metric)
        assert found.difference > 0
        assert found.p < 0.01


def test_an_undefined_metric_has_no_p():
    benign = [Scores(0, 0, 0, [0, 0], ["a", "b"], [[0.9, 0.1], [0.2, 0.8]])]
    arm, base = two_arms()
    found = family_test([(benign, benign), (arm, base)], "auc", permutations=200)
    assert math.isnan(found[0].p)
    assert math.isnan(found[0].p_corrected)
    assert found[1].p == found[1].p_corrected


def test_a_family_costs_more_the_less_its_contrasts_have_in_common():
    arm, base = two_arms(patients=80, gain=0.5, seed=8)
    alone = sign_flip_test(arm, base, "auc").p
    repeated = family_test([(arm, base)] * 5, "auc")
    assert [each.p_corrected for each in repeated] == [alone] * 5
    others = [two_arms(patients=80, seed=seed) for seed in range(20, 24)]
    # other networks on the same patients
    family = [(arm, base)]
    for one, other in others:
        family.append(
            tuple(
                [Scores(*a.key, b.labels, b.patients, flip_to(b.labels, a)) for a, b in pair]
                for pair in (zip(one, base, strict=True), zip(other, base, strict=True))
            )
        )
    corrected = family_test(family, "auc")
    assert alone == corrected[0].p < corrected[0].p_corrected <= 5 * alone + 0.01
    for each in corrected:
        assert each.p_corrected >= each.p


def flip_to(labels, replicate):
    """Predictions of a replicate, mirrored where its label is another."""
    other = (labels != replicate.labels)[:, None]
    return np.where(other, replicate.p[:, ::-1], replicate.p)


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
        (-0.01, 0.02, 0.02, "undecided"),
        (math.nan, 0.02, 0.02, "undecided"),
    ],
)
def test_verdict(low, high, margin, expected):
    assert verdict(low, high, margin) == expected
    mirrored = {"better": "worse", "worse": "better"}.get(expected, expected)
    assert verdict(low, high, margin, higher_is_better=False) == mirrored


def test_verdict_needs_a_real_margin():
    with pytest.raises(InputError, match="margin"):
        verdict(0, 1, 0.0)


def test_comparisons_tell_a_better_arm_from_the_null():
    better, base = two_arms(patients=200, images=2, seeds=3, gain=0.8)
    found = comparisons(
        [Contrast("original", better, base), Contrast("original", base, base)],
        "auc",
        margin=0.01,
        resamples=500,
    )
    assert [each.verdict for each in found] == ["better", "equivalent"]
    assert found[0].low < found[0].difference < found[0].high
    assert found[0].p_corrected < 0.01
    assert found[1].p_corrected == 1
    worse = comparisons([Contrast("new", base, better)], "brier", resamples=500)
    assert worse[0].verdict == "worse"


def test_best_arm_and_those_tied_with_it():
    rng = np.random.default_rng(3)
    better, base = arms(rng, 200, 2, 3, gain=1.0)
    table = {"base": base, "better": better, "twin": list(better)}
    best, tied = best_and_tied(table, "auc", permutations=1000)
    assert best == "better"
    assert tied == {"twin"}
    with pytest.raises(InputError, match="best between its ends"):
        best_and_tied(table, "calibration_slope")
