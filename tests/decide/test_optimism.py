"""Validation against test: only replicates with both scores can be compared."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from abl.decide.optimism import optimism_of
from abl.decide.replicates import KEYS

NAN = math.nan


def test_replicates_without_one_of_the_scores_are_in_no_mean() -> None:
    folds = pd.DataFrame([(0, fold, 0) for fold in range(4)], columns=KEYS)
    found = optimism_of(folds, [0.9, 0.5, 0.8, NAN], [0.8, NAN, 0.8, 0.1])
    assert found.chosen_at.mean == pytest.approx(0.85)
    assert found.test.mean == pytest.approx(0.8)
    assert found.gap.mean == pytest.approx(0.05)
    assert (found.gap.count, found.gap.undefined) == (2, 2)
    turned = optimism_of(folds, [0.1, 0.1, 0.1, 0.1], [0.2, 0.2, 0.2, 0.2], sign=-1)
    assert turned.gap.mean == pytest.approx(0.1)
    assert math.isnan(optimism_of(folds, [0.9, NAN, NAN, NAN], [NAN, 0.8, 0.8, 0.8]).gap.mean)
