"""Runs in MLflow: found by tag, written in as few calls as its limits allow, marked when whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pandas as pd

from abl.plan.outcome import ArmOutcome
from abl.plan.stage import flattened
from abl.record.mlflow_arms import Point, key_of, shared_view_key
from abl.record.mlflow_errors import RecordError
from abl.scratch import scratch_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# one log_batch call holds 1000 entities, of them 100 params and 100 tags
_METRICS_A_CALL, _PARAMS_A_CALL, _RUNS_A_PAGE = 800, 100, 1000
TAG_LENGTH = 8000

TRAINING_VIEW = "workflowType=machine_learning"  # MLflow 3.17 opens in its GenAI mode otherwise


def experiment_named(client: MlflowClient, name: str, root: str | None) -> str:
    """Id of an experiment, made or taken out of the trash if need be.

    Args:
        root: Where new experiments keep files; None is the server's choice.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        location = None if root is None else f"{root.rstrip('/')}/{shared_view_key(name)[:12]}"
        try:
            return client.create_experiment(name, artifact_location=location)
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:  # not made by another driver meanwhile
                raise
    if root is not None:
        _refuse_moved(found.artifact_location, root)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
        _drop_doubles(client, found.experiment_id)
    return found.experiment_id


def _refuse_moved(location: str, root: str) -> None:
    """Raises RecordError where an experiment keeps files elsewhere: its folder was copied or moved.

    MLflow notes full paths, and would go on to write where the folder once lay.
    """
    place, ours = (Path(url2pathname(urlsplit(each).path)) for each in (location, root))
    if urlsplit(location).scheme != "file" or place.is_relative_to(ours):
        return
    try:
        if place.parent.samefile(ours):
            return  # by another path
    except OSError:
        pass
    raise RecordError(
        f"{ours.parent} was copied or moved: its MLflow keeps files in {place.parent}; move "
        "mlflow.db and artifacts out of the folder, and `abl record` writes them again"
    )


def _drop_doubles(client: MlflowClient, experiment: str) -> None:
    """Deletes doubles: with an experiment MLflow takes out of the trash what was there before."""
    same: dict[tuple[str | None, ...], list[Run]] = {}
    for run in runs_tagged(client, experiment):
        if "abl.key" in run.data.tags:
            names = ("abl.sweep_key", "abl.key", "abl.content")
            same.setdefault(tuple(map(run.data.tags.get, names)), []).append(run)
    for runs in same.values():
        kept = preferred(runs)
        for run in runs:
            if run is not kept:
                client.delete_run(run.info.run_id)


def runs_tagged(client: MlflowClient, experiment: str, **tags: str) -> Iterator[Run]:
    """Runs of an experiment whose tags `abl.<name>` have these values; all, without a name."""
    wanted = " and ".join(f'tags."abl.{name}" = "{value}"' for name, value in tags.items())
    token = None
    while True:
        page = client.search_runs([experiment], wanted, max_results=_RUNS_A_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def is_complete(run: Run) -> bool:
    """Whether everything of the run was written, and the run ended."""
    return run.data.tags.get("abl.complete") == "true" and run.info.status != "RUNNING"


def preferred(runs: Iterable[Run]) -> Run | None:
    """Of several runs of one thing, a complete one, the oldest of them."""
    return min(runs, key=lambda run: (not is_complete(run), run.info.start_time), default=None)


def finish_run(
    client: MlflowClient,
    run: Run,
    *,
    params: Mapping[str, str],
    points: Iterable[Point],
    tags: Mapping[str, str] | None = None,
    status: str = "FINISHED",
    end_ms: int | None = None,
) -> None:
    """Writes params, metric points and tags, the tag `abl.complete` last, and ends the run.

    Without tags (None) the run was given all of them as it was made, see `whole_tags`.

    Times count from the start of the run, so that writing a run again after a crash repeats the
    same points, which MLflow keeps once.
    """
    start = run.info.start_time
    log_points(client, run, points, params, {} if tags is None else whole_tags(tags))
    end = start + end_ms if end_ms is not None else None
    client.set_terminated(run.info.run_id, status, end)


def log_points(
    client: MlflowClient,
    run: Run,
    points: Iterable[Point],
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Writes metric points, params and then tags in as few calls as MLflow's limits allow."""
    from mlflow.entities import Metric, Param, RunTag

    start, run_id = run.info.start_time, run.info.run_id
    metrics = [Metric(k, value, start + ms, step) for k, step, value, ms in points]
    settings = [Param(k, v) for k, v in (params or {}).items()]
    while len(metrics) > _METRICS_A_CALL or len(settings) > _PARAMS_A_CALL:
        client.log_batch(run_id, metrics[:_METRICS_A_CALL], settings[:_PARAMS_A_CALL])
        metrics, settings = metrics[_METRICS_A_CALL:], settings[_PARAMS_A_CALL:]
    last = [RunTag(k, v) for k, v in (tags or {}).items()]
    client.log_batch(run_id, metrics=metrics, params=settings, tags=last)


def whole_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags as MLflow takes them, `abl.complete` last: a run that has it is complete once it ended.

    Given when a run is made they cost nothing; later they are looked up and written one by one.
    """
    return {name: value[:TAG_LENGTH] for name, value in tags.items()} | {"abl.complete": "true"}


def write_files(
    client: MlflowClient,
    run: Run,
    *,
    files: Mapping[str, Path] | None = None,
    texts: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Puts files and texts into a run under the given names, in one transfer; their bytes."""
    with scratch_folder("abl-record-") as folder:
        for name, file in (files or {}).items():
            link = Path(folder, name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(Path(file).resolve(strict=True))
        for name, text in (texts or {}).items():
            page = Path(folder, name)
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text, encoding="utf-8")
        client.log_artifacts(run.info.run_id, str(folder))
        names = [*(files or {}), *(texts or {})]
        return {name: Path(folder, name).stat().st_size for name in names}


def stage_params(
    settings: Mapping[str, Any], context: Mapping[str, Any], seed: int | None
) -> dict[str, Any]:
    """Settings of a stage by dotted names, and the replicate that it is of."""
    origin = {name: context[name] for name in ("repeat", "fold") if name in context}
    return flattened(settings) | origin | {"seed": seed}


def stage_points(
    history: pd.DataFrame | None, metrics: Mapping[str, float] | None
) -> tuple[list[Point], int]:
    """Learning curves over `epoch`, then final numbers at its end; and how long it took, in ms.

    The time of an epoch is the sum of `seconds` up to it, where that column is given; a stage
    without epochs took the metric `seconds`.
    """
    points: list[Point] = []
    seconds = (metrics or {}).get("seconds", 0.0)
    last, took_ms = 0, round(1000 * seconds) if math.isfinite(seconds) else 0
    if history is not None and not history.empty:
        steps = history["epoch"].astype(int).tolist()
        times, took_ms = [0] * len(steps), 0
        if "seconds" in history:
            times = (history["seconds"].cumsum() * 1000).round().astype(int).tolist()
        last, took_ms = max(steps), max(times)
        for name, column in history.drop(columns="epoch").select_dtypes("number").items():
            named = zip(steps, column, times, strict=True)
            points += [(key_of(str(name)), step, float(v), ms) for step, v, ms in named]
    points += [(key_of(k), last, float(v), took_ms) for k, v in (metrics or {}).items()]
    return [point for point in points if math.isfinite(point[2])], took_ms


class StageLinks:
    """From an arm to the runs of the stages that it was computed from."""

    _SHOWN = 40
    _TAGGED = 200  # 33 characters each; a tag holds 8000

    def __init__(self, experiment: str, stage_runs: Mapping[str, str]):
        self._experiment = experiment
        self._runs = stage_runs

    def of(self, arm: ArmOutcome) -> dict[str, str]:
        """Digest -> run id, of the recorded stages of the arm."""
        return {stage: self._runs[stage] for stage in arm.stages if stage in self._runs}

    def run_ids(self, arm: ArmOutcome) -> str:
        return " ".join(list(self.of(arm).values())[: self._TAGGED])

    def markdown(self, arm: ArmOutcome) -> str:
        """The arm's failure, if it is one, and links that hold under any address of the UI."""
        found = list(self.of(arm).items())
        lines = [f"Failed: {arm.failed}", ""] if arm.failed else []
        if found:
            lines.append("Computed from the runs")
        for stage, run_id in found[: self._SHOWN]:
            page = f"#/experiments/{self._experiment}/runs/{run_id}/model-metrics"
            lines.append(f"- [{stage[:12]}]({page}?{TRAINING_VIEW})")
        if len(found) > self._SHOWN:
            lines.append(f"- and {len(found) - self._SHOWN} more: stages.json of the sweep's run")
        return "\n".join(lines)
