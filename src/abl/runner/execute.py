"""Runs one stage (claim, compute, commit), here or as a trial of Tune, and measures its GPU."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from platform import python_version
from typing import Any, Literal

from abl.errors import (
    InputError,
    StageError,
    Stopped,
    disk_fault,
    file_fault,
    machine_fault,
)
from abl.plan.stage import Stage, StageResources
from abl.record.opening import store_of
from abl.record.store import Store
from abl.record.waiting import ToldWait
from abl.redaction import redacted
from abl.runner.ledger import GPU_BYTES, GPU_TOTAL_BYTES
from abl.runner.worker_watch import end_with_ray
from abl.stages.kind import Work, compute

Lack = Literal["", "memory", "disk", "file"]


@dataclass(frozen=True)
class Report:
    """How a stage ended.

    Attributes:
        digest: Of the stage.
        status: done, reused (somebody else had finished it), stopped (a training that gave itself
            up, as its context told it to), or failed.
        seconds: Wall time of the computation.
        reason: Of a failure, one line.
        trace: Of a failure that was not foreseen.
        facts: Of a stopped training: what it was up to then.
        died: Whether the process died that computed it.
        spoilt: Whether its process should compute nothing more: its GPU is out of memory or broken.
        lacks: What it failed for want of, which another time may have: memory (threads,
            handles), disk, a file of the store, or nothing.
    """

    digest: str
    status: str
    seconds: float = 0.0
    reason: str = ""
    trace: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    died: bool = False
    spoilt: bool = False
    lacks: Lack = ""


def run_stage(store: Store, stage: Stage, say: Callable[[str], None] | None = None) -> Report:
    """Computes a stage unless it is finished; never raises but for an interrupt.

    Args:
        say: Is told of a lease that is waited for.
    """
    started, spoilt = time.perf_counter(), False
    lacks: Lack = ""
    waited = ToldWait(store.lease_place(stage.digest), stage.label, say or _unheard)
    try:
        with store.claim(stage.digest, wait=waited) as attempt:
            waited.over()
            if attempt is None:
                return Report(stage.digest, "reused")
            started = time.perf_counter()  # waiting for another's lease is no work
            checkpoints = store.checkpoints(attempt)
            with measured_gpu(stage.resources) as gpu:
                facts = compute(Work(stage, store, attempt.folder, checkpoints))
            seconds = time.perf_counter() - started
            store.recheck({*stage.inputs.values(), *stage.shortcuts.values()})
            inputs = store.content(stage.inputs.values())
            store.commit(attempt, stage, {**facts, **gpu, "seconds": seconds}, inputs)
            return Report(stage.digest, "done", seconds)
    except Stopped as stop:
        seconds = time.perf_counter() - started
        return Report(stage.digest, "stopped", seconds, redacted(str(stop)), facts=stop.facts)
    except (InputError, StageError) as error:
        reason, trace = redacted(str(error)).replace("\n", "; "), ""
    except Exception as error:
        # a worker must not die of a stage: whatever it was is the stage's result
        (lacks, reason), trace = _lack(error, store.root), ""
        if not lacks:
            reason = redacted(f"{type(error).__name__}: {error}".strip().splitlines()[0])
            trace = redacted(traceback.format_exc())
        spoilt = is_gpu_failure(error)
    with suppress(StageError, OSError):  # it cannot be read: the reason stands
        if store.has(stage.digest):
            # held up for longer than its lease, it lost its folder to the attempt that finished
            return Report(stage.digest, "reused")
    seconds = time.perf_counter() - started
    return Report(stage.digest, "failed", seconds, reason, trace, spoilt=spoilt, lacks=lacks)


def _unheard(line: str) -> None:
    """Says nothing."""


def _lack(error: Exception, root: Path) -> tuple[Lack, str]:
    """What this machine had too little of, and a line on it that needs no traceback."""
    if told := disk_fault(error, root):
        return "disk", told
    if told := file_fault(error, root):
        return "file", told
    told = machine_fault(error)
    return ("memory", told) if told else ("", "")


def stage_to_json(stage: Stage) -> dict[str, Any]:
    """A stage as plain values, for a worker."""
    return {
        **stage.identity(),
        **{"context": dict(stage.context), "shortcuts": dict(stage.shortcuts)},
        **{"label": stage.label, "local": stage.local, "resources": asdict(stage.resources)},
    }


def stage_from_json(values: dict[str, Any]) -> Stage:
    """The stage that `stage_to_json` wrote."""
    return Stage(**{**values, "resources": StageResources(**values["resources"])})


# of what a worker sends: a line for people
SAID = "said"
# a process that dies is not the stage's fault the first few times
MAX_DEATHS = 3
# a worker starts in seconds; where one does not come, the others go on without it
MEETING_PATIENCE_S = 30.0
# all workers together look about this often a second at who has come
MEETING_LOOKS = 320


def versions() -> dict[str, str]:
    """What must be equal on all nodes."""
    from importlib.metadata import version

    return {name: version(name) for name in ("abl", "torch")} | {"python": python_version()}


def run_stage_on_worker(config: dict[str, Any]) -> dict[str, Any]:
    """The trainable: one stage, or a warm-up that brings a worker into use."""
    end_with_ray()
    store = store_of(config["store"])
    if "meeting" in config:
        wait_for_all(store.shared.meet(config["meeting"]), int(config["slots"]))
        return {"report": json.dumps(versions()), "done": True}
    stage = stage_from_json(json.loads(config["stage"]))
    report = run_stage(store, stage, _tell_driver)
    if report.spoilt:
        # Ray would give this process the next stage; its death has the stage started again
        os._exit(1)
    return {"report": json.dumps(asdict(report)), "done": True}


def _tell_driver(line: str) -> None:
    """Sends a line to the driver, wherever this worker is."""
    from ray import tune

    tune.report({SAID: line})


def wait_for_all(come: Callable[[], int], slots: int) -> bool:
    """Whether as many workers as there are slots have come to a meeting.

    Ray starts few processes at a time, and Tune gives up one that is still starting as soon as
    another falls idle: without the meeting most slots would stay empty for the whole run.

    Args:
        come: Counts who has come, this process too.
    """
    seen, since = 0, time.monotonic()
    while (count := come()) < slots:
        if count > seen:
            seen, since = count, time.monotonic()
        if time.monotonic() - since > MEETING_PATIENCE_S:
            return False
        time.sleep(max(0.05, slots / MEETING_LOOKS))
    return True


def stage_config(stage: Stage, want: StageResources, node: str, store: Store) -> dict[str, Any]:
    """What Tune is given as a trial's config; every machine finds the files that it names."""
    context = dict(stage.context)
    for role in ("module", "weights"):
        if role in context and context[role] != "imagenet":
            context[role] = store.shared.name_of(str(context[role]))
    return {
        "stage": json.dumps(stage_to_json(replace(stage, resources=want, context=context))),
        "store": store.address,
        "resources": asdict(want),
        "node": node,
    }


def report_from(result: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a worker reported, None if it died before it could."""
    if not result or "report" not in result:
        return None
    found = json.loads(result["report"])
    return found if isinstance(found, dict) else None


@contextmanager
def measured_gpu(resources: StageResources) -> Iterator[dict[str, Any]]:
    """Keeps this process to its share of a GPU; gives a dict that holds what it took afterwards.

    Without a GPU, or for a stage that asks for none, it stays empty, and torch is not imported.
    """
    facts: dict[str, Any] = {}
    if resources.gpus:
        import torch
    if not resources.gpus or not torch.cuda.is_available():
        yield facts
        return
    # Ray's shares of a GPU bind nobody
    torch.cuda.set_per_process_memory_fraction(min(float(resources.gpus), 1.0))
    torch.cuda.reset_peak_memory_stats()
    yield facts
    facts[GPU_BYTES] = torch.cuda.max_memory_reserved()
    facts[GPU_TOTAL_BYTES] = torch.cuda.get_device_properties(0).total_memory


def is_gpu_failure(error: BaseException) -> bool:
    """Whether a process that met this error is of no more use: out of memory, or a CUDA error."""
    name = type(error).__name__
    return name in ("OutOfMemoryError", "AcceleratorError") or "CUDA error" in str(error)
