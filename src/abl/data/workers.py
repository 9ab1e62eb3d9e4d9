"""Work on images in several processes: results in order, a bounded number of them in memory.

Processes, not threads: on small images most of the time is spent holding Python's lock (two threads
decoded JPEG files of 224 px no faster than one), and the phantom is numpy throughout.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from abl.errors import StageError

if TYPE_CHECKING:
    from concurrent.futures import Future

Job = TypeVar("Job")
Result = TypeVar("Result")

JOBS_AHEAD = 2  # queued for each process beyond the one it works on: bounds what waits in memory


def available_workers() -> int:
    """CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes_for(count: int, *, worth: int) -> int:
    """How many processes to use for so many images: one a CPU, if each is worth its start.

    Args:
        worth: Images that take about as long as a process takes to start (half a second).
    """
    return max(1, min(available_workers(), count // worth))


def chunks(count: int, size: int) -> list[range]:
    """0 .. count - 1 in runs of this size."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def mapped_over(
    count: int, size: int, function: Callable[[range], Result], *, worth: int
) -> Iterator[Result]:
    """`mapped` over the positions 0 .. count - 1 in runs of this size; see `processes_for`."""
    return mapped(function, chunks(count, size), processes_for(count, worth=worth))


def mapped(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Iterator[Result]:
    """function(job) of each job, in the order of the jobs.

    With one worker, or inside a process that may have no children, everything runs here.

    Args:
        function: Of module level, or a partial of one: it is pickled.
        jobs: Taken as needed, 1 + JOBS_AHEAD a worker ahead of the results at most.
        workers: Number of processes.

    Raises:
        StageError: A process died (as a rule: out of memory).
    """
    if workers <= 1:
        yield from map(function, jobs)
        return
    # a plan mostly finds its images read, and needs none of this
    import multiprocessing as mp
    from concurrent.futures.process import BrokenProcessPool

    if mp.current_process().daemon:
        yield from map(function, jobs)
        return
    jobs, pool = iter(jobs), Processes(function, workers)
    waiting: deque[Future[Result]] = deque()

    def submit(count: int) -> None:
        waiting.extend(pool.submit(job) for job in itertools.islice(jobs, count))

    try:
        submit(workers * (1 + JOBS_AHEAD))
        while waiting:
            result = waiting.popleft().result()
            submit(1)
            yield result
    except BrokenProcessPool:
        raise StageError(
            "a process that reads images died, as a rule for want of memory; "
            "use fewer workers or a smaller longest_side"
        ) from None
    finally:
        pool.close()


class Processes(Generic[Job, Result]):
    """New processes that call one function, until they are closed; Ctrl-C is left to this one.

    Args:
        function: Of module level, or a partial of one: it is pickled.
        workers: Number of processes.
    """

    def __init__(self, function: Callable[[Job], Result], workers: int):
        import multiprocessing as mp
        from concurrent.futures import ProcessPoolExecutor

        self._pool = ProcessPoolExecutor(
            workers,
            # spawn: forking a process that runs threads (torch, Ray) can deadlock
            mp_context=mp.get_context("spawn"),
            # the function goes to each process once, and only the jobs through the queue: a source
            # of 30,000 files is megabytes
            initializer=_start,
            initargs=(function,),
        )

    def submit(self, job: Job) -> Future[Result]:
        """What becomes of a job. A process that died raises BrokenProcessPool there, or here."""
        with _main_module_hidden():
            return self._pool.submit(_call, job)

    def close(self) -> None:
        """Waits for the jobs at work; those that wait are given up."""
        self._pool.shutdown(cancel_futures=True)


_hiding = threading.Lock()


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keeps new processes from importing the caller's main module.

    They need nothing of it, it may import torch (seconds), and a script that calls abl at top level
    without `if __name__ == "__main__"` would start itself again in each of them.
    """
    main = sys.modules["__main__"]
    with _hiding:
        hidden = {name: getattr(main, name, None) for name in ("__spec__", "__file__")}
        for name in hidden:
            setattr(main, name, None)
        try:
            yield
        finally:
            for name, value in hidden.items():
                setattr(main, name, value)


_function: Callable[[Any], Any] | None = None


def _start(function: Callable[[Any], Any]) -> None:
    """In a new process: leave Ctrl-C to the parent, and end when the parent does, even killed."""
    import multiprocessing as mp

    global _function
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = mp.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _call(job: Any) -> Any:
    if _function is None:
        raise RuntimeError("not a worker process")
    return _function(job)


def _exit_after(sentinel: int) -> None:
    from multiprocessing.connection import wait

    wait([sentinel])
    os._exit(1)
