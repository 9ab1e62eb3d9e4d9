from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abl.decide.check import largest_class, margin
from abl.decide.decision import Decision, decide
from abl.decide.promise import Promise, promised_risk, promised_threshold
from abl.decide.risk_bounds import fewest_patients, risk_p_value
from abl.errors import InputError


def made(rng: np.random.Generator, patients: int, images: int, skill: float = 1.0) -> tuple:
    """Labels, patients, and predictions that are the more often right the surer they are."""
    count = rng.integers(1, images + 1, patients)
    who = np.repeat(np.arange(patients), count)
    labels = np.repeat(rng.integers(0, 2, patients), count)
    ease = np.repeat(rng.normal(0, 1, patients), count)
    logit = (2 * labels - 1) * (skill * 2.2 + 1.2 * ease) + rng.normal(0, 1.0, len(who))
    malignant = 1 / (1 + np.exp(-logit))
    p = np.column_stack([1 - malignant, malignant])
    return labels, who.astype(str), {"original": p, "true": p}


def slow(labels, predictions, patients, promise: Promise) -> list:
    """(T*, mean loss, patients) of each T* that differs, the largest first, by the definition."""
    p, rows = predictions["original"], []
    certain, wrong = margin(p), largest_class(p) != labels
    for threshold in [math.inf, *sorted(set(certain.tolist()), reverse=True)]:
        kept = certain >= threshold
        losses = []
        for name in sorted(set(patients)):
            own = patients == name
            if promise.risk == "error":
                own = own & kept
                losses += [np.mean(wrong[own])] if own.any() else []
            elif (labels[own] == 1).any():
                own = own & (labels == 1)
                losses.append(np.mean(wrong[own] & kept[own]))
        if losses:
            rows.append((threshold, np.mean(losses), len(losses)))
    return rows


some = st.builds(
    lambda seed, patients, images: made(np.random.default_rng(seed), patients, images),
    st.integers(0, 10_000), st.integers(5, 60), st.sampled_from([1, 3]),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(some, st.sampled_from(["error", "missed"]), st.sampled_from([0.1, 0.2, 0.3]))
def test_it_is_the_smallest_of_those_tested_one_after_the_other(drawn, risk, level):
    labels, who, predictions = drawn
    promise = Promise(risk, level, 0.8)
    counted = who if risk == "error" else who[labels == 1]
    binary = len(set(counted)) == len(counted)
    every = len(set(counted))
    needed = 1
    if risk == "error":
        needed = fewest_patients(level, 0.2, 1, binary=binary)
        if 2 * needed > every:
            needed = fewest_patients(level, 0.2, binary=binary)
    expected = None
    for threshold, mean, count in slow(labels, predictions, who, promise):
        if count < needed:
            continue
        if risk_p_value([mean * count], [count], level, binary=binary)[0] > 0.2:
            break
        expected = (threshold, mean, count)
    if expected is None:
        with pytest.raises(InputError, match="no T\\* keeps the promise"):
            promised_threshold(labels, predictions, "model1", who, promise)
        return
    found = promised_threshold(labels, predictions, "model1", who, promise)
    lowest = margin(predictions["original"]).min()
    assert found.threshold == (0.0 if expected[0] == lowest else expected[0])
    assert (found.risk, found.patients) == pytest.approx(expected[1:])
    p, sent = decide(Decision("model1", found.threshold), predictions)
    assert promised_risk(risk, labels, p, sent, who) == pytest.approx(expected[1])


def test_p_values_are_those_of_the_literature():
    # 22 patients without an error: 0.9^22 < 0.1, 21 are too few; with one error it takes 38
    assert fewest_patients(0.1, 0.1) == 22 == math.ceil(math.log(0.1) / math.log(0.9))
    assert fewest_patients(0.1, 0.1, 1) == 38
    assert stats.binomtest(1, 38, 0.1, alternative="less").pvalue <= 0.1
    assert stats.binomtest(1, 37, 0.1, alternative="less").pvalue > 0.1
    for wrong, count in ((0, 45), (3, 80), (7, 90)):
        exact = stats.binomtest(wrong, count, 0.05, alternative="less").pvalue
        assert risk_p_value([wrong], [count], 0.05, binary=True)[0] == pytest.approx(exact)
    # Hoeffding by hand: n = 100, mean 0.02 of 0.1
    entropy = 0.02 * math.log(0.02 / 0.1) + 0.98 * math.log(0.98 / 0.9)
    bentkus = math.e * stats.binom.cdf(2, 100, 0.1)
    smaller = min(math.exp(-100 * entropy), bentkus)
    assert risk_p_value([2.0], [100], 0.1, binary=False)[0] == pytest.approx(smaller)
    assert risk_p_value([0.0, 60.0, 0.0], [0, 100, 1], 0.1, binary=False).tolist() == [1, 1, 0.9]
    assert fewest_patients(1e-6, 0.1) == math.ceil(math.log(0.1) / math.log1p(-1e-6))


@pytest.mark.parametrize(("images", "risk"), [(1, "error"), (5, "error"), (1, "missed")])
def test_the_promise_is_broken_as_rarely_as_it_says(images, risk):
    # the risk of a T* on 6,000 further patients stands for the true one
    rng = np.random.default_rng(20 + images)
    labels, who, world = made(rng, 6_000, images)
    level, sweeps = (0.1 if risk == "error" else 0.05), 150
    broken, kept = 0, []
    for _ in range(sweeps):
        seen = made(rng, 120, images)
        try:
            found = promised_threshold(seen[0], seen[2], "model1", seen[1], Promise(risk, level))
        except InputError:
            continue
        p, sent = decide(Decision("model1", found.threshold), world)
        kept.append(1 - sent.mean())
        broken += promised_risk(risk, labels, p, sent, who) > level
    # one in ten at most, within three standard errors of the simulation
    assert broken / sweeps <= 0.1 + 3 * math.sqrt(0.09 / sweeps)
    # and it is no promise kept by sending everything on
    assert len(kept) > 0.5 * sweeps
    assert np.mean(kept) > 0.2


def test_patients_are_what_counts():
    # one patient with sixty equal images says no more than one with one
    p = np.tile([0.1, 0.9], (60, 1))
    labels, predictions = np.ones(60, int), {"original": p, "true": p}
    promise = Promise("error", 0.05)
    one_each = promised_threshold(labels, predictions, "model1", np.arange(60), promise)
    assert (one_each.threshold, one_each.patients) == (0.0, 60)
    with pytest.raises(InputError, match="it takes 45 patients without an error, and there are 1"):
        promised_threshold(labels, predictions, "model1", np.zeros(60), promise)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"risk": "errors"}, "risk: 'errors' is not known: did you mean 'error'"),
        ({"level": 0}, "level: 0 is not between 0 and 1"),
        ({"confidence": 95}, "confidence: 95 is not between 0 and 1"),
    ],
)
def test_a_promise_that_is_none_is_told(settings, said):
    with pytest.raises(InputError) as caught:
        Promise(**settings)
    assert said in str(caught.value)


def test_why_no_threshold_keeps_it_is_told():
    rng = np.random.default_rng(3)
    labels, who, predictions = made(rng, 100, 1, skill=0.0)
    with pytest.raises(InputError) as caught:
        promised_threshold(labels, predictions, "model1", who, Promise("error", 0.1))
    said = str(caught.value)
    assert "error among the images not sent on at most 10 %, with 90 % confidence" in said
    assert "% for the 38 most confident of 100 patients (P = " in said
    three = np.full((50, 3), 1 / 3)
    with pytest.raises(InputError, match="'missed' is for two classes, and these have 3"):
        promised_threshold(
            np.zeros(50, int), {"original": three, "true": three}, "model1", who[:50],
            Promise("missed"),
        )  # fmt: skip
    with pytest.raises(InputError, match="it takes 45 patients with malignant images"):
        promised_threshold(
            np.zeros(len(who), int) + (np.arange(len(who)) < 9), predictions, "model1", who,
            Promise("missed"),
        )  # fmt: skip
