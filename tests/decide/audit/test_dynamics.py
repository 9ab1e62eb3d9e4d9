"""Scores of training dynamics, by hand and as each paper defines them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abl.decide.audit.dynamics import (
    DYNAMICS_SCORES,
    aleatoric,
    area_under_margin,
    forgetting,
    forgetting_events,
    low_confidence,
    mean_scores,
    variability,
)
from abl.errors import InputError

# two classes; the logit of class 1 is 0, so that p of class 0 is the logistic of the other
P = np.array([[0.9, 0.5, 0.2], [0.8, 0.5, 0.9], [0.7, 0.5, 0.2], [0.6, 0.5, 0.9]])
LOGITS = np.stack([np.log(P / (1 - P)), np.zeros_like(P)], axis=2)
LABELS = np.array([0, 1, 0])


def test_confidence_and_variability_are_mean_and_deviation_of_p() -> None:
    np.testing.assert_allclose(low_confidence(LOGITS, LABELS), [0.25, 0.5, 0.45])
    np.testing.assert_allclose(variability(LOGITS, LABELS), [np.sqrt(0.0125), 0, 0.35])


def test_aleatoric_part_is_the_mean_of_p_times_1_less_p() -> None:
    expected = [(0.09 + 0.16 + 0.21 + 0.24) / 4, 0.25, (0.16 + 0.09) / 2]
    np.testing.assert_allclose(aleatoric(LOGITS, LABELS), expected)


def test_margin_is_against_the_largest_other_logit() -> None:
    logits = np.array([[[3.0, 1.0, 2.0]], [[0.0, 5.0, -1.0]]])
    np.testing.assert_allclose(area_under_margin(logits, [0]), [((3 - 2) + (0 - 5)) / 2])
    np.testing.assert_allclose(area_under_margin(logits, [2]), [((2 - 3) + (-1 - 5)) / 2])


def test_forgetting_counts_right_to_wrong_and_knows_what_was_never_learned() -> None:
    right = np.array([[1, 0, 0, 1], [0, 0, 1, 1], [1, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 0]])
    logits = np.stack([right, 1 - right], axis=2).astype(float)
    events, learned = forgetting_events(logits, [0, 0, 0, 0])
    assert events.tolist() == [2, 0, 0, 1]
    assert learned.tolist() == [True, False, True, True]
    assert forgetting(logits, [0, 0, 0, 0]).tolist() == [2, 5, 0, 1]


def test_means_are_over_the_trainings_that_an_image_is_in() -> None:
    once, twice = LOGITS[:, [0]], LOGITS[:, [0, 2]]
    scores, times = mean_scores([(np.array([2]), once), (np.array([2, 0]), twice)], LABELS)
    assert times.tolist() == [1, 0, 2]
    low = scores["cartography: low confidence"]
    np.testing.assert_allclose(low[[0, 2]], [0.45, 0.25])
    assert all(np.isnan(each[1]) for each in scores.values())


@given(arrays(np.float64, (5, 4, 3), elements=st.floats(-8, 8)), st.permutations(range(4)))
def test_scores_follow_the_images_and_not_the_level_of_logits(
    logits: np.ndarray, order: list[int]
) -> None:
    labels = np.array([0, 1, 2, 0])
    for score in DYNAMICS_SCORES.values():
        found = score(logits, labels)
        np.testing.assert_allclose(score(logits[:, order], labels[order]), found[order])
        if score is not forgetting:  # ties of logits may fall otherwise once they are shifted
            np.testing.assert_allclose(score(logits + 7.0, labels), found, atol=1e-9)


@pytest.mark.parametrize(
    ("logits", "labels", "said"),
    [
        (LOGITS[0], LABELS, "wanted (epochs, images, classes)"),
        (LOGITS, LABELS[:2], "2 labels for 3 images"),
        (LOGITS, LABELS + 1, "labels outside 0..1"),
        (np.where(LOGITS > 2, np.inf, LOGITS), LABELS, "not finite"),
    ],
)
def test_what_is_no_course_of_a_training_is_refused(
    logits: np.ndarray, labels: np.ndarray, said: str
) -> None:
    with pytest.raises(InputError) as error:
        low_confidence(logits, labels)
    assert said in str(error.value)
