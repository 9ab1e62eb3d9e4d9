from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest

from abl.data.workers import JOBS_AHEAD, available_workers, chunks, mapped, processes_for
from abl.errors import InputError, StageError


def test_results_come_in_the_order_of_the_jobs():
    assert list(mapped(abs, range(-50, 0), 2)) == list(range(50, 0, -1))
    assert list(mapped(abs, range(-50, 0), 1)) == list(range(50, 0, -1))


def test_jobs_are_taken_only_a_little_ahead_of_the_results():
    taken = []

    def jobs():
        for job in range(100):
            taken.append(job)
            yield job

    results = mapped(abs, jobs(), 2)
    next(results)
    assert len(taken) <= 2 * (1 + JOBS_AHEAD) + 1
    results.close()
    assert len(taken) < 100


def test_an_error_of_a_job_arrives_whole():
    from abl.data.images import decoded_file

    with pytest.raises(InputError, match=r"gone\.png: cannot be read"):
        list(mapped(partial(decoded_file, "/nonexistent"), ["gone.png"], 2))


def test_a_process_that_dies_is_said():
    with pytest.raises(StageError, match="memory"):
        list(mapped(os._exit, [1], 2))


def test_the_main_module_is_as_it_was():
    main = sys.modules["__main__"]
    before = (main.__spec__, getattr(main, "__file__", None))
    list(mapped(abs, range(4), 2))
    assert (main.__spec__, getattr(main, "__file__", None)) == before


def test_chunks_cover_every_position_once():
    assert [list(part) for part in chunks(5, 2)] == [[0, 1], [2, 3], [4]]
    assert chunks(0, 2) == []


def test_few_images_are_not_worth_a_process():
    assert processes_for(10, worth=100) == 1
    assert processes_for(10**9, worth=100) == available_workers()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_processes_end_when_their_parent_is_killed():
    code = textwrap.dedent(
        """
        import multiprocessing, time
        from abl.data.workers import mapped
        jobs = mapped(time.sleep, [0] + [600] * 9, 2)
        next(jobs)
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        time.sleep(600)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(children) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(pid) for pid in children)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
