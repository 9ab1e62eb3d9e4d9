"""What a sweep may say of T*: its values, ways to choose it, and what a search searches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from abl.decide.metrics import metric_named
from abl.decide.rules import threshold_value
from abl.errors import InputError
from abl.search.samplers import asking_samplers
from abl.spec.base import Part
from abl.spec.search import sampler_problem
from abl.spec.sweep import Sweep

CHOSEN_BY = ("exact", "histogram", "search")
BEST_ON_TEST = "best_on_test"
SEARCHED = Literal["threshold", "class_thresholds", "weight", "cutoff", "false_threshold"]


class DecisionSearch(Part):
    """What `threshold: search` searches with Optuna, on validation predictions alone."""

    over: tuple[SEARCHED, ...] = Field(
        ("threshold",),
        min_length=1,
        description="T*; or one T* for each class that O predicts; the weight of T in the mean; "
        "the cut-off of the final decision; the confidence under which the False network decides.",
    )
    objectives: tuple[str, ...] = Field(
        (),
        max_length=2,
        description="A metric, `cost`, or a metric and `share` (of images sent on; fewer is "
        "better); default: what `select_by` or `primary` names.",
    )
    costs: tuple[tuple[float, ...], ...] | None = Field(
        None, description="Cost of deciding class j (column) for class i (row), for `cost`."
    )
    trials: Annotated[int, Field(ge=1, le=100_000)] = Field(200, description="Points tried.")
    sampler: str = Field(
        "tpe",
        json_schema_extra=lambda schema: schema.update(enum=[*asking_samplers()]),
        description="Optuna's sampler.",
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Of the sampler.")


def search_problems(search: DecisionSearch) -> list[str]:
    """What is wrong with a search block beside its form."""
    problems = sampler_problem("options.search.sampler", search.sampler, asking_samplers())
    for name in search.objectives:
        if name in ("cost", "share"):
            continue
        try:
            metric_named(name)
        except InputError as error:
            problems.append(f"options.search.objectives: {error}")
    if search.objectives == ("share",):
        problems.append("options.search.objectives: share alone sends nothing on: add a metric")
    if "cost" in search.objectives and search.costs is None:
        problems.append("options.search.costs: give a matrix, e.g. [[0, 1], [5, 0]]")
    if {"threshold", "class_thresholds"} <= set(search.over):
        problems.append("options.search.over: threshold or class_thresholds, not both")
    return problems


def curve_values(sweep: Sweep) -> tuple[Any, ...] | None:
    """Candidates of T* if it is a curve axis, None if it is an ordinary one."""
    axis = sweep.axes.get("threshold")
    return axis.listed() if axis is not None and axis.curve else None


def threshold_problem(value: Any, *, of_curve: bool = False) -> str:
    """What is wrong with a value of T*, "" if nothing."""
    if value in CHOSEN_BY:
        return f"threshold: {value} chooses a T* itself: no place on a curve" if of_curve else ""
    try:
        if share_of(value) is None:
            threshold_value(value)
    except (InputError, ValueError, TypeError):
        ways = ", ".join(CHOSEN_BY)
        return f"threshold: {value!r} is not in [0, 1], 'always', a share as '38%', or {ways}"
    return ""


def share_of(value: Any) -> float | None:
    """The share in '38%', None for anything that is no share. Raises ValueError outside [0, 1]."""
    if isinstance(value, bool):
        raise ValueError
    if not (isinstance(value, str) and value.endswith("%")):
        return None
    share = float(value[:-1]) / 100
    if not 0 <= share <= 1:
        raise ValueError
    return share
