"""Runs a plan: what the store has is reused, the rest is computed by Tune or in this process."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Literal

from abl.plan.graph import wanted_stages
from abl.plan.stage import Stage
from abl.record.recipes import recipes_of
from abl.record.store import Store
from abl.runner.bundle_run import run_bundle
from abl.runner.dispatch import Dispatcher, reusable
from abl.runner.protocols import Growth, Listener, RunReport

if TYPE_CHECKING:
    from abl.runner.held_ray import HeldRay

Executor = Literal["tune", "local"]

# a disk that damages what it is given must not keep a run going for ever
MAX_REPAIRS = 10


def run_plan(
    stages: Mapping[str, Stage],
    store: Store,
    listener: Listener,
    *,
    executor: Executor = "tune",
    workers: int | None = None,
    address: str | None = None,
    growth: Growth | None = None,
    ray: HeldRay | None = None,
) -> RunReport:
    """Runs all stages that are not finished; a failed stage blocks only what reads it.

    Args:
        growth: Adds stages to those given as results arrive.
        ray: Ray of the command, which may run already, and is left beside what follows; without it
            one is started and left here.

    Raises:
        InputError: The executor cannot start.
    """
    run = partial(_run_missing, stages, store, listener, executor, workers, address, growth, ray)
    try:
        report = run()
        for _ in range(MAX_REPAIRS):
            # an input computed again after damage may differ (on a GPU): what was made of it
            # follows
            if report.interrupted or not store.usable(stages, anew=bool(report.failed))[1]:
                break
            report = report.followed_by(run())
        return report
    finally:
        if growth is not None:
            growth.close()


def something_for_workers(stages: Mapping[str, Stage], store: Store) -> bool:
    """Whether a run of these stages would start Ray, as far as is known before it."""
    done = store.usable(stages)[0]
    wanted = wanted_stages(stages, done)
    return any(digest not in done and not stage.local for digest, stage in wanted.items())


def _run_missing(
    stages: Mapping[str, Stage],
    store: Store,
    listener: Listener,
    executor: Executor,
    workers: int | None,
    address: str | None,
    growth: Growth | None,
    ray: HeldRay | None,
) -> RunReport:
    done = reusable(stages, store, listener)
    stages = wanted_stages(stages, done)
    seconds = expected_seconds(stages, store)
    dispatcher = Dispatcher(stages, store, listener, done, seconds, growth)
    try:
        dispatcher.grow()
        # a run in which all is done must not pay for starting Ray
        if executor == "tune" and dispatcher.for_workers():
            from abl.runner.tune import run_with_tune

            run_with_tune(dispatcher, workers=workers, address=address, ray=ray)
        else:
            run_in_process(dispatcher)
    except KeyboardInterrupt:
        dispatcher.report.interrupted = True
    finally:
        dispatcher.close()
    # of workers and drivers that died between a commit and the end of their lease
    with suppress(OSError):
        store.clear_leftovers([*dispatcher.report.ran, *dispatcher.report.reused])
    if dispatcher.broken is not None:
        raise dispatcher.broken
    return dispatcher.report


def expected_seconds(stages: Mapping[str, Stage], store: Store) -> dict[str, float]:
    """Seconds of each stage as recorded for its shape, or for its kind; absent if never run."""
    by_shape: dict[str, list[float]] = defaultdict(list)
    by_kind: dict[str, list[float]] = defaultdict(list)
    for kind, shape, seconds in recipes_of(store).seconds({s.kind for s in stages.values()}):
        by_shape[shape].append(seconds)
        by_kind[kind].append(seconds)
    return {
        digest: statistics.median(known)
        for digest, stage in stages.items()
        if (known := by_shape.get(stage.shape) or by_kind.get(stage.kind))
    }


def run_in_process(dispatcher: Dispatcher) -> None:
    """Runs everything that can run, in this thread."""
    while not dispatcher.finished:
        with dispatcher.wake:
            stage = next(dispatcher.each_ready(), None)
            if stage is None:
                # a small stage of the driver is under way, or the plan is about to grow
                if not dispatcher.finished:
                    dispatcher.wake.wait(timeout=1)
                continue
            stages = [stage, *dispatcher.alike(stage, 1, lambda each: each.resources.bundle)]
        for each in stages:
            dispatcher.start(each, "in-process")
        for report in run_bundle(dispatcher.store, stages, dispatcher.listener.message):
            dispatcher.take(report)
