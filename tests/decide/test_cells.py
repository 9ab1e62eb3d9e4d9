from __future__ import annotations

import math

import pandas as pd
import pytest

from abl.decide.intervals import cell_of
from abl.decide.replicates import Scores, replicate_scores
from abl.errors import InputError


def values(*rows: tuple[int, int, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["repeat", "fold", "seed", "value"])


def test_seeds_are_averaged_before_splits():
    cell = cell_of(values((0, 0, 0, 0.8), (0, 0, 1, 0.6), (0, 1, 0, 0.9)))
    assert cell.mean == pytest.approx((0.7 + 0.9) / 2)
    assert cell.sd == pytest.approx(pd.Series([0.8, 0.6, 0.9]).std(ddof=1))
    assert (cell.count, cell.undefined) == (3, 0)


def test_undefined_replicates_are_counted():
    cell = cell_of(values((0, 0, 0, 0.8), (0, 0, 1, math.nan), (0, 1, 0, math.nan)))
    assert cell.mean == 0.8
    assert math.isnan(cell.sd)
    assert (cell.count, cell.undefined) == (1, 2)


def test_a_cell_without_any_value():
    cell = cell_of(values((0, 0, 0, math.nan)))
    assert math.isnan(cell.mean)
    assert (cell.count, cell.undefined) == (0, 1)


def test_scores_of_replicates_come_in_their_order():
    arm = [
        Scores(0, fold, 0, [0, 1], ["a", "b"], [[0.9, 0.1], [0.9 - fold, 0.1 + fold]])
        for fold in (0.5, 0)
    ]
    table = replicate_scores([*arm], ["acc", "ppv"])
    assert table["fold"].tolist() == [0, 0.5]
    assert table["acc"].tolist() == [0.5, 1]
    assert math.isnan(table["ppv"].iloc[0])


def test_lengths_that_differ():
    with pytest.raises(InputError, match="1 patients, 2 labels"):
        Scores(0, 0, 0, [0, 1], ["a"], [[0.9, 0.1], [0.2, 0.8]])
