"""The one thread of a worker in which stages are computed.

Tune runs every trial in a new thread, and glibc gives a new thread a heap of its own while the last
one is still ending; what a training leaves at the top of such a heap stays there. Of the shipped
main job that was 100 MiB a worker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


class StageThread:
    """Does what it is given in a thread that stays, one thing after the other."""

    def __init__(self) -> None:
        self._given: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], Result]) -> Result:
        """What `work` gives, or raises, whatever that is. The caller waits for it."""
        with self._starting:
            if self._thread is None:
                # a daemon, as Tune's are: a worker that is to end does not wait for its stage
                self._thread = threading.Thread(target=self._work, name="stages", daemon=True)
                self._thread.start()
        outcome: Future[Result] = Future()
        self._given.put((outcome, work))
        return outcome.result()

    def _work(self) -> None:
        while True:
            outcome, work = self._given.get()
            try:
                result = work()
            except BaseException as error:  # Tune ends a trial by SystemExit
                outcome.set_exception(error)
            else:
                outcome.set_result(result)
                del result
            del outcome, work  # what a stage has made must not live until the next one


_stages = StageThread()


def in_stage_thread(work: Callable[[], Result]) -> Result:
    """`StageThread.run` of this process."""
    return _stages.run(work)
