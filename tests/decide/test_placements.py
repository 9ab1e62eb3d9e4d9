"""Images placed among the other class: counted exactly, ranked once for all that asks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.decide import placements, shared_tests
from abl.decide.comparison import Contrast, comparisons
from abl.decide.intervals import difference_interval, patient_interval
from abl.decide.metric_names import metric_named
from abl.decide.placements import placed_among_others, ranked_auc
from abl.decide.ranking import twice_below
from abl.decide.replicates import Scores, replicate_scores

# few distinct scores, so that many are equal
scored = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=40)


def scores_of(labels: np.ndarray, p: np.ndarray, seed: int = 0) -> Scores:
    return Scores(0, 0, seed, labels, np.arange(len(labels)), p)


@given(scored)
def test_images_of_the_other_class_are_counted_one_by_one(images: list[tuple[bool, int]]) -> None:
    positive = np.array([each for each, _ in images], dtype=bool)
    score = np.array([each for _, each in images], dtype=float) / 6
    counted = [
        sum(
            2 * (b < a) + (b == a) for other, b in zip(positive, score, strict=True) if other != own
        )
        for own, a in zip(positive, score, strict=True)
    ]
    assert twice_below(positive, score).tolist() == counted


@given(scored.filter(lambda images: len({each for each, _ in images}) == 2))
def test_the_mean_placement_is_the_auc_and_that_of_the_metric_to_the_bit(
    images: list[tuple[bool, int]],
) -> None:
    labels = np.array([int(each) for each, _ in images])
    p = np.array([each for _, each in images]) / 6
    replicate = scores_of(labels, np.column_stack([1 - p, p]))
    auc = metric_named("auc")(replicate.labels, replicate.p)
    assert ranked_auc(replicate) == auc
    place, mean = placed_among_others(replicate, 1)
    assert mean == pytest.approx(auc, abs=1e-12)
    assert place[labels == 0].mean() == pytest.approx(auc, abs=1e-12)


def test_three_classes_have_the_mean_of_their_areas_and_a_missing_one_has_none() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet([1, 1, 1], 60)
    labels = rng.integers(0, 3, 60)
    replicate = scores_of(labels, p)
    assert ranked_auc(replicate) == metric_named("auc")(labels, p)
    without = scores_of(np.minimum(labels, 1), p)
    assert np.isnan(ranked_auc(without))
    assert np.isnan(metric_named("auc")(without.labels, without.p))


def test_a_table_ranks_each_arm_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ranked = []

    def counted(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
        ranked.append(len(score))
        return twice_below(positive, score)

    monkeypatch.setattr(placements, "twice_below", counted)
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 80)
    arms = []
    for _ in range(3):
        p = rng.random((3, 80))
        arms.append([scores_of(labels, np.column_stack([1 - q, q]), at) for at, q in enumerate(p)])
    for arm in arms:
        replicate_scores(arm, ["auc"])
        patient_interval(arm, "auc")
    comparisons([Contrast("base", arm, arms[0]) for arm in arms[1:]], "auc", margin=0.02)
    assert len(ranked) == 9


def test_arms_on_other_images_are_not_taken_for_those_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Names of patients and keys of replicates are alike, labels are not."""
    rng = np.random.default_rng(3)
    pairs = []
    for _ in range(2):
        labels, p = rng.integers(0, 2, 50), rng.random((4, 50))
        made = [scores_of(labels, np.column_stack([1 - q, q]), at % 2) for at, q in enumerate(p)]
        pairs.append((made[:2], made[2:]))
    alone = []
    for arm, base in pairs:
        monkeypatch.setattr(shared_tests, "_recent", ())
        alone.append(difference_interval(arm, base, "acc"))
    assert alone[0] != alone[1]
    assert [difference_interval(arm, base, "acc") for arm, base in pairs] == alone
