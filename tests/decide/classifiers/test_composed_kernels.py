"""Kernels composed from networks' own are those of the concatenated features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from abl.decide.check import Floats
from abl.decide.classifiers.kernels import ComposedKernels, Products, products_of
from abl.decide.classifiers.scorers import KernelScorer


def drawn(seed: int, rows: int, widths: list[int]) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [(generator.normal(size=(rows, width)) * 3 + 1).astype(np.float32) for width in widths]


def concatenated(features: list[np.ndarray], training: np.ndarray) -> Floats:
    """Scaled by hand: columns on the training rows, then by the root of their number."""
    parts = []
    for each in features:
        values = each.astype(np.float64)
        mean, sd = values[training].mean(axis=0), values[training].std(axis=0)
        parts.append((values - mean) / sd / np.sqrt(each.shape[1]))
    return np.concatenate(parts, axis=1)


@given(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 12), min_size=1, max_size=4),
    st.sampled_from([None, 0.1, 2.0]),
)
def test_composed_kernels_are_those_of_concatenated_features(
    seed: int, widths: list[int], gamma: float | None
) -> None:
    features, training = drawn(seed, 20, widths), np.arange(0, 20, 2)
    parts = [products_of([each], training) for each in features]
    whole = concatenated(features, training)
    assert np.allclose(ComposedKernels(parts).of("linear"), whole @ whole[training].T)
    # every network's training rows have a mean squared norm of 1
    wanted = rbf_kernel(whole, whole[training], 1 / len(widths) if gamma is None else gamma)
    assert np.allclose(ComposedKernels(parts).of("rbf", gamma), wanted)


def test_a_constant_column_changes_nothing_and_none_is_undefined() -> None:
    (features,), training = drawn(1, 12, [4]), np.arange(8)
    wider = np.concatenate([features, np.full((12, 3), 7, np.float32)], axis=1)
    assert np.allclose(
        products_of([wider], training).inner, products_of([features], training).inner
    )
    nothing = products_of([np.ones((12, 2), np.float32)], training)
    assert (nothing.inner == 0).all()


def test_test_rows_do_not_move_the_scaling() -> None:
    (features,), training = drawn(2, 12, [5]), np.arange(8)
    other = features.copy()
    other[8:] *= 100
    one, two = (products_of([each], training) for each in (features, other))
    assert np.array_equal(one.inner[:8], two.inner[:8])


def test_copies_are_rows_and_columns_of_their_own() -> None:
    (features, copies), training = drawn(3, 10, [4, 4]), np.array([1, 3, 5])
    found = products_of([features, copies], training)
    assert found.columns.tolist() == [1, 3, 5, 11, 13, 15]
    assert found.inner.shape == (20, 6)
    assert np.allclose(found.inner[found.columns].diagonal(), found.squares[found.columns])


@pytest.mark.parametrize("name", ["svm", "svm_rbf", "logistic"])
def test_a_fit_of_a_kernel_is_that_of_the_features(name: str) -> None:
    features = drawn(4, 60, [7, 30, 90])
    rows, asked = np.arange(40), np.arange(60)
    labels = (np.arange(40) % 3 == 0).astype(np.int64)
    for each in features:
        each[:40][labels == 1] += 0.7
    parts: list[Products] = [products_of([each], rows) for each in features]
    scorer = KernelScorer(name, ComposedKernels(parts), {"c": 2.0, "gamma": "scale"}, balanced=True)
    found = scorer(rows, labels, asked)[:, 0]
    whole = concatenated(features, rows)
    plain = {
        "svm": SVC(kernel="linear", C=2.0, class_weight="balanced", tol=1e-6),
        "svm_rbf": SVC(kernel="rbf", C=2.0, gamma=1 / 3, class_weight="balanced", tol=1e-6),
        "logistic": LogisticRegression(C=2.0, class_weight="balanced", max_iter=5000, tol=1e-8),
    }[name].fit(whole[rows], labels)
    wanted = plain.decision_function(whole)
    if name == "logistic":
        wanted = plain.predict_proba(whole)[:, 1]
    assert np.allclose(found, wanted, atol=2e-2)
