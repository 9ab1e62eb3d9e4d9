"""Learning curves in MLflow while trainings run, on request.

The driver reads the rows that trainings write by epoch, and writes what is new to the run that each
stage will have. At its end the same points are written again, which MLflow keeps once; a run whose
points are others by then (epochs that came again after a crash took another time) is made anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from abl.plan.stage import Stage
from abl.record.live_curve import epochs_of
from abl.record.mlflow_arms import NOTE, Point, param_values
from abl.record.mlflow_runs import (
    TAG_LENGTH,
    experiment_named,
    is_complete,
    log_points,
    preferred,
    runs_tagged,
    stage_params,
    stage_points,
)
from abl.record.mlflow_whole import LIVE, strayed
from abl.record.mlflow_writer import STAGES, MlflowRecord
from abl.record.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EVERY_S = 5.0


@dataclass
class _Open:
    """The run of a training at work (None: not for us to write), and the last epoch there."""

    run: Run | None
    last: int = 0


@dataclass
class LiveCurves:
    """Writes the epochs of running trainings; for the thread of the StageWriter.

    Attributes:
        sweep: Name of the sweep that runs.
        arms_of: Digest of a stage -> the arms it is for, in words, "" if that is not known.
        every: Seconds between two looks.
    """

    record: MlflowRecord
    store: Store
    sweep: str
    arms_of: Callable[[str], str] = lambda _: ""
    every: float = EVERY_S
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: dict[str, Stage] = field(default_factory=dict)
    _open: dict[str, _Open] = field(default_factory=dict)
    _ended: dict[str, str] = field(default_factory=dict)  # digest -> status, without a result

    def started(self, stage: Stage) -> None:
        """A stage is at work."""
        with self._lock:
            self._running[stage.digest] = stage

    def ended(self, digest: str, status: str = "") -> None:
        """A stage is at work no more; with a status of MLflow's if it has no result."""
        with self._lock:
            self._running.pop(digest, None)
            if status:
                self._ended[digest] = status

    def write(self) -> Iterator[None]:
        """Writes what is new, a run a step.

        Raises:
            RecordError: MLflow cannot be used.
        """
        with self._lock:
            running, ended, self._ended = dict(self._running), self._ended, {}
        new = []
        for digest, stage in running.items():
            rows = epochs_of(self.store.root, digest)
            known = self._open.get(digest)
            if rows and (known is None or rows[-1]["epoch"] > known.last):
                new.append((stage, rows))
        for stage, rows in new:
            with self.record.client() as client:
                self._write_rows(client, stage, rows)
            yield
        for digest, status in ended.items():
            known = self._open.pop(digest, None)
            if known is not None and known.run is not None:
                with self.record.client() as client:
                    client.set_terminated(known.run.info.run_id, status)
            yield
        for digest in self._open.keys() - running.keys():  # finished: others complete its run
            del self._open[digest]

    def close(self) -> Iterator[None]:
        """As `write`, for the last time: what is still at work was stopped."""
        with self._lock:
            self._ended |= dict.fromkeys(self._running, "KILLED")
            self._running.clear()
        yield from self.write()

    def _write_rows(self, client: MlflowClient, stage: Stage, rows: list[dict[str, Any]]) -> None:
        points, took_ms = stage_points(_history(rows), None)
        known = self._open.get(stage.digest)
        if known is None:
            known = self._open[stage.digest] = self._opened(client, stage, points, took_ms)
        if known.run is None:
            return
        log_points(client, known.run, [point for point in points if point[1] > known.last])
        known.last = int(rows[-1]["epoch"])

    def _opened(
        self, client: MlflowClient, stage: Stage, points: list[Point], took_ms: int
    ) -> _Open:
        """The run of a stage, made if need be; one of a broken run goes on where it agrees."""
        experiment = experiment_named(client, STAGES, self.record.artifact_root)
        run = preferred(runs_tagged(client, experiment, key=stage.digest))
        if run is not None and (is_complete(run) or LIVE not in run.data.tags):
            return _Open(None)
        if run is not None and strayed(client, run, points):
            client.delete_run(run.info.run_id)
            run = None
        if run is not None:
            client.update_run(run.info.run_id, status="RUNNING")
            written = client.get_metric_history(run.info.run_id, points[-1][0]) if points else []
            return _Open(run, max((each.step for each in written), default=0))
        arms = self.arms_of(stage.digest)
        note = f"Begun by the sweep {self.sweep}" + (f", for: {arms}" if arms else "")
        tags = {
            "abl.key": stage.digest,
            "abl.kind": stage.kind,
            LIVE: self.sweep,
            NOTE: note[:TAG_LENGTH],
        }
        run = client.create_run(
            experiment,
            start_time=time.time_ns() // 1_000_000 - took_ms,
            tags=tags,
            run_name=stage.label or stage.digest[:12],
        )
        params = param_values(stage_params(stage.settings, stage.context, stage.seed))
        log_points(client, run, [], params)
        return _Open(run)


def _history(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as the finished stage will have them: it keeps times of epochs with four digits."""
    history = pd.DataFrame(rows)
    if "seconds" in history:
        history["seconds"] = [round(float(seconds), 4) for seconds in history["seconds"]]
    return history
