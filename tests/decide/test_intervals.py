from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated_arms import Truth, arms
from statsmodels.stats.proportion import proportion_confint

from abl.decide.agreement import cohen_kappa, fleiss_kappa_interval
from abl.decide.comparison import Contrast, comparisons
from abl.decide.intervals import (
    difference_interval,
    patient_interval,
    wilson_interval,
)
from abl.decide.measured import Measured
from abl.decide.metric_names import metric_named
from abl.decide.metrics import METRICS
from abl.decide.paired_tests import delong_test, mcnemar_test
from abl.decide.readers.clustered_shares import gee_interval
from abl.decide.replicates import Scores, patients_of
from abl.decide.resampling import WeightedArm, bootstrap_weights, draw_counts
from abl.errors import InputError

READERS = Path(__file__).parents[3] / "shared" / "methods" / "tables" / "reader_study.csv"


def two_arms(patients=40, images=3, seeds=3, seed=0, **gain):
    return arms(np.random.default_rng(seed), patients, images, seeds, **gain)


@pytest.mark.parametrize("metric", [*METRICS, "ppv@0.1"])
def test_a_weight_is_a_patient_drawn_so_often(metric):
    arm, _ = two_arms(patients=20)
    patients = patients_of(arm)
    weights = draw_counts(len(patients), 5, np.random.default_rng(1))
    found = WeightedArm(arm, metric_named(metric), patients).values(weights)[:, 0]
    for row, value in zip(weights, found, strict=True):
        of_seed = []
        for each in arm:
            drawn = np.repeat(
                np.arange(len(each.labels)), row[patients.positions(each)].astype(int)
            )
            of_seed.append(metric_named(metric)(each.labels[drawn], each.p[drawn]))
        assert value == pytest.approx(np.nanmean(of_seed), rel=1e-6, abs=1e-9)


def test_auc_of_three_classes_under_weights():
    rng = np.random.default_rng(2)
    labels, patients = rng.integers(0, 3, 60), rng.integers(0, 12, 60)
    p = rng.dirichlet([1, 1, 1], 60)
    arm = [Scores(0, 0, 0, labels, patients, np.round(p, 1) / np.round(p, 1).sum(1)[:, None])]
    known = patients_of(arm)
    weights = bootstrap_weights(known.strata, 3, rng)
    found = WeightedArm(arm, METRICS["auc"], known).values(weights)[:, 0]
    for row, value in zip(weights, found, strict=True):
        each = arm[0]
        assert value == pytest.approx(
            METRICS["auc"](each.labels, each.p, row[known.positions(each)])
        )


def test_how_many_patients_of_a_class_come_varies_as_of_those_who_come_as_they_are():
    strata = np.repeat([0, 1], [30, 7])
    weights = bootstrap_weights(strata, 4000, np.random.default_rng(0))
    of_class = weights[:, 30:].sum(axis=1)
    assert of_class.mean() == pytest.approx(7, rel=0.05)
    assert of_class.std() == pytest.approx(math.sqrt(37 * 7 / 37 * 30 / 37), rel=0.05)
    assert of_class.min() > 0.99
    np.testing.assert_allclose(weights.sum(axis=1), 37, atol=1.01)


def test_resampled_means_vary_as_means_do():
    value = np.random.default_rng(0).normal(size=8)
    weights = bootstrap_weights(np.zeros(8, dtype=int), 40_000, np.random.default_rng(0))
    assert (weights @ value / 8).std() == pytest.approx(value.std(ddof=1) / math.sqrt(8), rel=0.02)


def test_interval_surrounds_the_estimate_and_repeats_itself():
    arm, _ = two_arms()
    first = patient_interval(arm, "auc", resamples=500)
    assert first == patient_interval(list(reversed(arm)), "auc", resamples=500)
    assert first.low < first.estimate < first.high


@pytest.mark.parametrize("metric", [*(m for m in METRICS if m != "calibration_slope"), "ppv@0.1"])
def test_contributions_vary_as_resampled_patients_do(metric):
    arm, base = two_arms(patients=60, images=2, seeds=2)
    known = patients_of(arm)
    weights = bootstrap_weights(known.strata, 3000, np.random.default_rng(0))
    drawn = [WeightedArm(each, metric_named(metric), known).values(weights) for each in (arm, base)]
    measured = Measured([arm, base], metric_named(metric), draws=2000)
    spread = measured.means().variance
    for each, variance in zip(drawn, spread, strict=True):
        assert variance == pytest.approx(np.nanvar(each[:, 0]), rel=0.2)
    both = measured.covariance()
    difference = np.nanvar(drawn[0][:, 0] - drawn[1][:, 0])
    assert both[0, 0] + both[1, 1] - 2 * both[0, 1] == pytest.approx(difference, rel=0.25)


def test_interval_matches_scipy_where_patients_are_images():
    rng = np.random.default_rng(3)
    images = 200
    labels = np.zeros(images, dtype=int)
    malignant = rng.beta(2, 3, images)
    arm = [Scores(0, 0, 0, labels, np.arange(images), np.column_stack([1 - malignant, malignant]))]
    ours = patient_interval(arm, "brier")
    theirs = stats.bootstrap(
        (malignant**2,), np.mean, n_resamples=4000, method="percentile", rng=rng
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.02)


def test_images_of_one_patient_carry_less_than_images_of_many():
    arm, _ = two_arms(patients=60, images=4, seeds=1)
    apart = [Scores(0, 0, 0, arm[0].labels, np.arange(len(arm[0].labels)), arm[0].p)]
    clustered, independent = (patient_interval(each, "acc") for each in (arm, apart))
    assert clustered.high - clustered.low > 1.3 * (independent.high - independent.low)


def test_seeds_widen_the_interval_from_three_on():
    rng = np.random.default_rng(5)
    labels, patients = np.repeat([0, 1], 200), np.arange(400)

    def arm(seeds):
        return [
            Scores(0, 0, seed, labels, patients, np.eye(2)[np.where(wrong, 1 - labels, labels)])
            for seed in range(seeds)
            for wrong in [rng.random(400) < 0.05 + 0.15 * seed]
        ]

    two, three = patient_interval(arm(2), "acc"), patient_interval(arm(3), "acc")
    assert three.high - three.low > 1.5 * (two.high - two.low)


def test_an_interval_of_equally_good_arms_does_not_collapse():
    arm, _ = two_arms()
    # as good on every image, by other networks: probabilities differ in their last digits
    other = [
        replace(each, p=each.p + 1e-12 * np.array([1.0, -1.0]) * (each.p[:, :1] < 0.5))
        for each in arm
    ]
    for metric in ("acc", "sen", "f1", "auc", "youden", "ap"):
        equal = difference_interval(other, arm, metric, resamples=200)
        assert equal.estimate == 0
        assert equal.low < -0.005
        assert equal.high > 0.005
        # of one arm beside itself nothing is inferred
        same = difference_interval(arm, arm, metric, resamples=200)
        assert same.estimate == 0
        assert np.isnan([same.low, same.high]).all()


def all_right(images, patients=None):
    labels = np.repeat([1, 0], images)
    names = np.arange(len(labels)) if patients is None else np.repeat(np.arange(patients), 2)
    return [Scores(0, 0, 0, labels, names, np.eye(2)[labels])]


def test_thirty_of_thirty_is_not_certain():
    found = patient_interval(all_right(30), "sen")
    low, _ = proportion_confint(30, 30, method="wilson")
    assert found.estimate == found.high == 1
    # t of 28 degrees for the normal
    assert low - 0.02 < found.low < low
    assert low == pytest.approx(0.886, abs=0.001)
    for metric in ("acc", "spe", "f1", "auc", "ppv", "balanced_acc", "youden", "sen@spe0.9"):
        assert patient_interval(all_right(30), metric).low < 0.96


@pytest.mark.parametrize("metric", [*METRICS, "ppv@0.1", "sen@spe0.9"])
@pytest.mark.parametrize("shape", [(6, 1, 1), (9, 2, 3), (30, 1, 2)])
def test_ends_stay_within_the_bounds_and_hold_the_estimate(metric, shape):
    for seed, skill in enumerate((0.5, 2.0, 6.0)):
        arm, base = two_arms(*shape, seed=seed, truth=Truth(skill=skill))
        found = patient_interval(arm, metric, resamples=100)
        if math.isnan(found.estimate):
            continue
        assert found.low <= found.estimate <= found.high
        low, high = metric_named(metric).bounds or (-math.inf, math.inf)
        assert low <= found.low
        assert found.high <= high
        apart = difference_interval(arm, base, metric, resamples=100)
        assert apart.low <= apart.estimate <= apart.high
        assert low - high <= apart.low
        assert apart.high <= high - low


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("names", "labels"), [("ab", [0, 1]), ("aabb", [0, 0, 1, 1]), ("a", [1])])
def test_fewer_than_three_patients_have_no_interval(names, labels):
    p = np.array([[0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.1, 0.9]])[: len(labels)]
    arm = [Scores(0, 0, 0, np.array(labels), np.array(list(names)), p)]
    found = patient_interval(arm, "acc")
    assert np.isfinite(found.estimate)
    assert np.isnan([found.low, found.high]).all()
    difference = difference_interval(arm, arm, "acc")
    assert difference.estimate == 0
    assert np.isnan([difference.low, difference.high]).all()


def test_undefined_metric_has_no_interval():
    benign = [Scores(0, 0, 0, [0, 0], ["a", "b"], [[0.9, 0.1], [0.2, 0.8]])]
    interval = patient_interval(benign, "auc")
    assert math.isnan(interval.estimate)
    assert math.isnan(interval.low)


def test_arms_that_cannot_be_paired():
    arm, base = two_arms()
    with pytest.raises(InputError, match="same replicates"):
        difference_interval(arm, base[:2], "acc")
    other, _ = two_arms(patients=41)
    with pytest.raises(InputError, match="different images"):
        difference_interval(arm, other, "acc")
    with pytest.raises(InputError, match="there twice"):
        patient_interval([arm[0], arm[0]], "acc")


def test_wilson():
    interval = wilson_interval(8, 10)
    z = stats.norm.ppf(0.975)
    root = z * math.sqrt(0.8 * 0.2 / 10 + z**2 / 400)
    middle, scale = 0.8 + z**2 / 20, 1 + z**2 / 10
    assert (interval.low, interval.high) == pytest.approx(
        ((middle - root) / scale, (middle + root) / scale)
    )


def test_delong_variance_is_that_of_placement_values():
    arm, base = two_arms(patients=80, images=1, seeds=1, seed=6)
    labels, a, b = arm[0].labels, arm[0].p[:, 1].round(1), base[0].p[:, 1].round(1)
    positive = labels == 1

    def placements(score):
        won = np.sign(score[positive][:, None] - score[~positive]) / 2 + 0.5
        return won.mean(axis=1), won.mean(axis=0)

    (a_pos, a_neg), (b_pos, b_neg) = placements(a), placements(b)
    variance = (a_pos - b_pos).var(ddof=1) / positive.sum()
    variance += (a_neg - b_neg).var(ddof=1) / (~positive).sum()
    found = delong_test(labels, a, b)
    assert found.difference == pytest.approx(a_pos.mean() - b_pos.mean())
    assert found.statistic == pytest.approx(found.difference / math.sqrt(variance))
    assert delong_test(labels, a, a).p == 1


def test_mcnemar_is_a_binomial_test_of_the_discordant_images():
    labels = np.ones(30, dtype=int)
    first = np.repeat([1, 0, 1], [9, 2, 19])
    second = np.repeat([0, 1, 1], [9, 2, 19])
    found = mcnemar_test(labels, first, second)
    assert found.p == pytest.approx(stats.binomtest(9, 11).pvalue)
    assert found.difference == pytest.approx(7 / 30)
    assert mcnemar_test(labels, first, first).p == 1


@pytest.mark.parametrize("each", [1, 2, 10])
def test_mcnemar_of_as_many_wins_on_both_sides_is_one(each):
    # a corrected chi-square test says less (findings/mcnemar_equal_counts.sh)
    labels = np.ones(30, dtype=int)
    first = np.repeat([1, 0, 1], [each, each, 30 - 2 * each])
    second = np.repeat([0, 1, 1], [each, each, 30 - 2 * each])
    assert mcnemar_test(labels, first, second).p == pytest.approx(1)


@pytest.mark.skipif(not READERS.exists(), reason="published tables are not at hand")
def test_reader_intervals_are_the_published_ones():
    for row in pd.read_csv(READERS).itertuples():
        counts = {
            "acc": (row.tp + row.tn, row.fn + row.fp),
            "sen": (row.tp, row.fn),
            "spe": (row.tn, row.fp),
        }
        for name, (right, wrong) in counts.items():
            # the patients are not public: each image is taken as one
            found = gee_interval(np.repeat([1, 0], [right, wrong]), np.arange(right + wrong))
            for end in ("low", "high"):
                published = getattr(row, f"{name}_{end[:2]}")
                assert 100 * getattr(found, end) == pytest.approx(published, abs=0.3), (row, name)


def test_gee_widens_with_clusters():
    outcomes = np.repeat([1, 1, 1, 0], 25)
    patients = np.repeat(np.arange(20), 5)
    apart, clustered = gee_interval(outcomes, np.arange(100)), gee_interval(outcomes, patients)
    assert clustered.high - clustered.low > 1.8 * (apart.high - apart.low)
    assert gee_interval([1, 1, 1], ["a", "b", "b"]).low < 1
    with pytest.raises(InputError, match="0 and 1"):
        gee_interval([0, 2], ["a", "b"])


def test_kappas():
    first, second = [0, 0, 1, 1, 0, 1, 0, 1], [0, 0, 1, 1, 0, 1, 1, 0]
    found = cohen_kappa(first * 2, second * 2, resamples=200)
    assert found.estimate == pytest.approx((0.75 - 0.5) / 0.5)
    assert found.low < found.estimate < found.high
    # Fleiss 1971 by hand: P = mean agreement of pairs, 3 readers
    ratings = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 1], [1, 1, 0]])
    observed, chance = (1 + 1 + 1 / 3 + 1 / 3) / 4, 0.5
    fleiss = fleiss_kappa_interval(ratings, resamples=200)
    assert fleiss.estimate == pytest.approx((observed - chance) / (1 - chance))
    assert math.isnan(cohen_kappa([1, 1], [1, 1], resamples=10).estimate)


def _answers(wrong: np.ndarray, seeds: int = 3, splits: int = 1) -> list[Scores]:
    """An arm of 60 patients, half of them malignant; `wrong` (60,) or (seeds, 60)."""
    labels, names = np.arange(60) % 2, np.array([f"p{at:02d}" for at in range(60)])
    fold = (np.arange(60) // 2) % splits
    found = []
    for split in range(splits):
        for seed in range(seeds):
            missed = np.broadcast_to(wrong, (seeds, 60))[seed]
            malignant = np.where(missed, 1 - labels, labels).astype(float) * 0.8 + 0.1
            p = np.column_stack([1 - malignant, malignant])[fold == split]
            of = fold == split
            found.append(Scores(0, split, seed, labels[of], names[of], p))
    return found


@pytest.mark.parametrize("metric", ["f1", "balanced_acc", "g_mean", "youden", "auc", "acc"])
def test_where_nothing_is_discordant_every_metric_leaves_room_for_it(metric):
    """Of 60 patients none: up to 6 % of such patients may be (1 - 0.025^(1/60))."""
    none = np.zeros(60, bool)
    other = [replace(each, p=0.9 * each.p + 0.05) for each in _answers(none)]
    (found,) = comparisons([Contrast("base", _answers(none), other)], metric, margin=0.02)
    assert found.low < -0.03
    assert found.high > 0.03
    assert found.verdict == "undecided"


def test_seeds_that_agree_by_chance_are_worth_no_more_than_their_predictions():
    wrong = np.zeros((3, 60), bool)
    for seed in range(3):
        wrong[seed, seed * 15 : seed * 15 + 15] = True  # a quarter each, of other patients
    found = patient_interval(_answers(wrong), "acc")
    low, high = proportion_confint(135, 180, method="wilson")
    assert found.low <= low + 0.003
    assert found.high >= high - 0.003


def test_no_p_is_smaller_than_what_its_patients_can_reach():
    labels, names = np.arange(6) % 2, np.array(list("abcdef"))

    def arm(right: bool) -> list[Scores]:
        called = labels if right else np.where(np.arange(6) < 3, 1 - labels, labels)
        p = np.column_stack([1 - called, called]) * 0.8 + 0.1
        return [Scores(0, 0, seed, labels, names, p + seed * 0.0) for seed in range(3)]

    (found,) = comparisons([Contrast("base", arm(True), arm(False))], "acc")
    assert found.p >= 2 / 2**6


@pytest.mark.parametrize("metric", ["auc", "f1", "youden", "ap"])
@pytest.mark.parametrize("skill", [2.0, 5.0, 8.0])
@pytest.mark.parametrize("level", [0.95, 0.998])
def test_a_difference_reaches_no_further_than_both_arms_leave_room_for(metric, skill, level):
    truth = Truth(skill=skill, seed_image=0.2)
    for seed in range(6):
        pair = two_arms(patients=30, images=2, seed=seed, truth=truth)
        measured = Measured(pair, metric_named(metric), draws=60)
        cells, found = measured.means(level), measured.differences([0], [1])
        low, high = found.interval(level)
        if found.same[0]:
            continue
        assert low[0] <= found.difference[0] <= high[0]
        # across 0 nothing is moved: that is a matter of P
        assert low[0] >= min(cells.low[0] - cells.high[1], 0) - 1e-9
        assert high[0] <= max(cells.high[0] - cells.low[1], 0) + 1e-9
        at_95 = found.interval()
        assert (found.p[0] < 0.05) == (at_95[0][0] > 0 or at_95[1][0] < 0)
