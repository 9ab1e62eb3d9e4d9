"""The whole question by hand: nothing trained twice, both cores busy, nothing written down."""

from __future__ import annotations

import json
import multiprocessing as mp
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

import numpy as np
from task import (
    CONSENSUS,
    ORIGINAL,
    PANEL,
    Predicted,
    Task,
    answers,
    fingerprint,
    load_task,
    trained,
    true_rows,
)

PROCESSES = 2
_task: Task


def start(folder: Path) -> None:
    """In each process, once."""
    global _task
    _task = load_task(folder)


def train(network: str, seed: int, rows: np.ndarray | None) -> Predicted:
    """In a process; rows None is the whole training part."""
    return trained(_task, network, seed, _task.rows["train"] if rows is None else rows)


def main() -> None:
    folder = Path(sys.argv[1])
    context = mp.get_context("spawn")
    jobs: dict[Future[Predicted], tuple[int, str | int]] = {}
    done: dict[tuple[int, str | int], Predicted] = {}
    with ProcessPoolExecutor(PROCESSES, context, start, (folder,)) as pool:
        task = load_task(folder)
        for seed in task.seeds:
            for name in PANEL:
                jobs[pool.submit(train, name, seed, None)] = (seed, name)
        waiting = set(jobs)
        while waiting:
            ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ended:
                seed, what = jobs[future]
                done[seed, what] = future.result()
                selectors = [done[seed, name] for name in PANEL if (seed, name) in done]
                if what in PANEL and len(selectors) == len(PANEL):
                    for n in CONSENSUS:
                        job = pool.submit(train, ORIGINAL, seed, true_rows(task, selectors, n))
                        jobs[job] = (seed, n)
                        waiting.add(job)
    found = [
        answer
        for seed in task.seeds
        for n in CONSENSUS
        for answer in answers(task, seed, n, done[seed, ORIGINAL], done[seed, n])
    ]
    networks = sorted(map(fingerprint, done.values()))
    print(json.dumps({"trainings": len(done), "answers": found, "networks": networks}))


if __name__ == "__main__":
    main()
