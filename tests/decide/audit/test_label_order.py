"""The order in which to look at labels: what it must do for any predictions, and planted flips."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from abl.decide.audit.appearances import Appearances, appearances_of
from abl.decide.audit.baselines import baseline_scores, cleanlab_flags
from abl.decide.audit.label_audit import audit_of
from abl.decide.audit.label_order import Pool, fitted_pool, judged_labels, without_gaps


def planted(
    images: int = 400, networks: int = 3, *, share: float = 0.05, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(labels, p (N, M, K), which labels are wrong): one network is worse than the others."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, images)
    labels = truth.copy()
    wrong = random.random(images) < share
    labels[wrong] = (truth[wrong] + random.integers(1, 3, int(wrong.sum()))) % 3
    shared = random.normal(0, 1, (images, 1, 3))
    noise = np.where(np.arange(networks) == 0, 3.0, 1.0)[None, :, None]
    logits = (
        shared + noise * random.normal(0, 1, (images, networks, 3)) + 3 * np.eye(3)[truth][:, None]
    )
    p = np.exp(logits)
    return labels, p / p.sum(axis=2, keepdims=True), wrong


def found_of(labels: np.ndarray, p: np.ndarray) -> Appearances:
    names = np.array([f"i{each:04d}" for each in range(len(labels))])
    wrong = (p.argmax(axis=2) != labels[:, None]).astype(np.int64)
    networks = tuple(f"net{each}" for each in range(p.shape[1]))
    return Appearances(names, labels, names, networks, np.ones_like(wrong), wrong, p)


def test_planted_flips_come_before_what_the_baselines_put_first() -> None:
    ours, theirs = [], []
    for seed in range(5):
        labels, p, wrong = planted(seed=seed)
        found = found_of(labels, p)
        scores = baseline_scores(found)
        ours.append(average_precision_score(wrong, judged_labels(found).score))
        theirs.append([average_precision_score(wrong, each) for each in scores.values()])
    assert np.mean(ours) > np.mean(theirs, axis=0).max()


def test_the_worse_network_weighs_less() -> None:
    labels, p, _ = planted()
    weights = fitted_pool(labels, p).weights
    assert weights[0] < min(weights[1:3])


@given(st.integers(0, 2), st.floats(0.02, 0.9), st.floats(0.05, 0.9), st.integers(0, 2))
def test_the_score_rises_as_the_given_label_grows_less_probable(
    label: int, given_p: float, less: float, network: int
) -> None:
    pool = Pool(np.array([0.4, 0.0, 0.7, 0.3]), np.array([0.2, -0.3, 0.0]), 0.02)
    p = np.full((2, 3, 3), 1 / 3)
    for row, value in enumerate((given_p, given_p * less)):
        p[row, network] = (1 - value) / 2
        p[row, network, label] = value
    low, high = pool.judged(np.array([label, label]), p).score
    assert 0 <= low < high <= 1


@given(st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_the_order_does_not_depend_on_that_of_images_and_networks(random: object) -> None:
    labels, p, _ = planted(60)
    rows, columns = list(range(60)), list(range(3))
    random.shuffle(rows)  # type: ignore[attr-defined]
    random.shuffle(columns)  # type: ignore[attr-defined]
    one = judged_labels(found_of(labels, p))
    other = judged_labels(found_of(labels[rows], p[rows][:, columns]))
    np.testing.assert_allclose(one.score[rows], other.score, atol=1e-3)


def test_every_part_of_an_audit_is_the_same_for_rows_in_any_order() -> None:
    labels, p, _ = planted(60)
    frames = []
    for network in range(3):
        frame = pd.DataFrame(p[:, network], columns=["p_0", "p_1", "p_2"])
        frames.append(frame.assign(image=[f"i{at:02d}" for at in range(60)], label=labels,
                                   network=f"net{network}"))  # fmt: skip
    rows = pd.concat(frames)
    one = audit_of(appearances_of(rows))
    other = audit_of(appearances_of(rows.sample(frac=1, random_state=0)))
    pd.testing.assert_frame_equal(
        one.frame().sort_values("image", ignore_index=True),
        other.frame().sort_values("image", ignore_index=True), atol=2e-3, rtol=0,
    )  # fmt: skip


@pytest.mark.parametrize("networks", [1, 2, 8])
def test_any_number_of_networks_is_ordered_and_flagged(networks: int) -> None:
    labels, p, wrong = planted(300, networks + 1)
    audit = audit_of(found_of(labels, p[:, 1:]))
    assert average_precision_score(wrong, audit.score) > 0.5
    assert audit.flagged[wrong].mean() > 0.5
    often = audit.found.share_wrong > 0.5
    assert wrong[audit.flagged].mean() > wrong[often].mean()


def test_images_that_some_or_all_networks_did_not_see() -> None:
    labels, p, wrong = planted(200)
    found = found_of(labels, p)
    seen = found.seen.copy()
    seen[:50, 0] = 0
    seen[:5] = 0
    gaps = np.where(seen[:, :, None] > 0, p, np.nan)
    partly = Appearances(
        found.images, labels, found.patients, found.networks, seen, found.wrong * seen, gaps
    )
    audit = audit_of(partly)
    assert np.isnan(audit.score[:5]).all()
    assert not audit.flagged[:5].any()
    assert (audit.said[:5] == -1).all()
    assert audit.order[-5:].tolist() == [0, 1, 2, 3, 4]
    assert np.isfinite(audit.score[5:]).all()
    assert average_precision_score(wrong[5:], audit.score[5:]) > 0.6
    np.testing.assert_allclose(without_gaps(gaps[5:50])[:, 0], p[5:50, 1:].mean(axis=1))


def test_probabilities_of_zero_and_one_are_ordered() -> None:
    labels, p, wrong = planted(200)
    sure = np.eye(3)[p.argmax(axis=2)]
    audit = audit_of(found_of(labels, sure))
    assert np.isfinite(audit.score).all()
    assert average_precision_score(wrong, audit.score) > 0.5


def test_baselines_say_where_to_look_too() -> None:
    labels, p, wrong = planted()
    found = found_of(labels, p)
    scores = baseline_scores(found)
    assert {"count", "confidence", "margin"} <= set(scores)
    for name, score in scores.items():
        assert average_precision_score(wrong, score) > 0.5, name
    count = scores["count"]
    assert (np.diff(found.times_wrong[np.argsort(-count)]) <= 0).all()
    flags = cleanlab_flags(found)
    if flags is not None:
        assert wrong[flags].mean() > 0.3
