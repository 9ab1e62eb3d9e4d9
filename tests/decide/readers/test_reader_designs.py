"""Readers, cases and treatments: which designs are compared, how, and which are refused by name."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.readers import readings as designs
from abl.decide.readers.error_squares import EFFECTS
from abl.decide.readers.obuchowski_rockette import obuchowski_rockette
from abl.decide.readers.rater_estimates import rater_estimates
from abl.decide.readers.reader_study import compare_algorithm, compare_treatments
from abl.decide.readers.readings import readings_of
from abl.errors import InputError

Rated = Callable[[int, int, int, int], float]


def study(readers: int, treatments: int, cases: int, rated: Rated) -> ReaderAnswers:
    """Of every reader, treatment and case; half of the cases are positive."""
    rows = [
        {
            "reader": f"R{r}", "treatment": f"T{t}", "case": f"c{c}", "patient": f"c{c}",
            "session": "", "experience": "", "comment": "", "confidence": math.nan,
            "truth": float(c % 2), "rating": rated(r, t, c, c % 2),
        }
        for r, t, c in itertools.product(range(readers), range(treatments), range(cases))
    ]  # fmt: skip
    frame = pd.DataFrame(rows).assign(answer=math.nan)
    return ReaderAnswers(frame, ("0", "1")).answered_by_cutoff(0.5)


def noisy(seed: int) -> Rated:
    draw = np.random.default_rng(seed)
    return lambda r, t, c, y: y * (1 + 0.3 * t) + draw.normal()


def with_frame(answers: ReaderAnswers, change: Callable[[pd.DataFrame], pd.DataFrame]):
    return ReaderAnswers(change(answers.frame.copy()).reset_index(drop=True), answers.classes)


def test_two_treatments_are_one_difference_whatever_is_random() -> None:
    found = compare_treatments(study(4, 2, 40, noisy(1)), "auc")
    assert found.readings.design == designs.CROSSED
    for effects in EFFECTS:
        analysis = found.analyses[effects]
        only = analysis.differences[0]
        assert only.t**2 == pytest.approx(analysis.test.value)
        assert only.p == pytest.approx(analysis.test.p)
        assert only.low < only.estimate < only.high


def test_of_fixed_readers_the_test_is_wald_of_the_mean() -> None:
    found = compare_treatments(study(4, 2, 60, noisy(2)), "auc", "jackknife")
    weights = np.repeat([0.25, -0.25], 4)
    variance = weights @ found.estimates.covariance @ weights
    only = found.analyses["fixed_readers"].differences[0]
    errors = found.analyses["fixed_readers"].errors
    if errors.cov2 > errors.cov3:  # else the covariance is taken as none
        assert only.error**2 == pytest.approx(variance)
    assert math.isinf(only.df)


def test_three_treatments_in_any_order() -> None:
    answers = study(4, 3, 40, noisy(3))
    found = compare_treatments(answers, "auc").analyses["random"]
    assert [each.name for each in found.differences] == ["T0 - T1", "T0 - T2", "T1 - T2"]
    assert found.test.df1 == 2
    renamed = with_frame(
        answers,
        lambda frame: frame.assign(
            treatment=frame["treatment"].map({"T0": "c", "T1": "a", "T2": "b"})
        ),
    )
    other = compare_treatments(renamed, "auc").analyses["random"]
    assert other.test == found.test or other.test.p == pytest.approx(found.test.p)
    assert other.differences[0].estimate == pytest.approx(found.differences[2].estimate)


def test_differences_are_to_the_base() -> None:
    answers = study(3, 2, 30, noisy(4))
    plain = compare_treatments(answers, "auc").analyses["random"].differences[0]
    turned = compare_treatments(answers, "auc", base="T0").analyses["random"].differences[0]
    assert turned.name == "T1 - T0"
    assert (turned.low, turned.high) == pytest.approx((-plain.high, -plain.low))


def test_cases_that_lack_an_answer_are_left_out_and_counted() -> None:
    answers = study(3, 2, 30, noisy(5))
    gaps = with_frame(
        answers,
        lambda frame: frame.assign(rating=frame["rating"].mask(frame.index.isin([3, 40, 41]))),
    )
    found = compare_treatments(gaps, "auc")
    assert found.readings.left_out == 3
    assert len(found.readings.compared) == 27
    whole = with_frame(gaps, lambda frame: frame[~frame["case"].isin(["c3", "c10", "c11"])])
    assert found.analyses["random"].test == compare_treatments(whole, "auc").analyses["random"].test


@pytest.mark.parametrize(
    ("own", "design"),
    [
        (["treatment"], designs.CASES_IN_TREATMENTS),
        (["reader"], designs.CASES_IN_READERS),
        (["reader", "treatment"], designs.CASES_IN_CELLS),
    ],
)
def test_cases_of_their_own_have_no_covariance(own: list[str], design: str) -> None:
    def renamed(frame: pd.DataFrame) -> pd.DataFrame:
        names = frame[["case", *own]].agg("-".join, axis=1)
        return frame.assign(case=names, patient=names)

    found = compare_treatments(with_frame(study(3, 2, 30, noisy(6)), renamed), "auc")
    assert found.readings.design == design
    errors = found.analyses["random"].errors
    assert errors.cov3 == 0
    assert (errors.cov1 == 0) == ("treatment" in own)
    assert (errors.cov2 == 0) == ("reader" in own)


def test_readers_nested_in_treatments() -> None:
    def one_each(frame: pd.DataFrame) -> pd.DataFrame:
        number = frame["reader"].str[1].astype(int)
        return frame[number % 2 == frame["treatment"].str[1].astype(int)]

    answers = with_frame(study(6, 2, 40, noisy(7)), one_each)
    found = compare_treatments(answers, "auc")
    assert found.readings.design == designs.READERS_IN_TREATMENTS
    analysis = found.analyses["fixed_cases"]
    # with the cases fixed it is the t test of two groups of readers
    values = found.estimates.values.reshape(2, 3)
    square = values.var(axis=1, ddof=1).mean()
    t = (values[0].mean() - values[1].mean()) / math.sqrt(square * 2 / 3)
    assert analysis.differences[0].t == pytest.approx(t)
    assert analysis.differences[0].df == 4
    assert analysis.test.value == pytest.approx(t**2)
    assert found.of_readers == ()


def test_partly_shared_cases_and_half_nested_readers_are_refused_by_name() -> None:
    answers = study(3, 2, 30, noisy(8))
    draw = np.random.default_rng(0)
    some = with_frame(answers, lambda frame: frame[draw.random(len(frame)) < 0.6])
    with pytest.raises(InputError, match=r"not crossed: only \d+ of \d+ cases .*R0 \(T0\) \d+"):
        readings_of(some, "rating")
    half = with_frame(
        answers, lambda frame: frame[~((frame["reader"] == "R1") & (frame["treatment"] == "T1"))]
    )
    with pytest.raises(InputError, match="not crossed: no answers of R1 in T1"):
        readings_of(half, "rating")
    assert readings_of(half, "rating", readers=["R0", "R2"]).design == designs.CROSSED


def test_where_nothing_varies_there_is_no_test_and_no_nan_without_a_word() -> None:
    perfect = compare_treatments(study(3, 2, 10, lambda r, t, c, y: 9.0 * y), "auc")
    for effects in EFFECTS:
        analysis = perfect.analyses[effects]
        assert analysis.test.why
        assert all(each.why for each in analysis.treatments)
        assert [each.estimate for each in analysis.treatments] == [1, 1]


@pytest.mark.parametrize("effects", EFFECTS)
def test_intervals_of_means_are_those_of_their_log_odds(effects: str) -> None:
    """Near 1 they reach further down than up, and never out; differences are as they were."""
    answers = study(5, 2, 30, noisy(13))
    logit, plain = (
        compare_treatments(answers, "auc", scale=scale).analyses[effects]
        for scale in ("logit", "plain")
    )
    assert logit.differences == plain.differences
    assert logit.test == plain.test
    for one, other in zip(logit.treatments, plain.treatments, strict=True):
        mean, error = other.estimate, other.error
        reach = stats.t.ppf(0.975, other.df)
        assert one.error == error
        assert other.low == pytest.approx(mean - reach * error)
        assert other.high == pytest.approx(min(mean + reach * error, 1))
        log_odds = math.log(mean / (1 - mean))
        for end, sign in ((one.low, -1), (one.high, 1)):
            assert math.log(end / (1 - end)) == pytest.approx(
                log_odds + sign * reach * error / (mean * (1 - mean))
            )
        assert mean - one.low > one.high - mean
        assert one.high < 1


def test_an_algorithms_own_interval_is_on_the_scale_of_the_means() -> None:
    answers = study(4, 1, 60, noisy(10))
    found = [
        compare_algorithm(answers, "R0", "auc", scale=scale)[0] for scale in ("logit", "plain")
    ]
    logit, plain = (each.analyses["random"] for each in found)
    assert logit.difference == plain.difference
    assert found[0].of_readers == found[1].of_readers
    for one, other in ((logit.algorithm, plain.algorithm), (logit.readers, plain.readers)):
        assert other.low + other.high == pytest.approx(2 * other.estimate)
        assert one.low + one.high < 2 * one.estimate


def test_one_reader_says_nothing_of_others() -> None:
    found = compare_treatments(study(1, 2, 40, noisy(9)), "auc")
    assert "one reader" in found.analyses["random"].test.why
    assert found.analyses["fixed_readers"].test.p == pytest.approx(found.of_readers[0].p)


def test_an_algorithm_is_held_against_the_mean_of_readers() -> None:
    answers = study(6, 1, 60, noisy(10))
    found = compare_algorithm(answers, "R0", "auc")[0]
    values = found.estimates.values
    random, fixed = (found.analyses[each].difference for each in ("random", "fixed_cases"))
    assert random.estimate == pytest.approx(values[0] - values[1:].mean())
    spread = values[1:].std(ddof=1) / math.sqrt(5)
    assert fixed.t == pytest.approx((values[0] - values[1:].mean()) / spread)
    assert fixed.df == 4
    assert random.error >= fixed.error
    # non-inferiority holds exactly where the interval says so
    assert (random.p_above(-0.2) < 0.025) == (random.low > -0.2)
    with pytest.raises(InputError, match="--algorithm machine: valid: R0, R1"):
        compare_algorithm(answers, "machine", "auc")


def test_an_algorithm_with_one_treatment_is_compared_in_each_of_the_readers() -> None:
    def once(frame: pd.DataFrame) -> pd.DataFrame:
        keep = (frame["reader"] != "R0") | (frame["treatment"] == "T0")
        return frame[keep].assign(
            treatment=frame["treatment"].mask(frame["reader"] == "R0", "alone")
        )

    found = compare_algorithm(with_frame(study(4, 2, 40, noisy(11)), once), "R0", "sen")
    assert [each.treatment for each in found] == ["T0", "T1"]
    assert found[0].estimates.values[0] == found[1].estimates.values[0]


def test_shapes_that_do_not_fit_are_told() -> None:
    answers = study(3, 2, 20, noisy(12))
    found = rater_estimates(answers.table("rating", "T0").to_numpy().T, np.arange(20) % 2)
    with pytest.raises(InputError, match="do not fit"):
        obuchowski_rockette(found.values.reshape(1, 3), found.covariance, ("a",))
