"""Records stages in a thread while others are computed, so that people can watch them in MLflow."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from abl.errors import StageError
from abl.record.mlflow_client import RecordError
from abl.record.mlflow_writer import MlflowRecord
from abl.record.stages import record_finished
from abl.record.store import Store


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
