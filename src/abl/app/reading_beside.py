"""Images are read in a second thread while the first one waits for Ray, and ends with it."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import closing
from typing import Generic, TypeVar

from abl.errors import InputError, StageError

Read = TypeVar("Read")
STEP_S = 0.5


class _Ended(BaseException):
    """Raised in the second thread; no `except Exception` catches it, every `finally` is run."""


class _Beside(Generic[Read]):
    """Work in a second thread, which may be ended before it is done."""

    def __init__(self, work: Callable[[], Read]):
        self.outcome: Future[Read] = Future()
        self._work = work
        # a daemon: one that hangs in a call of the system must not keep the process
        self._thread = threading.Thread(target=self._run, name="reading", daemon=True)

    def begin(self) -> None:
        """Once, however often it is called."""
        if self._thread.ident is None:
            self._thread.start()

    def close(self) -> None:
        """Ends it, at the image that it is at; the thread has ended then."""
        if self._thread.ident is not None and not self.outcome.done():
            thread = ctypes.c_ulong(self._thread.ident)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_Ended))
            self._thread.join()

    def _run(self) -> None:
        try:
            try:
                result = self._work()
            except Exception as error:
                self.outcome.set_exception(error)
            else:
                self.outcome.set_result(result)
        except _Ended:
            pass


def read_beside(read: Callable[[], Read], start: Callable[[Callable[[], None]], None]) -> Read:
    """What `read` gives, which runs in a second thread while this one starts something.

    Whatever ends this thread's part ends the reading too, at the image that it is at.

    Args:
        read: May raise what it likes: it is raised here.
        start: Takes what begins the reading; it begins afterwards if that is not called.

    Raises:
        InputError: From `read` if both cannot be done: the data are told first.
    """
    with closing(_Beside(read)) as reading:
        try:
            start(reading.begin)
        except (InputError, StageError):
            if reading.outcome.done():
                reading.outcome.result()
            raise
        reading.begin()  # what was started already had nothing to begin it in
        # in steps: what is raised in this thread from another one comes between them
        while not wait([reading.outcome], STEP_S).done:
            pass
        return reading.outcome.result()
