"""An image whose confidence is T* stays, whatever floating point makes of its decimals: every way
of deciding is held against whole numbers, over all probabilities of two and three decimals.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.decide.check import largest_class
from abl.decide.chooser import Chooser, DecisionOptions
from abl.decide.consensus import more_than_share
from abl.decide.curves import best_threshold, threshold_curve
from abl.decide.decision import Decision, decide, histogram_threshold
from abl.decide.rules import confidence, threshold_from_share
from abl.errors import InputError


def two_classes(parts: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """All p_M of so many parts, in the ways that they come, and how many parts each is."""
    malignant = np.arange(parts + 1)
    p = malignant / parts
    written = np.column_stack([(parts - malignant) / parts, p])
    taken = np.column_stack([1 - p, p])
    back = np.column_stack([p[::-1], 1 - p[::-1]])
    forms = {"written": written, "1 - p": taken, "1 - (1 - p)": back}
    return forms, malignant


def three_classes(parts: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    whole = np.array(
        [(a, b, parts - a - b) for a in range(parts + 1) for b in range(parts + 1 - a)]
    )
    p = whole / parts
    rest = np.column_stack([p[:, 0], p[:, 1], 1 - p[:, 0] - p[:, 1]])
    return {"written": p, "the rest": np.abs(rest)}, whole


def parts_between(whole: np.ndarray) -> np.ndarray:
    ordered = np.sort(whole, axis=1)
    return ordered[:, -1] - ordered[:, -2]


CASES = [
    pytest.param(form, parts, whole, id=f"{len(whole[0])} classes, {parts} parts, {name}")
    for parts in (100, 1000)
    for forms, malignant in [two_classes(parts)]
    for whole in [np.column_stack([parts - malignant, malignant])]
    for name, form in forms.items()
] + [
    pytest.param(form, 100, whole, id=f"3 classes, {name}")
    for forms, whole in [three_classes(100)]
    for name, form in forms.items()
]


@pytest.mark.parametrize(("p", "parts", "whole"), CASES)
def test_sent_on_is_what_lies_strictly_below(p, parts, whole):
    between = parts_between(whole)
    np.testing.assert_array_equal(confidence(p), between / parts)
    networks = {"original": p, "true": np.roll(p, 1, axis=1), "false": np.roll(p, 1, axis=1)}
    steps = range(0, parts + 1, 1 if len(p) < 2000 else 3)
    for step in steps:
        below = between < step
        for threshold in (step / parts, step * (1 / parts), 1 - (parts - step) / parts):
            _, sent = decide(Decision("model1", min(max(threshold, 0), 1)), networks)
            np.testing.assert_array_equal(sent, below)
        each = (step / parts,) * p.shape[1]
        np.testing.assert_array_equal(decide(Decision("model2", each), networks)[1], below)
        # the False network answers below its threshold, with `original` what it is
        final, _ = decide(Decision("original", false_threshold=step / parts), networks)
        expected = np.where(below[:, None], networks["false"], p)
        np.testing.assert_array_equal(final, expected)
    grid = np.linspace(0, 1, parts + 1)
    curve = threshold_curve(np.zeros(len(p), int), networks, "model1", [*grid, "always"], ["acc"])
    counts = [(between < step).sum() for step in range(parts + 1)]
    np.testing.assert_array_equal(np.rint(curve["share"] * len(p)), [*counts, len(p)])


@pytest.mark.parametrize(("p", "parts", "whole"), CASES)
def test_the_class_is_the_highest_of_those_that_tie(p, parts, whole):
    tied = whole == whole.max(axis=1, keepdims=True)
    highest = [int(np.flatnonzero(row)[-1]) for row in tied]
    assert largest_class(p).tolist() == highest
    shares = p * np.array([1.0, 1.0, 1.0][: p.shape[1]])
    assert largest_class(shares / shares.sum(axis=1, keepdims=True)).tolist() == highest


@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=6),
    st.sampled_from([10, 100]),
)
def test_means_over_images_that_tie_are_malignant(drawn, parts):
    # an image and its mirror: the mean is 1/2 in decimals, and a few 1e-17 away as it is summed
    rows = [(a / parts, 1 - a / parts) for a, _ in drawn] + [
        (1 - a / parts, a / parts) for a, _ in drawn
    ]
    mean = np.add.reduce(np.array(rows)) / len(rows)
    assert largest_class(mean[None]).tolist() == [1]
    assert confidence(mean[None])[0] == 0


def test_sums_that_floating_point_misses_tie_everywhere():
    noisy = np.array(
        [[0.1 + 0.2, 0.3, 0.4 - 0.3 + 0.3], [0.3, 0.1 + 0.2, 0.4], [0.1 + 0.2, 0.3, 0.4]]
    )
    assert largest_class(noisy).tolist() == [2, 2, 2]
    pair = np.array([[0.1 + 0.2 + 0.2, 0.5], [0.5, 0.1 + 0.2 + 0.2], [0.5, 0.5]])
    assert largest_class(pair).tolist() == [1, 1, 1]
    third = np.array([[0.3, 0.1 + 0.2, 0.4 - 1e-9], [0.4, 0.2, 0.1 + 0.3]])
    assert largest_class(third).tolist() == [2, 2]


def turned(p: np.ndarray, between: np.ndarray, step: int) -> tuple:
    """Labels, and a second network: the first is right from a confidence on, the second below."""
    final = largest_class(p)
    other = (final + 1) % p.shape[1]
    return np.where(between >= step, final, other), {
        "original": p,
        "true": np.eye(p.shape[1])[other],
    }


@pytest.mark.parametrize(("p", "parts", "whole"), CASES)
def test_the_exact_threshold_is_the_confidence_from_which_images_stay(p, parts, whole):
    between = parts_between(whole)
    for step in sorted(set(between.tolist()))[1 :: 7 if parts == 100 else 61]:
        labels, networks = turned(p, between, step)
        found = best_threshold(labels, networks, "model1", "acc")
        assert (found.threshold, found.value) == (step / parts, 1.0)
        chooser = Chooser("model1", "acc", labels, networks)
        along = chooser.along(np.linspace(0, 1, parts + 1).tolist(), ["acc"])
        assert decide(along.decision, networks)[1].tolist() == (between < step).tolist()


@pytest.mark.parametrize(("p", "parts", "whole"), [each for each in CASES if "1000" not in each.id])
def test_a_search_finds_the_same_edge(p, parts, whole):
    between = parts_between(whole)
    labels, networks = turned(p, between, 30)
    start = [Decision("model1", 1 - 0.7)]
    options = DecisionOptions(("threshold",), ("acc",), trials=8)
    found = Chooser("model1", "acc", labels, networks).searched(options, start=start)
    assert found.search is not None
    assert found.search.values == (1.0,)
    assert decide(found.decision, networks)[1].tolist() == (between < 30).tolist()
    assert found.search.share == (between < 30).mean()


@pytest.mark.parametrize("tenth", range(10))
def test_a_histogram_puts_a_confidence_into_the_bar_that_it_begins(tenth):
    malignant = 0.5 + tenth / 20
    p = np.array([[1 - malignant, malignant], [malignant, 1 - malignant]] * 3 + [[0.02, 0.98]])
    third = np.array([[0.0, 1 - malignant, malignant]] * 6 + [[0.01, 0.01, 0.98]])
    for each in (p, third):
        threshold = histogram_threshold(each)
        assert threshold == tenth / 10
        networks = {"original": each, "true": each}
        assert not decide(Decision("model1", threshold), networks)[1].any()


def test_a_share_is_counted_in_decimals():
    forms, malignant = two_classes(100)
    ordered = np.sort(np.abs(2 * malignant - 100))
    for p in forms.values():
        for share in (0.2, 0.3, 0.55):
            threshold = threshold_from_share(p, share)
            # two images have each confidence but 0: fewer go where they tie
            assert threshold == ordered[round(share * 101)] / 100
            sent = decide(Decision("model1", threshold), {"original": p, "true": p})[1]
            assert sent.sum() == (ordered < ordered[round(share * 101)]).sum()
    many = np.column_stack([0.5 - np.arange(100) / 400, 0.5 + np.arange(100) / 400])
    assert (confidence(many) < threshold_from_share(many, 0.145)).sum() == 15


@pytest.mark.parametrize("parts", [100, 1000])
def test_an_image_at_the_cut_off_is_malignant(parts):
    forms, malignant = two_classes(parts)
    for p in forms.values():
        for step in range(1, parts, 1 if parts == 100 else 7):
            for cutoff in (step / parts, 1 - (parts - step) / parts):
                final, _ = decide(Decision("original", cutoff=cutoff), {"original": p})
                called = largest_class(final) == 1
                np.testing.assert_array_equal(called, malignant >= step)
                assert (np.diff(final[:, 1]) >= 0).all()


@given(st.integers(1, 60), st.integers(0, 1000), st.sampled_from([100, 1000]))
def test_a_flag_is_counted_in_whole_numbers(total, step, parts):
    step = step % (parts + 1)
    counts = np.arange(total + 1)
    expected = [Fraction(k, total) > Fraction(step, parts) for k in range(total + 1)]
    for share in (step / parts, 1 - (parts - step) / parts, Fraction(step, parts)):
        assert more_than_share(counts, total, max(share, 0)).tolist() == expected
    totals = np.full(total + 1, total)
    assert (
        more_than_share(counts, totals, step * (1 / parts) if step < parts else 1).tolist()
        == expected
    )


def test_a_flag_goes_down_in_hundredths_and_knows_thirds():
    theta = 0.9
    for step in range(90, 0, -1):
        assert not more_than_share([step], [100], theta)[0]
        assert more_than_share([step + 1], [100], theta)[0]
        theta -= 0.01
    assert more_than_share([1, 2, 2, 0], [3, 3, 2, 0], 1 / 3).tolist() == [False, True, True, False]
    for counts, totals, share, said in (
        ([3], [2], 0.5, "not between 0 and their totals"),
        ([1], [2], 1.5, "share: 1.5 is outside"),
        ([0.5], [2], 0.5, "counts: not whole numbers"),
    ):
        with pytest.raises(InputError, match=said):
            more_than_share(counts, totals, share)


def test_what_is_no_decimal_keeps_its_meaning():
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(3000, 2)).astype(np.float32) * 4
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float64)
    plain = np.abs(p[:, 0] - p[:, 1])
    order = np.argsort(plain, kind="stable")
    assert (np.diff(confidence(p)[order]) >= 0).all()
    np.testing.assert_allclose(confidence(p), plain, atol=1e-12, rtol=0)
    for threshold in rng.uniform(size=50):
        sent = decide(Decision("model1", threshold), {"original": p, "true": p})[1]
        np.testing.assert_array_equal(sent, plain < threshold)
    # 0.95 in single precision is 0.949999988: below, as it is read
    single = np.array([[0.05, 0.95]], dtype=np.float32)
    assert confidence(single)[0] < 0.9
