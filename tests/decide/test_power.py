from __future__ import annotations

import math

import numpy as np
import pytest

from abl.decide.paired_tests import auc_half_width, detectable_difference
from abl.decide.ranking import auc


def test_half_width_is_that_of_simulated_sets():
    rng = np.random.default_rng(0)
    positive = np.arange(150) < 60
    # two exponentials, for which Hanley and McNeil's variance is derived: AUC = r / (1 + r) = 0.8
    drawn = [
        auc(positive, np.where(positive, rng.exponential(4.0, 150), rng.exponential(1.0, 150)))
        for _ in range(4000)
    ]
    assert np.mean(drawn) == pytest.approx(0.8, abs=0.005)
    assert auc_half_width(90, 60) == pytest.approx(1.96 * np.std(drawn), rel=0.05)


def test_more_patients_show_smaller_differences():
    assert detectable_difference(400, 400) == pytest.approx(
        detectable_difference(100, 100) / 2, rel=0.02
    )
    assert math.isnan(auc_half_width(0, 10))
