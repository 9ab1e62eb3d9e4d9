"""Honest ablation and hyperparameter sweeps for image classifiers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abl.api import Callback, add_arm, load, open, run, table
    from abl.app.finished import FinishedSweep
    from abl.app.function_arm import ArmData
    from abl.app.loaded import LoadedSweep
    from abl.app.sweep_result import SweepResult
    from abl.errors import InputError, Problem, StageError
    from abl.nets.trust import UntrustedError
    from abl.spec.sweep import Sweep

__all__ = [
    "ArmData", "Callback", "FinishedSweep", "InputError", "LoadedSweep", "Problem", "StageError",
    "Sweep", "SweepResult", "UntrustedError", "add_arm", "load", "open", "run", "table",
]  # fmt: skip
_ELSEWHERE = {
    "ArmData": "abl.app.function_arm",
    "FinishedSweep": "abl.app.finished",
    "InputError": "abl.errors",
    "LoadedSweep": "abl.app.loaded",
    "Problem": "abl.errors",
    "StageError": "abl.errors",
    "Sweep": "abl.spec.sweep",
    "SweepResult": "abl.app.sweep_result",
    "UntrustedError": "abl.nets.trust",
}


def __getattr__(name: str) -> Any:
    # workers import submodules of this package: they must not pay for the whole API
    if name in __all__:
        return getattr(importlib.import_module(_ELSEWHERE.get(name, "abl.api")), name)
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("abl")
    raise AttributeError(f"module 'abl' has no attribute '{name}'")


def __dir__() -> list[str]:
    # what completion offers: names that are looked up only when asked for are in no namespace yet
    return sorted({*__all__, "__version__", *globals()})
