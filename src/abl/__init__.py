"""Honest ablation and hyperparameter sweeps for image classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abl.api import load, run, table

__all__ = ["load", "run", "table"]


def __getattr__(name: str) -> Any:
    # workers import submodules of this package: they must not pay for the whole API
    if name in __all__:
        from abl import api

        return getattr(api, name)
    raise AttributeError(f"module 'abl' has no attribute '{name}'")
