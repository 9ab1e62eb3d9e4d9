from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from abl.decide.metric_names import metric_named, scores
from abl.decide.metrics import METRICS
from abl.report.labels import metric_label


def malignant(*p: float) -> np.ndarray:
    return np.column_stack([1 - np.array(p), p])


def test_constant_confidence_with_alternating_correctness_by_hand():
    # risk is 0.5 at every coverage; the share that is decided and wrong rises to it: a triangle
    labels = np.array([1, 0] * 10)
    found = scores(["aurc", "augrc"], labels, malignant(*[0.8] * 20))
    assert found == pytest.approx({"aurc": 0.5, "augrc": 0.25}, abs=1e-12)


def test_four_images_by_hand():
    # most confident first: right, wrong, right, wrong
    labels, p = np.array([1, 1, 0, 0]), malignant(0.95, 0.1, 0.3, 0.6)
    found = scores(["aurc", "augrc"], labels, p)
    assert found["aurc"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    # decided and wrong: 0, 0, 1, 1, 2 of 4 at coverages 0, 1/4, ..., 1
    assert found["augrc"] == pytest.approx((0 + 0.5 + 1 + 1.5) / 4 / 4)


some = st.builds(
    lambda seed, size, classes, digits: (
        np.random.default_rng(seed).integers(0, classes, size),
        np.random.default_rng(seed + 1).dirichlet(np.ones(classes), size).round(digits),
    ),
    st.integers(0, 10_000), st.integers(1, 30), st.integers(2, 4), st.integers(1, 3),
)  # fmt: skip


@given(some)
def test_against_the_definitions(drawn):
    labels, p = drawn
    top = np.sort(p, axis=1)
    certain = np.round(top[:, -1] - top[:, -2], 10)
    final = np.array([max(k for k in range(len(row)) if row[k] == max(row)) for row in p])
    wrong = final != labels
    # AUGRC by the chance that a wrong answer is less sure than a right one (Traub et al., eq. 6)
    accuracy = float(np.mean(~wrong))
    sorting = 0.5
    if wrong.any() and not wrong.all():
        sorting = roc_auc_score(~wrong, certain)
    closed = (1 - sorting) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2
    assert metric_named("augrc")(labels, p) == pytest.approx(closed, abs=1e-9)
    # AURC as the mean over orders of those that tie
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300 if len(set(certain)) < len(certain) else 1):
        order = np.lexsort([rng.random(len(certain)), -certain])
        found.append(np.mean(np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)))
    # hundreds of sets are tried: one beyond four standard errors is no fault
    slack = 8 * np.std(found) / math.sqrt(len(found)) + 1e-9
    assert abs(metric_named("aurc")(labels, p) - np.mean(found)) <= slack


@given(some, st.integers(0, 100))
def test_an_image_of_weight_two_is_two_images(drawn, seed):
    labels, p = drawn
    weights = np.random.default_rng(seed).integers(0, 3, len(labels))
    again = np.repeat(np.arange(len(labels)), weights)
    for name in ("aurc", "augrc"):
        weighted = METRICS[name](labels, p, weights.astype(float))
        plain = METRICS[name](labels[again], p[again])
        assert weighted == pytest.approx(plain, abs=1e-9, nan_ok=True)
        assert math.isnan(plain) == (len(again) == 0)


def test_they_are_metrics_like_the_others():
    assert metric_named("aurc").higher_is_better is metric_named("augrc").higher_is_better is False
    names = list(METRICS)
    assert names[0] == "acc"
    assert {"aurc", "augrc"} <= set(names)
    assert METRICS.entry("aurc").description.startswith("Mean error rate")
    assert [metric_label(name) for name in ("aurc", "augrc")] == ["AURC", "AUGRC"]
