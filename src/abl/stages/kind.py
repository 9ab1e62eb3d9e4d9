"""What a kind of stage is: a function from `Work` to facts, known by name.

Those of this package are its modules; others come from the file that a sweep names as `module:`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import abl.stages
from abl.errors import StageError, nearest
from abl.plan.stage import Stage
from abl.record.store import Store


@dataclass(frozen=True)
class Work:
    """What a kind's function gets.

    Attributes:
        stage: What to compute.
        store: Where inputs are read from.
        out: Empty folder for the output.
        checkpoints: Folder for checkpoints; it may hold those of a broken attempt.
    """

    stage: Stage
    store: Store
    out: Path
    checkpoints: Path


Kind = Callable[[Work], dict[str, Any]]
KINDS: dict[str, Kind] = {}


def kind(name: str) -> Callable[[Kind], Kind]:
    """Registers the function that computes stages of a kind; it returns facts to keep beside."""

    def register(function: Kind) -> Kind:
        KINDS[name] = function
        return function

    return register


def kinds() -> Mapping[str, Kind]:
    """Every kind by name."""
    for module in pkgutil.iter_modules(abl.stages.__path__):
        importlib.import_module(f"abl.stages.{module.name}")
    return dict(sorted(KINDS.items()))


def compute(work: Work) -> dict[str, Any]:
    """Computes a stage into `work.out`; its facts.

    Raises:
        StageError: Nobody knows its kind here.
    """
    stage = work.stage
    if stage.kind not in KINDS:
        known = kinds()
        if stage.kind not in known and "module" in stage.context:
            from abl.nets.user_module import load_module

            load_module(work.store.shared.path_of(str(stage.context["module"])))
        if stage.kind not in KINDS:
            raise StageError(
                f"no kind of stage is called '{stage.kind}': {nearest(stage.kind, known)}"
            )
    return KINDS[stage.kind](work)
