"""Finished stages on their way to MLflow: curves, facts, named predictions, and who writes them."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from abl.errors import StageError
from abl.plan.stage import HISTORY, PREDICTIONS, flattened
from abl.record.done import Done
from abl.record.mlflow_errors import RecordError
from abl.record.mlflow_writer import MlflowRecord
from abl.record.store import Store

# facts of a stage that are numbers worth a metric
FACTS = ("seconds", "images", "parameters", "correct_by_all")
NAMES = ("label", "train_label", "patient", "nodule", "centre")


def record_finished(record: MlflowRecord, store: Store, digest: str) -> str | None:
    """Writes a finished stage to MLflow unless it is there; its run id, None if not in the store.

    Raises:
        RecordError: MLflow cannot be used.
        StageError: The stage's files are damaged.
    """
    done = store.done(digest)
    if done is None:
        return None
    context = done.stage.get("context", {})
    origin = {name: context[name] for name in ("repeat", "fold") if name in context}
    origin["seed"] = done.stage.get("seed")
    history = None
    metrics = {name: float(done.facts[name]) for name in FACTS if name in done.facts}
    if HISTORY in done.files:
        history = pd.read_parquet(store.file(digest, HISTORY))
        if "epoch_seconds" in done.facts:
            history["seconds"] = list(done.facts["epoch_seconds"])[: len(history)]
    with tempfile.TemporaryDirectory(prefix="abl-record-") as folder:
        predictions = None
        if PREDICTIONS in done.files:
            predictions = Path(folder) / PREDICTIONS
            named_predictions(store, done).to_parquet(predictions, index=False, compression="zstd")
        return record.record_stage(
            digest,
            name=str(done.stage.get("label", digest[:12])),
            kind=str(done.stage.get("kind", "")),
            params=flattened(done.stage.get("settings", {})) | origin,
            history=history,
            metrics=metrics,
            predictions=predictions,
        )


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

    Attributes:
        runs: Stage digest -> run id of what was written.
        lost: Why recording stopped, "" if it did not.
    """

    def __init__(self, record: MlflowRecord, store: Store, say: Callable[[str], None]):
        self._record = record
        self._store = store
        self._say = say
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.runs: dict[str, str] = {}
        self.lost = ""
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def add(self, digest: str) -> None:
        """A stage has finished."""
        self._queue.put(digest)

    def close(self) -> None:
        """Waits until everything added is written."""
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (digest := self._queue.get()) is not None:
            if self.lost or digest in self.runs:
                continue
            try:
                run = record_finished(self._record, self._store, digest)
                if run is not None:
                    self.runs[digest] = run
            except RecordError as error:
                self.lost = str(error)
                self._say(f"warning: {error}; the work is kept, `abl record` writes the rest")
            except (StageError, OSError, ValueError, KeyError) as error:
                self._say(f"warning: {digest[:12]} is not recorded: {error}")
