from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.data.predictions.prediction_file import PredictionTable, read_prediction_table
from abl.data.tables.rounding import MOST, rounding_bound
from abl.errors import InputError


def probabilities(seed: int, rows: int, classes: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), rows)


def read_back(folder, p: np.ndarray, how: str = "%.17g", *, dtype: str = "") -> PredictionTable:
    frame = pd.DataFrame(p, columns=[f"p_{at}" for at in range(p.shape[1])])
    frame.insert(0, "label", 0)
    frame.insert(0, "image", [f"{at}" for at in range(len(p))])
    path = folder / ("p.parquet" if dtype else "p.csv")
    if dtype:
        frame.astype(dict.fromkeys(frame.columns[2:], dtype)).to_parquet(path)
    else:
        frame.to_csv(path, index=False, float_format=how)
    return read_prediction_table(path)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(2, 9),
    st.sampled_from(["%.2f", "%.3f", "%.4f", "%.6f", "%.2g", "%.3g", "%.17g"]),
)
def test_what_rounding_does_is_within_its_bound(seed, classes, how):
    p = probabilities(seed, 60, classes)
    rounded = np.array([[float(how % value) for value in row] for row in p])
    assert (np.abs(rounded.sum(axis=1) - 1) <= rounding_bound(rounded) + 1e-12).all()


@pytest.mark.parametrize("how", ["%.2f", "%.3f", "%.2g", "%.4f"])
def test_rounded_rows_are_divided_by_their_sum_and_it_is_said(tmp_path, how):
    p = probabilities(1, 200, 5)
    table = read_back(tmp_path, p, how)
    assert np.abs(table.p.sum(axis=1) - 1).max() < 1e-6
    assert np.abs(table.p - p).max() < 0.02
    (note,) = table.notes
    assert note.startswith("p.csv: the probabilities of ")
    assert "were divided by their sum" in note


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_less_precise_numbers_are_read(tmp_path, dtype):
    p = probabilities(2, 100, 3)
    table = read_back(tmp_path, p, dtype=dtype)
    assert np.abs(table.p.sum(axis=1) - 1).max() <= 1e-6
    assert bool(table.notes) == (dtype == "float16")
    if dtype != "float16":  # as they are, to the bit
        assert np.array_equal(table.p, p.astype(dtype).astype(np.float64))


def test_bfloat16_is_read(tmp_path):
    bits = probabilities(3, 100, 6).astype(np.float32).view(np.uint32)
    kept = ((bits + 0x8000) & 0xFFFF0000).view(np.float32)
    assert np.abs(kept.sum(axis=1) - 1).max() > 1e-3
    table = read_back(tmp_path, kept.astype(np.float64))
    assert np.abs(table.p.sum(axis=1) - 1).max() < 1e-6


@pytest.mark.parametrize(
    ("rows", "off"),
    [
        (["0.50,0.48", "0.33,0.67"], "0.98, not 1; rounding explains a difference of 0.01 at most"),
        (["0.5,0.4", "0.9,0.1"], "0.9, not 1; rounding explains a difference of 0.05"),
        (["1,1", "0,1"], "2, not 1; rounding explains a difference of 0.001"),
        (["0,0", "0,1"], "0, not 1"),
        (["0.123456,0.872", "0.5,0.5"], "0.995456, not 1; rounding explains a difference of 0.001"),
    ],
)
def test_what_rounding_does_not_explain_is_refused(tmp_path, rows, off):
    lines = [f"{at},0,{row}" for at, row in enumerate(rows)]
    (tmp_path / "p.csv").write_text("\n".join(["image,label,p_0,p_1", *lines]))
    with pytest.raises(InputError) as caught:
        read_prediction_table(tmp_path / "p.csv")
    assert len(caught.value.problems) == 1
    assert f"p.csv:2: probabilities sum to {off}" in str(caught.value)


@given(st.integers(2, 300), st.integers(0, 100))
def test_whatever_the_classes_the_bound_ends(classes, seed):
    p = np.round(probabilities(seed, 3, classes), 2)
    assert (rounding_bound(p) <= MOST).all()
