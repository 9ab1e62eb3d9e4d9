"""Runs one stage (claim, compute, commit), here or as a trial of Tune, and measures its GPU."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
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
from abl.record.done import Attempt
from abl.record.store import Store
from abl.record.waiting import ToldWait
from abl.redaction import redacted
from abl.runner.ledger import GPU_BYTES, GPU_TOTAL_BYTES
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
    started = time.perf_counter()
    waited = ToldWait(store.lease_place(stage.digest), stage.label, say or unheard)
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
            return committed(store, stage, attempt, {**facts, **gpu}, seconds)
    except Exception as error:
        # a worker must not die of a stage: whatever it was is the stage's result
        return ended_by(error, store, stage, time.perf_counter() - started)


def committed(
    store: Store, stage: Stage, attempt: Attempt, facts: dict[str, Any], seconds: float
) -> Report:
    """Makes what was computed the finished stage."""
    store.recheck({*stage.inputs.values(), *stage.shortcuts.values()})
    inputs = store.content(stage.inputs.values())
    store.commit(attempt, stage, {**facts, "seconds": seconds}, inputs)
    return Report(stage.digest, "done", seconds)


def ended_by(error: Exception, store: Store, stage: Stage, seconds: float) -> Report:
    """How a stage ended that has no result."""
    spoilt, trace = False, ""
    lacks: Lack = ""
    if isinstance(error, Stopped):
        said = redacted(str(error))
        return Report(stage.digest, "stopped", seconds, said, facts=error.facts)
    if isinstance(error, InputError | StageError):
        reason = redacted(str(error)).replace("\n", "; ")
    else:
        lacks, reason = _lack(error, store.root)
        if not lacks:
            reason = redacted(f"{type(error).__name__}: {error}".strip().splitlines()[0])
            trace = redacted("".join(traceback.format_exception(error)))
        spoilt = is_gpu_failure(error)
    with suppress(StageError, OSError):  # it cannot be read: the reason stands
        if store.has(stage.digest):
            # held up for longer than its lease, it lost its folder to the attempt that finished
            return Report(stage.digest, "reused")
    return Report(stage.digest, "failed", seconds, reason, trace, spoilt=spoilt, lacks=lacks)


def unheard(line: str) -> None:
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
