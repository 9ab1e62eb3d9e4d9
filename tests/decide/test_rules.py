from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.decide.check import largest_class
from abl.decide.rules import (
    RULES,
    confidence,
    rule,
    threshold_from_share,
)
from abl.errors import InputError
from ruled import apply_rule


def binary(*malignant: float) -> np.ndarray:
    p = np.array(malignant)
    return np.column_stack([1 - p, p])


def random_predictions(seed: int, images: int, classes: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    draw = lambda: rng.dirichlet(np.full(classes, 0.5), size=images)  # noqa: E731
    return {"original": draw(), "true": draw(), "false": draw()}


some_predictions = st.builds(
    random_predictions,
    st.integers(0, 10_000),
    st.integers(1, 40),
    st.integers(2, 4),
)


def test_rules_are_listed_in_the_order_of_the_tables():
    assert list(RULES)[:7] == [
        "original", "true", "false", "panel", "average", "model1", "model2"
    ]  # fmt: skip
    assert [each.name for each in RULES.values() if each.has_threshold][:2] == ["model1", "model2"]
    assert RULES["true"].uses == ("true",)
    assert all(each.description for each in RULES.values())


def test_a_tie_is_malignant_and_goes_to_the_higher_class():
    assert largest_class(binary(0.5, 0.49, 0.51)).tolist() == [1, 0, 1]
    assert largest_class(np.array([[0.4, 0.2, 0.4], [0.4, 0.4, 0.2]])).tolist() == [2, 1]


def test_confidence_is_the_margin_of_the_top_two():
    np.testing.assert_allclose(confidence(binary(0.5, 0.9, 0.0)), [0, 0.8, 1])
    np.testing.assert_allclose(confidence([[0.5, 0.2, 0.3]]), [0.2])


def test_threshold_is_strict():
    predictions = {"original": binary(0.75, 0.70), "true": binary(0.1, 0.2)}
    # the confidence of the first image is exactly 0.5
    np.testing.assert_array_equal(
        apply_rule("model1", predictions, 0.5), [predictions["original"][0], predictions["true"][1]]
    )
    np.testing.assert_allclose(apply_rule("model2", predictions, 0.5)[1], [0.55, 0.45])


@given(some_predictions)
def test_ends_of_the_threshold(predictions):
    original = apply_rule("original", predictions)
    np.testing.assert_array_equal(apply_rule("model1", predictions, 0.0), original)
    np.testing.assert_array_equal(apply_rule("model2", predictions, 0.0), original)
    np.testing.assert_array_equal(
        apply_rule("model1", predictions, "always"), apply_rule("true", predictions)
    )
    np.testing.assert_array_equal(
        apply_rule("model2", predictions, "always"), apply_rule("average", predictions)
    )


def test_always_sends_an_image_whose_softmax_reached_one():
    predictions = {"original": binary(1.0), "true": binary(0.0)}
    assert apply_rule("model1", predictions, 1.0)[0, 1] == 1
    assert apply_rule("model1", predictions, "always")[0, 1] == 0


@given(some_predictions, st.floats(0, 1))
def test_each_image_comes_from_one_of_two_sources(predictions, threshold):
    final = apply_rule("model1", predictions, threshold)
    sent = confidence(predictions["original"]) < threshold
    np.testing.assert_array_equal(final[sent], predictions["true"][sent])
    np.testing.assert_array_equal(final[~sent], predictions["original"][~sent])


@given(some_predictions, st.floats(0, 1))
def test_threshold_from_share_sends_the_nearest_number_of_images(predictions, share):
    original = predictions["original"]
    threshold = threshold_from_share(original, share)
    sent = np.count_nonzero(confidence(original) < threshold)
    if len(np.unique(confidence(original))) == len(original):
        assert abs(sent - share * len(original)) <= 0.5 + 1e-9
    else:
        assert sent <= share * len(original) + 0.5


def test_share_of_all_images_is_always():
    assert threshold_from_share(binary(1.0, 0.3), 1.0) == math.inf
    assert threshold_from_share(binary(1.0, 0.3), 0.0) == 0


def test_false_extension_replaces_only_what_is_still_ambiguous():
    original, false = binary(0.54, 0.56, 0.9), binary(0.0, 0.0, 0.0)
    final = apply_rule("original", {"original": original, "false": false}, false_threshold=0.1)
    np.testing.assert_array_equal(final, [false[0], original[1], original[2]])


@given(some_predictions, st.floats(0, 1))
def test_false_extension_of_a_rule_looks_at_its_final_probabilities(predictions, threshold):
    direct = apply_rule("model2", predictions, threshold, false_threshold=0.2)
    plain = apply_rule("model2", predictions, threshold)
    unsure = confidence(plain) < 0.2
    after = np.where(unsure[:, None], predictions["false"], plain)
    np.testing.assert_array_equal(direct, after)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p: apply_rule("modle1", p, 0.5), "did you mean 'model1'"),
        (lambda p: apply_rule("model1", p), "needs a threshold"),
        (lambda p: apply_rule("true", p, 0.5), "has no threshold"),
        (lambda p: apply_rule("model1", p, 1.5), "outside [0, 1]"),
        (lambda p: apply_rule("model1", p, math.nan), "outside [0, 1]"),
        (lambda p: apply_rule("model1", p, "allways"), "neither a number nor 'always'"),
        (lambda p: apply_rule("model1", {"original": p["true"]}, 0.5), "'true'"),
        (lambda p: apply_rule("true", {"true": [[0.5, 0.6]]}), "sum to 1.1"),
        (lambda p: apply_rule("true", {"true": [[1.2, -0.2]]}), "outside [0, 1]"),
        (lambda p: apply_rule("true", {"true": [[math.nan, 1.0]]}), "row 0"),
        (lambda p: apply_rule("average", {**p, "true": p["true"][1:]}), "different images"),
        (lambda p: threshold_from_share(p["true"], 1.2), "outside [0, 1]"),
    ],
)
def test_what_a_user_is_told(call, says):
    with pytest.raises(InputError) as caught:
        call({"original": binary(0.2, 0.6), "true": binary(0.1, 0.7)})
    assert says in str(caught.value)


@pytest.fixture
def most_malignant():
    @rule("most_malignant", uses=("original", "true"), threshold=True)
    def function(original, true):
        """The larger p_M for ambiguous images."""
        return np.where(original[:, 1:] > true[:, 1:], original, true)

    yield function
    del RULES["most_malignant"]


@pytest.mark.usefixtures("most_malignant")
def test_a_rule_of_ones_own():

    predictions = {"original": binary(0.6, 0.99), "true": binary(0.7, 1.0)}
    np.testing.assert_allclose(apply_rule("most_malignant", predictions, 0.9)[:, 1], [0.7, 0.99])
    with pytest.raises(InputError, match="exists already"):
        rule("most_malignant", uses=("true",))(lambda true: true)
