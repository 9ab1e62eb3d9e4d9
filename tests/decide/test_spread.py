"""The spread between trainings: what an interval holds of it, and which verdicts it allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_arms import Truth, arms

from abl.decide.comparison import Contrast, comparisons
from abl.decide.measured import Measured
from abl.decide.metrics import METRICS
from abl.decide.replicates import Scores
from abl.decide.spread import Layout, Moments
from abl.decide.verdicts import DIFFER


def over_folds(arm, folds):
    parts = []
    for each in arm:
        code = np.unique(each.patients, return_inverse=True)[1]
        for fold in range(folds):
            rows = code // 2 % folds == fold
            parts.append(
                Scores(0, fold, each.seed, each.labels[rows], each.patients[rows], each.p[rows])
            )
    return parts


def clear(patients=200, seeds=3, **more):
    return arms(np.random.default_rng(1), patients, 1, seeds, gain=1.5, **more)


@pytest.mark.parametrize(
    ("seeds", "folds", "allowed"),
    [(1, 1, False), (2, 1, False), (1, 5, False), (3, 1, True), (2, 2, True), (2, 3, True)],
)
def test_under_three_trainings_or_with_one_seed_networks_can_only_differ(seeds, folds, allowed):
    arm, base = (over_folds(each, folds) for each in clear(600, seeds))
    (found,) = comparisons([Contrast("base", arm, base)], "auc", margin=0.001)
    assert found.low > 0.001
    assert found.of_networks is not allowed
    assert found.verdict == ("better by more than the margin" if allowed else DIFFER)


def test_one_prediction_given_for_three_seeds_is_one_training():
    arm, base = clear()
    once = [replace(arm[0], seed=each.seed) for each in arm]
    (found,) = comparisons([Contrast("base", once, base)], "auc")
    assert found.verdict == DIFFER


def test_seeds_that_disagree_leave_it_undecided():
    """Much better in every fold with one seed, and not at all with the other."""
    lucky, base = arms(np.random.default_rng(4), 240, 1, 2, gain=2.5, truth=Truth(skill=0.8))
    rng = np.random.default_rng(5)
    p = np.clip(base[1].p[:, 1] + rng.normal(0, 0.05, len(base[1].p)), 0, 1)
    alike = replace(base[1], p=np.column_stack([1 - p, p]))
    arm, base = over_folds([lucky[0], alike], 3), over_folds(base, 3)
    measured = Measured([arm, base], METRICS["auc"])
    apart = np.subtract(*measured.values).reshape(3, 2)
    assert (apart[:, 0] > 0.08).all()
    assert (np.abs(apart[:, 1]) < 0.05).all()
    for one, other in ((arm, base), (base, arm)):
        (found,) = comparisons([Contrast("base", one, other)], "auc", margin=0.01)
        assert found.verdict == "undecided"
        assert found.p > 0.05


def test_luck_of_trainings_is_no_better_recipe():
    """At the measured spread, a test by patient alone rejects equal recipes in 38 %."""
    claimed = 0
    for sweep in range(60):
        rng = np.random.default_rng([11, sweep])
        arm, base = arms(rng, 200, 1, 3, truth=Truth(luck=0.5))
        (found,) = comparisons([Contrast("base", arm, base)], "auc")
        claimed += found.verdict in ("better", "worse")
    assert claimed <= 7  # 5 % of 60 are 3; more than 7 in 2 % of runs


def test_values_without_patients_vary_by_their_trainings_alone():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1, 12))
    replicates = [
        Scores(0, split, seed, [0, 1], ["a", "b"], np.eye(2))
        for split in range(4)
        for seed in range(3)
    ]
    layout = Layout.of(replicates)
    measured = Measured([replicates], METRICS["acc"])
    places = measured._rows
    moments = Moments(values, np.zeros((1, len(places.row))), places, layout)
    table = values.reshape(4, 3)
    within = float(table.var(axis=1, ddof=1).mean())
    assert moments.within[0, 0] == pytest.approx(within)
    by_seed = float((table - table.mean(axis=1, keepdims=True)).mean(axis=0).var(ddof=1))
    assert moments.of_seeds[0, 0] == pytest.approx(by_seed)
    assert moments.of_splits[0, 0] == pytest.approx(table.mean(axis=1).var(ddof=1))
    spread = moments.of_means(True)
    beyond = (
        max(0, by_seed - within / 2) / 3
        + max(0, table.mean(axis=1).var(ddof=1) - 2 * within / 3) / 4
    )
    assert spread.variance[0] == pytest.approx(within / 12 + beyond)
    assert moments.of_means(False).variance[0] == 0
