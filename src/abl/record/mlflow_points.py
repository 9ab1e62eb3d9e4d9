"""The points of searches in MLflow: one run a point, nested under the run of the sweep.

The runs page folds them away under the sweep; the saved view of the ablation table leaves them
out. A point's learning curves are those of its first replicate, as the store keeps them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from abl.plan.outcome import COMPLETE, FAILED, PARAM, PRUNED, STOPPED, Outcome, Searches
from abl.record.mlflow_arms import NOTE, Point, digest, key_of, param_values
from abl.record.mlflow_runs import TAG_LENGTH, finish_run, preferred
from abl.record.mlflow_whole import Tally, run_to_write

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

POINT = "point"
PARENT = "mlflow.parentRunId"
_STATUS = {COMPLETE: "FINISHED", PRUNED: "KILLED", STOPPED: "KILLED", FAILED: "FAILED"}
_NAME_LENGTH = 250
_PLACE = ("search", "number", "at", "role", "epoch")  # of a row of curves; the rest is measured

_Row = Mapping[str, Any]


@dataclass(frozen=True)
class PointRun:
    """What the run of a point shows.

    Attributes:
        key: Digest of the rest: a point with other numbers is another run.
        params: Searched values that apply.
        points: Means of the objectives, their replicates and the learning curves.
        tags: All but the parent.
        status: In MLflow's words.
    """

    key: str
    name: str
    params: Mapping[str, str]
    points: Sequence[Point]
    tags: Mapping[str, str]
    status: str


def record_points(
    client: MlflowClient,
    sweep: Run,
    known: Mapping[str, Sequence[Run]],
    outcome: Outcome,
    searches: Searches,
    tally: Tally | None = None,
) -> None:
    """Writes the runs of points that are not there, and deletes those that are no longer true.

    Args:
        sweep: The run of the sweep.
        known: Runs of this sweep by `abl.key`, arms among them.
        tally: As record_outcome takes it.
    """
    asked = point_runs(outcome, searches)
    true = {point.key for point in asked}
    for run in [run for runs in known.values() for run in runs]:
        tags = run.data.tags
        if tags.get("abl.kind") == POINT and tags["abl.key"] not in true:
            client.delete_run(run.info.run_id)
    # MLflow lists runs newest first: points come in their order, behind all arms
    latest = sweep.info.start_time - 1 - len(outcome.arms)
    parent = sweep.info.run_id
    for at, point in enumerate(asked):
        written = preferred(known.get(point.key, []))
        if written is not None and written.data.tags.get(PARENT) != parent:
            # the sweep's run was deleted meanwhile
            client.set_tag(written.info.run_id, PARENT, parent)
        found, is_whole = run_to_write(
            client, written, point.params, point.points, point.tags, tally
        )
        if is_whole:
            continue
        run = found or client.create_run(
            sweep.info.experiment_id,
            start_time=latest - at,
            tags={**point.tags, PARENT: parent},
            run_name=point.name,
        )
        finish_run(
            client,
            run,
            params=point.params,
            points=point.points,
            tags=point.tags,
            status=point.status,
            end_ms=0,
        )


def point_runs(outcome: Outcome, searches: Searches) -> list[PointRun]:
    """The runs of all points: searches in the order of their first point, points by number."""
    if not searches:
        return []
    facts = {str(each.get("search", "")): each for each in outcome.facts.searches}
    scores, curves = _by_point(searches.scores), _by_point(searches.curves)
    roles = searches.curves["role"].nunique() if "role" in searches.curves else 0
    given = _rows(searches.points)
    places = {name: at for at, name in enumerate(dict.fromkeys(str(r["search"]) for r in given))}
    rows = sorted(given, key=lambda row: (places[str(row["search"])], row["number"]))
    found = []
    for row in rows:
        search, number = str(row["search"]), int(row["number"])
        known = facts.get(search, {})
        metrics = [str(each["metric"]) for each in known.get("objectives") or ()]
        points = list(_objective_points(row, scores.get((search, number), ()), metrics, outcome))
        points += _curve_points(curves.get((search, number), ()), by_role=roles > 1)
        params = param_values(_values(row, known.get("parameters") or ()))
        found.append(_point_run(outcome, row, search if len(places) > 1 else "", params, points))
    return found


def _point_run(
    outcome: Outcome, row: _Row, label: str, params: Mapping[str, str], points: Sequence[Point]
) -> PointRun:
    number, state = int(row["number"]), str(row["state"])
    words = [f"point {number}", " ".join(label.split())]
    name = " · ".join(word for word in words if word)[:_NAME_LENGTH]
    tags = {"abl.kind": POINT, "abl.sweep_key": outcome.key, "abl.state": state}
    if label:
        tags["abl.search"] = label[:TAG_LENGTH]
    if row.get("chosen"):
        tags["abl.chosen"] = "true"
    if reason := row.get("reason"):
        tags[NOTE] = str(reason)[:TAG_LENGTH]
    key = digest([outcome.key, str(row["search"]), number, name, params, points, tags])
    status = _STATUS.get(state, "FINISHED")
    return PointRun(key, name, params, points, {"abl.key": key, **tags}, status)


def _objective_points(
    row: _Row, scores: Sequence[_Row], metrics: Sequence[str], outcome: Outcome
) -> Iterator[Point]:
    """Mean of each objective, and its replicates over their position in the fixed order."""
    for at, metric in enumerate(metrics or [outcome.primary]):
        key, column = key_of(f"validation_{metric}"), f"value_{at}"
        if math.isfinite(mean := float(row.get(column, math.nan))):
            yield key, 0, mean, 0
        for score in scores:
            if math.isfinite(value := float(score.get(column, math.nan))):
                yield f"{key}_by_replicate", int(score["at"]), value, 0


def _curve_points(curves: Sequence[_Row], *, by_role: bool) -> Iterator[Point]:
    """Learning curves of the first replicate, `curve/<name>`, with the role if there are several.

    The prefix tells the curve of a metric from the mean that the point is judged by.
    """
    first = min((row["at"] for row in curves), default=0)
    for row in (row for row in curves if row["at"] == first):
        for name in [name for name in row if name not in _PLACE]:
            if math.isfinite(value := float(row[name])):
                key = f"curve/{name}/{row['role']}" if by_role else f"curve/{name}"
                yield key_of(key), int(row["epoch"]), value, 0


def _values(row: _Row, parameters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Path -> value of what was searched, without what a condition leaves out."""
    kinds = {PARAM + str(each["name"]): each for each in parameters}
    return {
        name.removeprefix(PARAM): _as_written(value, kinds.get(name, {}))
        for name, value in row.items()
        if name.startswith(PARAM) and not pd.isna(value)
    }


def _as_written(value: Any, parameter: Mapping[str, Any]) -> Any:
    """Whole numbers as such: a column that lacks some is kept as floats."""
    choices = parameter.get("choices") or ()
    whole = parameter.get("kind") == "int" or any(type(each) is int for each in choices)
    return int(value) if whole and isinstance(value, float) and value.is_integer() else value


def _by_point(frame: pd.DataFrame) -> dict[tuple[str, int], list[_Row]]:
    """(search, number) -> rows."""
    found: dict[tuple[str, int], list[_Row]] = {}
    for row in _rows(frame):
        found.setdefault((str(row["search"]), int(row["number"])), []).append(row)
    return found


def _rows(frame: pd.DataFrame) -> list[_Row]:
    """Rows in plain numbers, whatever the columns hold; a frame without rows may lack columns."""
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in frame.itertuples(index=False)]
