"""Runs one stage: claim, compute, commit. The same code in a worker and in the driver."""

from __future__ import annotations

import re
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from abl.errors import InputError, StageError, Stopped
from abl.plan.stage import Resources, Stage
from abl.record.disk import disk_fault
from abl.record.store import Store
from abl.runner.gpu import is_gpu_failure, measured_gpu
from abl.stages.kind import Work, compute

Lack = Literal["", "memory", "disk"]


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
        lacks: What it failed for want of, which another time may have: memory, disk, or nothing.
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


def run_stage(store: Store, stage: Stage) -> Report:
    """Computes a stage unless it is finished; never raises but for an interrupt."""
    import abl.runner.doubles  # noqa: F401

    started, spoilt = time.perf_counter(), False
    lacks: Lack = ""
    try:
        with store.claim(stage.digest) as attempt:
            if attempt is None:
                return Report(stage.digest, "reused")
            started = time.perf_counter()  # waiting for another's lease is no work
            checkpoints = store.checkpoints(attempt)
            with measured_gpu(stage.resources) as gpu:
                facts = compute(Work(stage, store, attempt.folder, checkpoints))
            seconds = time.perf_counter() - started
            inputs = store.content(stage.inputs.values())
            store.commit(attempt, stage, {**facts, **gpu, "seconds": seconds}, inputs)
            return Report(stage.digest, "done", seconds)
    except Stopped as stopped:
        return Report(
            stage.digest, "stopped", time.perf_counter() - started, str(stopped), "", stopped.facts
        )
    except (InputError, StageError) as error:
        reason, trace = str(error).replace("\n", "; "), ""
    except Exception as error:
        # a worker must not die of a stage: whatever it was is the stage's result
        lacks, reason = _lack(error, store.root)
        trace = ""
        if not lacks:
            reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            trace = traceback.format_exc()
        spoilt = is_gpu_failure(error)
    if store.has(stage.digest):
        # held up for longer than its lease, it lost its folder to the attempt that finished
        return Report(stage.digest, "reused")
    seconds = time.perf_counter() - started
    return Report(stage.digest, "failed", seconds, reason, trace, spoilt=spoilt, lacks=lacks)


def _lack(error: Exception, root: Path) -> tuple[Lack, str]:
    """What this machine had too little of, and a line on it that needs no traceback.

    Args:
        root: Of the store.
    """
    # PyTorch's allocator of the CPU raises a RuntimeError
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        asked = re.search(r"allocate (\d+ bytes|\S+ [KMGTPE]iB)", str(error))
        of = f" (it asked for {asked[1]})" if asked else ""
        advice = "set a smaller train.micro_batch, or give it a larger machine"
        return "memory", f"out of memory{of}: {advice}"
    told = disk_fault(error, root)
    return ("disk", told) if told else ("", "")


def stage_to_json(stage: Stage) -> dict[str, Any]:
    """A stage as plain values, for a worker."""
    return {
        **stage.identity(),
        **{"context": dict(stage.context), "label": stage.label},
        "resources": asdict(stage.resources),
        "local": stage.local,
        "shortcuts": dict(stage.shortcuts),
    }


def stage_from_json(values: dict[str, Any]) -> Stage:
    """The stage that `stage_to_json` wrote."""
    return Stage(**{**values, "resources": Resources(**values["resources"])})
