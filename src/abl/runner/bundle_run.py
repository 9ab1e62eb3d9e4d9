"""Runs stages that are one program: each is claimed, and committed, by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from abl.plan.stage import Stage
from abl.record.done import Attempt
from abl.record.store import Store
from abl.record.waiting import ToldWait
from abl.runner.execute import Report, committed, ended_by, measured_gpu, run_stage, unheard
from abl.stages.kind import Work


def run_bundle(
    store: Store, stages: Sequence[Stage], say: Callable[[str], None] | None = None
) -> list[Report]:
    """Computes stages of one `bundle_key` as one program; a report of each, in their order.

    What a stage took is its share of the program's time. Never raises but for an interrupt.

    Args:
        say: Is told of a lease that is waited for.
    """
    if len(stages) == 1:
        return [run_stage(store, stages[0], say)]
    reports: dict[str, Report] = {}
    with ExitStack() as leases:
        claimed: dict[str, Attempt] = {}
        # one order for all: of two drivers neither waits for what the other holds
        for stage in sorted(stages, key=lambda each: each.digest):
            waited = ToldWait(store.lease_place(stage.digest), stage.label, say or unheard)
            try:
                attempt = leases.enter_context(store.claim(stage.digest, wait=waited))
                waited.over()
            except Exception as error:
                reports[stage.digest] = ended_by(error, store, stage, 0.0)
                continue
            if attempt is None:
                reports[stage.digest] = Report(stage.digest, "reused")
            else:
                claimed[stage.digest] = attempt
        mine = [stage for stage in stages if stage.digest in claimed]
        if mine:
            for report in _computed(store, mine, claimed):
                reports[report.digest] = report
    return [reports[stage.digest] for stage in stages]


def _computed(store: Store, stages: Sequence[Stage], claimed: dict[str, Attempt]) -> list[Report]:
    from abl.stages.bundled_train import train_bundle  # what a plan without bundles need not load

    started = time.perf_counter()
    reports = []
    try:
        works = [
            Work(stage, store, attempt.folder, store.checkpoints(attempt))
            for stage in stages
            for attempt in [claimed[stage.digest]]
        ]
        with measured_gpu(stages[0].resources) as gpu:
            made = train_bundle(works)
    except Exception as error:
        seconds = (time.perf_counter() - started) / len(stages)
        return [ended_by(error, store, stage, seconds) for stage in stages]
    seconds = (time.perf_counter() - started) / len(stages)
    for stage, facts in zip(stages, made, strict=True):
        if isinstance(facts, Exception):
            reports.append(ended_by(facts, store, stage, seconds))
            continue
        try:
            attempt = claimed[stage.digest]
            reports.append(committed(store, stage, attempt, {**facts, **gpu}, seconds))
        except Exception as error:
            reports.append(ended_by(error, store, stage, seconds))
    return reports
