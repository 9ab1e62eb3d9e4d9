"""Spaces and the rules by which a training is hopeless: their algebra."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.search.generations import Asking, Generations
from abl.search.space import Choices, Range, dimensions_of, grid_points, within
from abl.search.stopping import bounds_of, hopeless_epoch, running_best

SPACE = {
    "rate": Range(1e-5, 1e-1, log=True, steps=3),
    "depth": Range(1, 3, integer=True),
    "optimizer": Choices(("adam", "sgd"), {"sgd": {"momentum": Choices((0.0, 0.9))}}),
    "flip": Choices((True, False)),
}
curves = st.lists(
    st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=8), min_size=1, max_size=9
)


def test_a_grid_has_every_point_once_and_conditions_are_followed():
    points = list(grid_points(SPACE))
    assert len(points) == 3 * 3 * (1 + 2) * 2
    assert len({str(sorted(point.items())) for point in points}) == len(points)
    assert all(within(SPACE, point) == point for point in points)
    assert {point["rate"] for point in points} == {1e-5, 1e-3, 1e-1}
    assert all(("momentum" in point) == (point["optimizer"] == "sgd") for point in points)


@given(st.integers(0, 1000), st.sampled_from(["random", "tpe"]))
def test_points_lie_in_their_space(seed, sampler):
    for point in Generations(Asking(SPACE, ["maximize"], sampler=sampler, seed=seed, size=3)).ask():
        assert within(SPACE, point) == point
        assert within(SPACE, {**point, "other": 1}) == point
        assert within(SPACE, {**point, "rate": 0.2}) is None
        assert (
            within(SPACE, {name: value for name, value in point.items() if name != "depth"}) is None
        )


def test_a_point_of_another_kind_is_not_of_the_space():
    point = {"rate": 1e-3, "depth": 2, "optimizer": "adam", "flip": True}
    assert within(SPACE, point) == point
    assert within(SPACE, {**point, "flip": 1}) is None
    assert within(SPACE, {**point, "depth": 2.5}) is None
    assert within(SPACE, {**point, "rate": "1e-3"}) is None
    assert within(SPACE, {**point, "momentum": 0.9}) == point
    assert list(dimensions_of(SPACE)) == ["rate", "depth", "optimizer", "momentum", "flip"]


@given(curves, st.booleans(), st.sampled_from(["median", "halving"]), st.integers(1, 3))
def test_some_training_always_goes_on(given_curves, higher, rule, after):
    """The best of those that are compared is never hopeless."""
    bounds = bounds_of(given_curves, rule, higher=higher, after=after, factor=3, least=1)
    for epoch, bound in bounds.items():
        reached = [
            running_best(curve, higher=higher)[epoch - 1]
            for curve in given_curves
            if len(curve) >= epoch
        ]
        assert any(value >= bound if higher else value <= bound for value in reached)
        assert epoch >= after


@given(curves, st.sampled_from(["median", "halving"]))
def test_more_is_better_mirrors_less_is_better(given_curves, rule):
    negative = [[-value for value in curve] for curve in given_curves]
    one = bounds_of(given_curves, rule, higher=True, after=1, factor=3, least=1)
    other = bounds_of(negative, rule, higher=False, after=1, factor=3, least=1)
    assert one == {epoch: -bound for epoch, bound in other.items()}


def test_the_median_rule_stops_the_worse_half_at_the_epoch_where_it_shows():
    earlier = [[5, 4, 3], [5, 3, 1], [5, 3.5, 2], [5, 6, 7]]
    bounds = bounds_of(earlier, "median", higher=False, after=2, factor=3, least=4)
    assert set(bounds) == {2, 3}
    assert bounds[2] == pytest.approx(3.75)
    assert hopeless_epoch([9, 3.0, 2.4], bounds, higher=False) is None
    assert hopeless_epoch([9, 3.8], bounds, higher=False) == 2
    assert hopeless_epoch([3.0, 9.0, 9.0], bounds, higher=False) == 3  # the best so far counts


def test_halving_looks_at_epochs_that_grow_by_the_factor():
    earlier = [[float(at)] * 12 for at in range(9)]
    bounds = bounds_of(earlier, "halving", higher=True, after=1, factor=3, least=4)
    assert set(bounds) == {1, 3, 9}
    assert bounds[3] == 6.0  # the best three of nine


def test_with_too_few_to_compare_with_nobody_stops():
    assert bounds_of([[1.0]] * 3, "median", higher=True, after=1, factor=3, least=4) == {}


def test_a_loss_that_is_not_a_number_is_hopeless():
    assert hopeless_epoch([math.nan], {1: 2.0}, higher=False) == 1
    assert hopeless_epoch([math.nan, 1.0], {2: 2.0}, higher=False) is None
