from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from abl.decide.intervals import ensemble_of, external_cells
from abl.decide.replicates import Scores
from abl.errors import InputError


@pytest.fixture
def arm():
    rng = np.random.default_rng(5)
    labels = np.arange(120) % 2
    patients = np.array([f"p{at // 2}" for at in range(120)])
    found = []
    for fold in range(3):
        score = 1 / (1 + np.exp(-(labels - 0.5 + rng.normal(0, 1, 120))))
        found.append(Scores(0, fold, 0, labels, patients, np.column_stack([1 - score, score])))
    return found


def test_averaged_is_the_mean_of_each_networks_metric(arm):
    cell = external_cells(arm, ["auc"], resamples=200)["auc"]
    each = [roc_auc_score(one.labels, one.p[:, 1]) for one in arm]
    assert cell.mean == pytest.approx(np.mean(each))
    assert cell.sd == pytest.approx(np.std(each, ddof=1))
    assert cell.low < cell.mean < cell.high


def test_an_ensemble_is_one_predictor(arm):
    cell = external_cells(arm, ["auc"], how="ensemble", resamples=200)["auc"]
    mean = np.mean([one.p[:, 1] for one in arm], axis=0)
    assert cell.mean == pytest.approx(roc_auc_score(arm[0].labels, mean))
    assert np.isnan(cell.sd)
    # independent errors cancel
    assert cell.mean > external_cells(arm, ["auc"], resamples=200)["auc"].mean
    assert np.allclose(ensemble_of(arm).p.sum(axis=1), 1)


def test_other_units_and_ways_are_refused(arm):
    shorter = Scores(0, 3, 0, arm[0].labels[:-1], arm[0].patients[:-1], arm[0].p[:-1])
    with pytest.raises(InputError, match="different units"):
        external_cells([*arm, shorter], ["acc"])
    with pytest.raises(InputError, match="did you mean 'ensemble'"):
        external_cells(arm, ["acc"], how="ensembled")


def test_ends_are_shares_however_few_and_sure_the_networks():
    """So it was: SEN [77.3, 102.6] and SPE [-2.6, 31.2]."""
    labels = np.repeat([1, 0], [9, 12])
    patients = np.array([f"p{at}" for at in range(21)])
    rng = np.random.default_rng(1)
    found = []
    for fold in range(4):
        called = np.where(labels == 1, rng.random(21) < 0.95, rng.random(21) < 0.85)
        p = np.where(called, 0.9, 0.1)
        found.append(Scores(0, fold, 0, labels, patients, np.column_stack([1 - p, p])))
    for how in ("averaged", "ensemble"):
        for cell in external_cells(found, ["sen", "spe", "acc", "auc", "f1"], how=how).values():
            assert 0 <= cell.low <= cell.mean <= cell.high <= 1
            assert cell.high - cell.low > 0.1
