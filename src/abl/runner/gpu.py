"""A stage on a GPU: it keeps to its share, its memory is measured, its failures are known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from abl.plan.stage import Resources
from abl.runner.packing import GPU_BYTES, GPU_TOTAL_BYTES


@contextmanager
def measured_gpu(resources: Resources) -> Iterator[dict[str, Any]]:
    """Keeps this process to its share of a GPU; gives a dict that holds what it took afterwards.

    Without a GPU, or for a stage that asks for none, it stays empty, and torch is not imported.
    """
    facts: dict[str, Any] = {}
    if not resources.gpus:
        yield facts
        return
    import torch

    if not torch.cuda.is_available():
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
