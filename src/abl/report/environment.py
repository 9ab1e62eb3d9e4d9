"""What a run ran on, for the record: versions, hardware, state of the code (`checkout.py`).

Nothing here names a person or a machine: no environment variables, user or host names, and the home
folder is written `~`.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from abl.report.checkout import git_state

PACKAGES = (
    "abl", "torch", "torchvision", "timm", "ray", "mlflow", "optuna", "scikit-learn", "scipy",
    "statsmodels", "numpy", "pandas", "pyarrow", "pydantic", "pillow", "safetensors",
)  # fmt: skip


def environment(folder: Path | None = None) -> dict[str, Any]:
    """Python, packages, operating system, processor, memory, GPUs and git state, JSON-able.

    GPUs are listed only if torch has already been imported, as importing it takes seconds.

    Args:
        folder: Where the sweep is; its git checkout is described. Default: the current folder.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    return {
        "python": platform.python_version(),
        "packages": _package_versions(),
        "os": platform.platform(),
        "cpu": _cpu_model(),
        "cpu_count": os.cpu_count(),
        "cpu_usable": len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count(),
        "memory_gib": memory_gib(),
        "gpus": _gpu_names(),
        "git": git_state(Path.cwd() if folder is None else folder),
    }


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_gib() -> float | None:
    """This machine's memory; None where the system does not say."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    return round(total / 2**30, 1)


def _gpu_names() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None:
        return []
    try:
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    except (AttributeError, RuntimeError):  # half imported, or a driver that does not answer
        return []
