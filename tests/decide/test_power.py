from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from abl.decide.metric_names import metric_named
from abl.decide.power import detectable_difference
from abl.decide.ranking import auc
from abl.studies.shared.plan_notes import power_notes, verdict_note


def test_the_spread_of_auc_is_that_of_simulated_sets():
    rng = np.random.default_rng(0)
    positive = np.arange(150) < 60
    # two exponentials, for which Hanley and McNeil's variance is derived: AUC = r / (1 + r) = 0.8
    drawn = [
        auc(positive, np.where(positive, rng.exponential(4.0, 150), rng.exponential(1.0, 150)))
        for _ in range(4000)
    ]
    assert np.mean(drawn) == pytest.approx(0.8, abs=0.005)
    # of two arms with a correlation of one half the difference spreads as each arm does
    quantiles = stats.t.ppf(0.975, 148) + stats.t.ppf(0.8, 148)
    found = detectable_difference(metric_named("auc"), 90, 60)
    assert found == pytest.approx(quantiles * np.std(drawn), rel=0.05)


def test_more_patients_show_smaller_differences():
    of_auc = metric_named("auc")
    assert detectable_difference(of_auc, 400, 400) == pytest.approx(
        detectable_difference(of_auc, 100, 100) / 2, rel=0.03
    )
    assert math.isnan(detectable_difference(of_auc, 0, 10))


def test_a_share_of_n_patients_has_the_variance_of_a_binomial():
    found = detectable_difference(metric_named("sen"), 1000, 2000)
    assert found == pytest.approx((1.96 + 0.842) * math.sqrt(0.16 / 2000), rel=0.01)
    # what is not known before is not made up
    assert math.isnan(detectable_difference(metric_named("ece"), 50, 50))


def test_luck_of_trainings_is_bought_off_by_seeds():
    sen = metric_named("sen")
    many = 100_000  # patients are no matter then
    few, more = (detectable_difference(sen, many, many, seeds=k) for k in (3, 12))
    assert more < few / 2
    # 2 * 0.05^2 / 12 with 22 degrees of freedom
    assert more == pytest.approx((2.074 + 0.858) * 0.05 * math.sqrt(2 / 12), rel=0.02)


def test_the_plan_says_which_verdicts_can_be_given():
    for splits, seeds in ((1, 1), (5, 1), (1, 2)):
        note = verdict_note(splits, seeds, has_margin=True)
        assert "these networks alone" in note
        assert "seeds: [0, 1, 2] allows better, worse and equivalent" in note
    for splits, seeds in ((1, 3), (3, 2)):
        note = verdict_note(splits, seeds, has_margin=True)
        assert "about recipes: better, worse, equivalent or undecided" in note
    assert "a margin: would allow equivalent" in verdict_note(1, 3, has_margin=False)
    (note,) = power_notes(metric_named("sen"), 60, 40, 1, 3)
    assert "100 test patients (40 positive): a difference in SEN" in note
    assert "with 6 seeds" in note
    assert power_notes(metric_named("ece"), 60, 40, 1, 3) == []
