"""The cut-off that a metric is best at: against every cut-off tried one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.decide.check import at_least
from abl.decide.cutoffs import best_cutoff, cutoff_by
from abl.decide.decision import with_cutoff_at_half
from abl.decide.metric_names import metric_named
from abl.errors import InputError

SCORES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=40)


def scored(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    labels, twentieths = np.array(pairs).T
    return labels, np.column_stack([1 - twentieths / 20, twentieths / 20])


@given(SCORES, st.sampled_from(["g_mean", "acc", "youden"]))
def test_no_cutoff_is_better_than_the_best(pairs, name) -> None:
    labels, p = scored(pairs)
    metric = metric_named(name)
    cutoff = cutoff_by(name, labels, p)
    assert 0 < cutoff < 1

    def value(at: float) -> float:
        called = at_least(p[:, 1], at).astype(float)
        return metric(labels, np.column_stack([1 - called, called]))

    tried = [value(at) for at in (0.001, 0.999, *((step + 0.5) / 20 for step in range(20)))]
    if np.isnan(tried).all():
        assert cutoff == 0.5
    else:
        assert value(cutoff) == pytest.approx(np.nanmax(tried))
        # moved to 0.5 the same images are called, as recorded probabilities have it
        shifted = metric(labels, with_cutoff_at_half(p, cutoff))
        assert shifted == pytest.approx(value(cutoff))


def test_of_equally_good_cutoffs_the_one_nearest_to_a_half_is_taken() -> None:
    labels = np.array([0, 0, 1, 1])
    apart = np.array([0.1, 0.2, 0.8, 0.9])
    metric = metric_named("g_mean").of_confusion
    assert best_cutoff(labels, np.column_stack([1 - apart, apart]), metric) == 0.5
    low = apart / 4
    cutoff = best_cutoff(labels, np.column_stack([1 - low, low]), metric)
    assert cutoff == pytest.approx((low[1] + low[2]) / 2)


def test_a_metric_of_ranks_alone_chooses_no_cutoff() -> None:
    labels, p = scored([(0, 3), (1, 8)])
    assert cutoff_by("half", labels, p) == 0.5
    with pytest.raises(InputError, match="no cut-off is best by auc"):
        cutoff_by("auc", labels, p)
