"""T* of a sweep: what may be said of it in the file, and its curve over the replicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from abl.decide.chooser import DecisionOptions, written_share
from abl.decide.metric_names import metric_named
from abl.decide.promise import Promise
from abl.decide.rules import threshold_value
from abl.errors import InputError
from abl.search.samplers import asking_samplers
from abl.spec.base import Part
from abl.spec.search import sampler_problem

CHOSEN_BY = ("exact", "histogram", "promise", "search")
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

    def options(self, by: str) -> DecisionOptions:
        """What is searched; by this metric, where no objective is named."""
        objectives = self.objectives or (by,)
        return DecisionOptions(
            self.over, objectives, self.trials, self.sampler, self.seed, self.costs
        )


class PromiseOptions(Part):
    """What `threshold: promise` promises, by learn-then-test on the validation patients."""

    risk: Literal["error", "missed"] = Field(
        "error",
        description="error: wrong among the images not sent on. missed: malignant images that are "
        "not sent on and called benign, of all malignant ones (two classes). A mean over patients.",
    )
    level: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="The risk stays under this share."
    )
    confidence: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.9, description="The share of sweeps, at least, in which it does."
    )

    @property
    def promise(self) -> Promise:
        return Promise(self.risk, self.level, self.confidence)


def decision_search_problems(search: DecisionSearch) -> list[str]:
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


def threshold_problem(value: Any, *, of_curve: bool = False) -> str:
    """What is wrong with a value of T*, "" if nothing."""
    if value in CHOSEN_BY:
        return f"threshold: {value} chooses a T* itself: no place on a curve" if of_curve else ""
    if isinstance(value, dict) and "promise" in value:
        return "threshold: write promise, and its risk, level and confidence in options.promise"
    try:
        if written_share(value) is None:
            threshold_value(value)
    except (InputError, ValueError, TypeError):
        ways = ", ".join(CHOSEN_BY)
        return f"threshold: {value!r} is not in [0, 1], 'always', a share as '38%', or {ways}"
    return ""


def mean_curve(given: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    """Mean and sd over replicates of curves on equal thresholds; None if they differ or are none.

    Columns: threshold, step (thousandths, int64), then each metric and its `<metric>_sd`.
    """
    curves = [each for each in given if each is not None]
    if not curves:
        return None
    first = curves[0]["threshold"].to_numpy()
    if any(not np.array_equal(first, each["threshold"].to_numpy()) for each in curves):
        return None
    finite = np.isfinite(first)
    table: dict[str, np.ndarray] = {
        "threshold": first[finite],
        "step": np.rint(first[finite] * 1000).astype(np.int64),
    }
    for name in curves[0].columns.drop("threshold"):
        values = pd.DataFrame({at: each[name][finite] for at, each in enumerate(curves)})
        table[name] = values.mean(axis=1).to_numpy()
        table[f"{name}_sd"] = values.std(axis=1, ddof=1).to_numpy()
    return pd.DataFrame(table)
