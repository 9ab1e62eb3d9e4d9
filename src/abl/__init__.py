"""Honest ablation and hyperparameter sweeps for image classifiers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abl.api import (
        ArmData,
        Callback,
        FinishedSweep,
        Sweep,
        SweepResult,
        add_arm,
        load,
        open,
        run,
        table,
    )

__all__ = [
    "ArmData", "Callback", "FinishedSweep", "Sweep", "SweepResult", "add_arm", "load", "open",
    "run", "table",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # workers import submodules of this package: they must not pay for the whole API
    if name in __all__:
        return getattr(importlib.import_module("abl.api"), name)
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("abl")
    raise AttributeError(f"module 'abl' has no attribute '{name}'")
