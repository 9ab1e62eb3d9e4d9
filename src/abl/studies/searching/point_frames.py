"""Points of a search as the frames of abl.plan.searches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.chooser import pareto_front
from abl.plan.searches import PARAM
from abl.search.space import Choices, Range, dimensions_of
from abl.studies.searching.one_search import OneSearch, best_point
from abl.studies.searching.point_state import curve_of
from abl.studies.searching.searched_arms import Searched


def points_frame(name: str, search: OneSearch) -> pd.DataFrame:
    setup, chosen = search.setup, best_point(search)
    front = _on_front(search)
    rows = []
    for state in search.points:
        row: dict[str, Any] = {
            "search": name,
            "number": state.number,
            "generation": state.generation,
            "state": state.state,
            "reason": state.reason,
            "replicates": len(state.scores),
        }
        for at in range(len(setup.objectives)):
            row[f"value_{at}"] = math.nan if state.values is None else state.values[at]
            row[f"so_far_{at}"] = math.nan if state.so_far is None else state.so_far[at]
        for at, violation in enumerate(
            state.violations or [math.nan] * len(setup.search.constraints)
        ):
            row[f"constraint_{at}"] = violation
        row |= {
            "feasible": state.feasible,
            "front": state.number in front,
            "chosen": state is chosen,
        }
        for each, dimension in dimensions_of(setup.space).items():
            row[f"{PARAM}{each}"] = plain_value(dimension, state.point.get(each))
        rows.append(row)
    frame = pd.DataFrame(rows)
    for column in frame.columns:
        if str(column).startswith(PARAM):
            frame[column] = frame[column].astype(object).where(frame[column].notna(), None)
    return frame


def plain_value(dimension: Range | Choices, value: Any) -> Any:
    """A value as a column can hold it: as a word where choices are of several kinds."""
    if value is None or not isinstance(dimension, Choices):
        return value
    kinds = {
        "number" if isinstance(each, int | float) and not isinstance(each, bool) else type(each)
        for each in dimension.values
    }
    if len(kinds) == 1:
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _on_front(search: OneSearch) -> set[int]:
    able = [state for state in search.points if state.feasible and state.values is not None]
    if not able:
        return set()
    signs = np.array([1.0 if each == "maximize" else -1.0 for each in search.setup.directions])
    values = np.array([state.values for state in able], dtype=np.float64) * signs
    on_front = pareto_front(values)
    return {state.number for state, on in zip(able, on_front, strict=True) if on}


def scores_frame(name: str, search: OneSearch, searched: Searched) -> pd.DataFrame:
    rows = []
    for state in search.points:
        for at, values in enumerate(state.scores):
            replicate = searched.replicates[at]
            row: dict[str, Any] = {"search": name, "number": state.number, "at": at}
            row |= {"repeat": replicate.repeat, "fold": replicate.fold, "seed": replicate.seed}
            row |= {f"value_{i}": value for i, value in enumerate(values)}
            rows.append(row)
    return pd.DataFrame(rows)


def curves_frame(name: str, search: OneSearch) -> pd.DataFrame:
    """Learning curves of the first replicate of every point: what a figure shows."""
    store, rows = search.setup.store, []
    stop = search.setup.search.stop_early
    for state in search.points:
        for cell in state.cells[:1]:
            for role, digest in cell.trainings.items():
                columns = ("validation_loss", "validation_accuracy")
                curves = {column: curve_of(store, digest, column) for column in columns}
                if not any(curves.values()) and stop is not None:
                    curves[f"validation_{stop.metric}"] = state.curves.get((0, role), [])
                for epoch in range(max(map(len, curves.values()))):
                    row: dict[str, Any] = {"search": name, "number": state.number, "at": 0}
                    row |= {"role": role, "epoch": epoch + 1}
                    row |= {
                        column: curve[epoch] if epoch < len(curve) else math.nan
                        for column, curve in curves.items()
                    }
                    rows.append(row)
    return pd.DataFrame(rows)
