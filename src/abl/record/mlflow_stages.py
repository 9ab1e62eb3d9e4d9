"""Finished stages on their way to MLflow: curves, facts, named predictions, and who writes them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from abl.errors import StageError
from abl.plan.stage import HISTORY, PREDICTIONS, Stage
from abl.record.done import Done
from abl.record.mlflow_arms import param_values
from abl.record.mlflow_errors import RecordError
from abl.record.mlflow_live import LiveCurves
from abl.record.mlflow_runs import stage_params, stage_points
from abl.record.mlflow_whole import lost_numbers, other_numbers
from abl.record.mlflow_writer import MlflowRecord
from abl.record.store import Store
from abl.scratch import scratch_folder

if TYPE_CHECKING:
    from mlflow.entities import Run

# facts of a stage that are numbers worth a metric
FACTS = ("seconds", "images", "parameters", "correct_by_all")
FITTED = "fitted"  # fact of a stage that chose settings: the chosen ones, which become params
NAMES = ("label", "train_label", "patient", "nodule", "centre")
STAGE_S = 300.0


def record_finished(
    record: MlflowRecord, store: Store, digest: str, *, again: bool = False
) -> str | None:
    """Writes a finished stage to MLflow unless it is there; its run id, None if not in the store.

    Args:
        again: Write it in any case: something of it was lost.

    Raises:
        RecordError: MLflow cannot be used.
        StageError: The stage's files are damaged.
    """
    done = store.done(digest)
    if done is None:
        return None
    history = None
    if HISTORY in done.files:
        history = pd.read_parquet(store.file(digest, HISTORY))
        if "epoch_seconds" in done.facts:
            history["seconds"] = list(done.facts["epoch_seconds"])[: len(history)]
    with scratch_folder("abl-record-") as folder:
        predictions = None
        if PREDICTIONS in done.files:
            predictions = folder / PREDICTIONS
            named_predictions(store, done).to_parquet(predictions, index=False, compression="zstd")
        return record.record_stage(
            digest,
            name=str(done.stage.get("label", digest[:12])),
            kind=str(done.stage.get("kind", "")),
            params=_params(done),
            history=history,
            metrics=_numbers(done),
            predictions=predictions,
            again=again,
        )


def _params(done: Done) -> dict[str, Any]:
    stage = done.stage
    fitted = {FITTED: done.facts[FITTED]} if FITTED in done.facts else {}
    settings = {**stage.get("settings", {}), **fitted}
    return stage_params(settings, stage.get("context", {}), stage.get("seed"))


def _numbers(done: Done) -> dict[str, float]:
    """Facts that are numbers; of a kind of one's own a fact of such a name may be anything."""
    found = {name: done.facts.get(name) for name in FACTS}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def incomplete(record: MlflowRecord, store: Store, runs: Mapping[str, Run]) -> set[str]:
    """Digests of stages of which a run says that it is complete, and something of it was lost.

    Of learning curves it is seen whether there are any; files are looked for by name and size.

    Args:
        runs: Stage digest -> run.
    """
    known = store.known(list(runs))
    asked = [
        (runs[d], [PREDICTIONS] if PREDICTIONS in done.files else []) for d, done in known.items()
    ]
    lost = {d for d, files in zip(known, record.lost_files(asked), strict=True) if files}
    for digest, done in known.items():
        run, facts = runs[digest], _numbers(done)
        params, points = param_values(_params(done)), stage_points(None, facts)[0]
        curves = HISTORY not in done.files or run.data.metrics.keys() > facts.keys()
        if other_numbers(run, params, points) or lost_numbers(run, params, points) or not curves:
            lost.add(digest)
    return lost


def named_predictions(store: Store, done: Done) -> pd.DataFrame:
    """Predictions with patient, label and centre beside them: a stage itself knows only images."""
    predictions = pd.read_parquet(store.file(done.digest, PREDICTIONS))
    try:
        view = store.shared.cached(f"view-{done.stage['context']['view']}")
        frame = pd.read_parquet(view / "frame.parquet")
    except (StageError, OSError, ValueError):
        return predictions  # gone, or damaged until the next run makes it again
    known = [name for name in NAMES if name in frame]
    joined = predictions.merge(frame[["image", *known]], on="image", how="left", sort=False)
    order = ["image", "role", *known]
    return joined[[*order, *(name for name in joined.columns if name not in order)]]


class StageWriter:
    """Writes finished stages to MLflow, one after another; a lost MLflow is a warning.

    So is whatever else keeps a stage from being written: others are, and `close` says how many not.

    Args:
        runs: Stage digest -> run id of what is there and needs no look.
        again: Digests of what is there and has lost something.
        patience: Seconds that one stage may take while `close` waits for it: longer than MLflow's
            own tries of a server that went silent, which some databases' drivers do not bound.
        live: Writes curves of trainings at work, between stages that have finished.

    Attributes:
        runs: Stage digest -> run id of what was written, or was there.
        lost: Why recording stopped, "" if it did not.
        missed: Stage digest -> why it could not be written, though others could.
    """

    def __init__(
        self,
        record: MlflowRecord,
        store: Store,
        say: Callable[[str], None],
        *,
        runs: Mapping[str, str] | None = None,
        again: Collection[str] = (),
        patience: float = STAGE_S,
        live: LiveCurves | None = None,
    ):
        self._live, self._looked = live, time.monotonic()
        self._record, self._again, self._patience = record, again, patience
        self._store = store
        self._say = say
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.runs: dict[str, str] = dict(runs or {})
        self.lost = ""
        self.missed: dict[str, str] = {}
        self._began = time.monotonic()  # the stage that is being written
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def started(self, stage: Stage) -> None:
        """A stage is at work."""
        if (live := self._live) is not None:
            live.started(stage)

    def broken_off(self, digest: str, *, failed: bool) -> None:
        """A stage ended without a result."""
        if (live := self._live) is not None:
            live.ended(digest, "FAILED" if failed else "KILLED")

    def add(self, digest: str) -> None:
        """A stage has finished."""
        if (live := self._live) is not None:
            live.ended(digest)
        self._queue.put(digest)

    def close(self) -> None:
        """Waits until everything added is written, or the record is lost."""
        self._queue.put(None)
        self._began = time.monotonic()
        while self._thread.is_alive():
            self._thread.join(min(1.0, self._patience))
            if time.monotonic() - self._began > self._patience and self._thread.is_alive():
                self._give_up(f"MLflow has not taken a stage for {self._patience:g} s")
                return  # the thread ends with the process
        if self.missed:
            (first, why), *others = self.missed.items()
            which = f"{len(others) + 1} stages are not recorded, the first" if others else "stage"
            how = "" if others else " is not recorded"
            self._say(f"warning: {which} {first[:12]}{how}: {why}; `abl record` tries again")

    def _give_up(self, why: str) -> None:
        self.lost = why
        self._say(f"warning: {why}; the work is kept, `abl record` writes the rest")

    def _write(self) -> None:
        while True:
            try:
                digest = self._queue.get(timeout=self._live.every if self._live else None)
            except queue.Empty:
                self._look()
                continue
            if digest is None:
                break
            self._began = time.monotonic()
            if not (self.lost or digest in self.runs):
                self._write_stage(digest)
            if self._live is not None and time.monotonic() - self._looked >= self._live.every:
                self._look()
        self._look(last=True)

    def _write_stage(self, digest: str) -> None:
        try:
            again = digest in self._again
            run = record_finished(self._record, self._store, digest, again=again)
            self.missed.pop(digest, None)
            if run is not None:
                self.runs[digest] = run
        except RecordError as error:
            self._give_up(str(error))
        except (StageError, OSError) as error:
            self.missed[digest] = _line(str(error))
        except Exception as error:  # whatever it is: without this thread nothing is recorded
            self.missed[digest] = _line(f"{type(error).__name__}: {error}")

    def _look(self, *, last: bool = False) -> None:
        """Writes the curves of trainings at work; the first fault ends that, and nothing else."""
        if (live := self._live) is None or self.lost:
            return
        try:
            for _ in live.close() if last else live.write():
                self._began = time.monotonic()
        except Exception as error:
            self._live = None
            self._say(
                f"warning: no more curves while trainings run: {_line(str(error))}; "
                "finished trainings are recorded as ever"
            )
        self._looked = time.monotonic()


def _line(text: str) -> str:
    return " ".join(text.split())
