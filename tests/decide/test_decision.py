from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abl.decide.check import largest_class
from abl.decide.curves import best_threshold
from abl.decide.decision import (
    Decision,
    decide,
    expected_cost,
    histogram_threshold,
    spread,
)
from abl.decide.metric_names import scores
from abl.decide.rules import RULES, confidence, threshold_value
from abl.errors import InputError
from ruled import apply_rule


def case(seed: int, images: int, classes: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)

    def predictions():
        p = rng.dirichlet(np.full(classes, 0.5), images) + 0.5 * np.eye(classes)[labels]
        return p / p.sum(axis=1, keepdims=True)

    return labels, {name: predictions() for name in ("original", "true", "false")}


cases = st.builds(case, st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 4))
binary = st.builds(case, st.integers(0, 10_000), st.integers(1, 60), st.just(2))
cuts = st.floats(0, 1) | st.just("always")


@given(cases, st.sampled_from(list(RULES)[:7]), cuts, st.none() | st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_without_further_settings_it_is_the_rule(drawn, rule, threshold, false_threshold):
    _, predictions = drawn
    assume(set(RULES[rule].uses) <= predictions.keys())  # a mean of selectors needs theirs
    moves = RULES[rule].has_threshold
    decision = Decision(rule, threshold if moves else None, false_threshold=false_threshold)
    p, sent = decide(decision, predictions)
    below = confidence(predictions["original"]) < threshold_value(threshold)
    expected = RULES[rule].function(*(predictions[name] for name in RULES[rule].uses))
    if moves:
        expected = np.where(below[:, None], expected, predictions["original"])
    if false_threshold is not None:
        unsure = confidence(expected) < false_threshold
        expected = np.where(unsure[:, None], predictions["false"], expected)
    assert np.array_equal(p, expected)
    if moves:
        assert np.array_equal(sent, below)
    else:
        assert sent.all() if "true" in RULES[rule].uses else not sent.any()


@given(cases, cuts)
def test_model_1_and_2_are_two_weights_of_one_decision(drawn, threshold):
    _, predictions = drawn
    for rule, weight in (("model1", 1.0), ("model2", 0.5)):
        for other in ("model1", "model2"):
            mixed, _ = decide(Decision(other, threshold, weight=weight), predictions)
            assert np.array_equal(mixed, apply_rule(rule, predictions, threshold))
    nothing, _ = decide(Decision("model1", threshold, weight=0.0), predictions)
    assert np.array_equal(nothing, predictions["original"])


@given(cases, st.lists(cuts, min_size=4, max_size=4))
def test_each_predicted_class_has_its_own_threshold(drawn, thresholds):
    _, predictions = drawn
    original = predictions["original"]
    classes = original.shape[1]
    p, sent = decide(Decision("model1", tuple(thresholds[:classes])), predictions)
    for image in range(len(original)):
        threshold = thresholds[int(largest_class(original)[image])]
        alone = {name: array[[image]] for name, array in predictions.items()}
        assert np.array_equal(p[[image]], apply_rule("model1", alone, threshold))
        bound = math.inf if threshold == "always" else threshold
        assert sent[image] == (confidence(original)[image] < bound)


@given(binary, cuts, st.floats(0.01, 0.99))
@settings(max_examples=100, deadline=None)
def test_a_cut_off_moves_the_final_class_and_leaves_auc(drawn, threshold, cutoff):
    labels, predictions = drawn
    plain, sent = decide(Decision("model1", threshold), predictions)
    moved, moved_sent = decide(Decision("model1", threshold, cutoff=cutoff), predictions)
    if cutoff != 0.5:
        assert np.array_equal(largest_class(moved), (plain[:, 1] >= cutoff).astype(int))
    assert np.array_equal(sent, moved_sent)
    before, after = (scores(["auc"], labels, p)["auc"] for p in (plain, moved))
    assert after == pytest.approx(before, abs=1e-9, nan_ok=True)


def test_an_image_exactly_at_the_cut_off_is_malignant():
    for cutoff in (0.1, 0.2, 0.3, 0.7, 0.9):
        p = np.array([[1 - cutoff, cutoff], [1 - cutoff + 1e-9, cutoff - 1e-9]])
        final, _ = decide(Decision("original", cutoff=cutoff), {"original": p})
        assert largest_class(final).tolist() == [1, 0]
        assert np.allclose(final.sum(axis=1), 1)


def test_the_false_network_answers_before_the_cut_off_is_applied():
    predictions = {
        "original": np.array([[0.52, 0.48], [0.9, 0.1]]),
        "false": np.array([[0.2, 0.8], [0.2, 0.8]]),
    }
    final, _ = decide(Decision("original", false_threshold=0.1), predictions)
    assert np.array_equal(final, [[0.2, 0.8], [0.9, 0.1]])
    final, _ = decide(Decision("original", cutoff=0.85, false_threshold=0.1), predictions)
    assert largest_class(final).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rule": "model1"}, "needs a threshold"),
        ({"rule": "true", "threshold": 0.5}, "has no threshold"),
        ({"rule": "original", "weight": 0.5}, "leave the weight out"),
        ({"rule": "model1", "threshold": 0.5, "weight": 1.5}, "weight: 1.5"),
        ({"rule": "model1", "threshold": 0.5, "cutoff": 1.0}, "cut-off: 1.0"),
        ({"rule": "model1", "threshold": 1.5}, "outside [0, 1]"),
        ({"rule": "model3", "threshold": 0.5}, "did you mean"),
    ],
)
def test_an_impossible_decision_is_told(settings, said):
    with pytest.raises(InputError) as caught:
        Decision(**settings)
    assert said in str(caught.value)


def test_what_does_not_fit_the_classes_is_told():
    _, three = case(0, 9, 3)
    with pytest.raises(InputError, match="2 thresholds for 3 classes"):
        decide(Decision("model1", (0.1, 0.2)), three)
    with pytest.raises(InputError, match="for two classes, and these have 3"):
        decide(Decision("model1", 0.1, cutoff=0.4), three)
    predictions = {"original": three["original"]}
    with pytest.raises(InputError, match="network 'false'"):
        decide(Decision("original", false_threshold=0.1), predictions)


def test_the_threshold_read_off_the_histogram_is_the_edge_of_its_highest_bar():
    def with_confidence(values):
        malignant = (1 + np.asarray(values)) / 2
        return np.column_stack([1 - malignant, malignant])

    assert histogram_threshold(with_confidence([0.05, 0.93, 0.95, 1.0])) == 0.9
    assert histogram_threshold(with_confidence([0.35, 0.36, 0.95])) == 0.3
    # of equal bars the one that sends fewest on
    assert histogram_threshold(with_confidence([0.15, 0.75])) == 0.1
    with pytest.raises(InputError, match="no training image"):
        histogram_threshold(np.empty((0, 2)))


def test_expected_cost_is_the_mean_of_what_each_answer_costs():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    labels = [0, 0, 1, 1]
    assert expected_cost(labels, p, [[0, 1], [10, 0]]) == pytest.approx((1 + 10) / 4)
    accuracy = scores(["acc"], labels, p)["acc"]
    assert expected_cost(labels, p, 1 - np.eye(2)) == pytest.approx(1 - accuracy)
    with pytest.raises(InputError, match="2 x 2"):
        expected_cost(labels, p, [[0, 1, 2]])


def _final(decision, labels, predictions):
    return labels, decide(decision, predictions)[0]


def test_a_choice_looks_better_where_it_was_made():
    lost = []
    for seed in range(30):
        labels, predictions = case(seed, 120, 2)
        parts = [
            (labels[rows], {name: p[rows] for name, p in predictions.items()})
            for rows in (slice(0, 60), slice(60, 120))
        ]
        choice = best_threshold(*parts[0], "model1", "acc")
        chosen = Decision("model1", choice.threshold)
        validation, test = (scores(["acc"], *_final(chosen, *part))["acc"] for part in parts)
        assert validation == choice.value
        lost.append({**chosen.settings(), "optimism": validation - test})
    replicates = pd.DataFrame(lost)
    assert replicates["optimism"].mean() > 0
    told = spread(replicates).set_index("name").loc["threshold"]
    assert told["low"] == replicates["threshold"].min()
    assert told["high"] == replicates["threshold"].max()
    assert told["median"] in set(replicates["threshold"])
    assert told["count"] == 30


def test_the_spread_of_thresholds_bears_always():
    frame = pd.DataFrame({"threshold": [0.2, math.inf, 0.4]})
    told = spread(frame).iloc[0]
    assert (told["low"], told["median"], told["high"]) == (0.2, 0.4, math.inf)
    assert math.isnan(told["sd"])
