"""From axes, blocks and excludes to the distinct rows of a table."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from abl.plan.graph import arms_of

RULES = {"original": set(), "true": {"n"}, "model1": {"n", "t"}}


def relevant(params: dict[str, Any]) -> dict[str, Any]:
    keep = RULES[params["rule"]]
    return {axis: value for axis, value in params.items() if axis not in {"n", "t"} - keep}


def every(params: dict[str, Any]) -> dict[str, Any]:
    return params


def params_of(found) -> list[dict[str, Any]]:
    return [dict(arm.params) for arm in found.arms]


def test_without_blocks_the_full_product_in_the_order_of_the_file() -> None:
    found = arms_of({"a": [1, 2], "b": ["x", "y"]}, [], [], every)
    assert params_of(found) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


def test_blocks_are_a_union_and_what_they_do_not_name_runs_over_all() -> None:
    found = arms_of({"a": [1, 2], "b": ["x", "y"]}, [{"a": 1}, {"a": [2, 1], "b": "y"}], [], every)
    assert params_of(found) == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "y"}]
    assert found.cells == 4


def test_a_block_may_name_a_value_or_axis_beyond_the_axes() -> None:
    found = arms_of({"a": [1]}, [{}, {"a": 5}, {"c": 7}], [], every)
    assert params_of(found) == [{"a": 1}, {"a": 5}, {"a": 1, "c": 7}]


def test_axes_that_do_not_matter_to_an_arm_are_dropped_and_equal_arms_joined() -> None:
    axes = {"rule": ["original", "true", "model1"], "n": [1, 2], "t": [0.1, 0.9]}
    found = arms_of(axes, [], [], relevant)
    assert found.cells == 12
    assert params_of(found) == [
        {"rule": "original"},
        {"rule": "true", "n": 1},
        {"rule": "true", "n": 2},
        *({"rule": "model1", "n": n, "t": t} for n in (1, 2) for t in (0.1, 0.9)),
    ]
    assert found.unused == []


def test_an_axis_that_changes_no_arm_is_unused() -> None:
    found = arms_of({"rule": ["original"], "n": [1, 2], "t": [0.5]}, [], [], relevant)
    assert found.unused == ["n"]
    found = arms_of({"rule": ["original", "true"], "n": [1, 2]}, [], [{"n": 2}], relevant)
    assert params_of(found) == [{"rule": "original"}, {"rule": "true", "n": 1}]


def test_excludes_take_arms_that_have_all_values_and_idle_ones_are_told() -> None:
    axes = {"a": [1, 2, 3], "b": ["x", "y"]}
    found = arms_of(axes, [], [{"a": [1, 2], "b": "x"}, {"a": 9}, {"c": 1}], every)
    assert params_of(found) == [
        {"a": 1, "b": "y"},
        {"a": 2, "b": "y"},
        {"a": 3, "b": "x"},
        {"a": 3, "b": "y"},
    ]
    assert found.idle_excludes == [1, 2]


def test_titles_name_shown_axes_only() -> None:
    found = arms_of({"rule": ["model1"], "n": [3], "t": [0.9]}, [], [], every, ["rule", "n"])
    assert [arm.title for arm in found.arms] == ["model1 · n 3"]


axes_of_ints = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True),
    min_size=1,
)  # fmt: skip


@given(axes_of_ints, st.data())
def test_arms_are_distinct_and_excludes_are_honoured(axes: dict[str, list[int]], data) -> None:
    names = st.sampled_from(sorted(axes))
    blocks = data.draw(st.lists(st.dictionaries(names, st.integers(0, 3)), max_size=3))
    exclude = data.draw(st.lists(st.dictionaries(names, st.integers(0, 3), min_size=1), max_size=2))
    found = params_of(arms_of(axes, blocks, exclude, every))
    wanted = [
        params
        for block in blocks or [{}]
        for values in itertools.product(*axes.values())
        if not any(
            all(
                (params := dict(zip(axes, values, strict=True)) | block)[k] == v
                for k, v in e.items()
            )
            for e in exclude
        )
        and (params := dict(zip(axes, values, strict=True)) | block)
    ]
    assert len({tuple(sorted(each.items())) for each in found}) == len(found)
    assert {tuple(sorted(e.items())) for e in found} == {tuple(sorted(e.items())) for e in wanted}
