"""What a kind of stage is: a function from `Work` to facts, known by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abl.errors import StageError, nearest
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.registry import Registry


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
KINDS: Registry[Kind] = Registry("kind", declared="abl.stages")


def kind(name: str, *, version: int = 1) -> Callable[[Kind], Kind]:
    """Registers the function that computes stages of a kind; it returns facts to keep beside.

    A change that alters results raises the version, which is part of every digest of the kind.
    """
    return KINDS.registering(name, version=version)


def stage_of(kind: str, settings: Mapping[str, Any], **rest: Any) -> Stage:
    """A stage of a kind at its present version; `rest` as of Stage.

    One of a user's own file also has the digest of its source in its settings.
    """
    known = KINDS.identity(kind)
    own = {"kind_source": known["source"]} if "source" in known else {}
    return Stage(kind, KINDS.version(kind), {**settings, **own}, **rest)


def compute(work: Work) -> dict[str, Any]:
    """Computes a stage into `work.out`; its facts.

    Raises:
        StageError: Nobody knows its kind here.
    """
    stage = work.stage
    if stage.kind not in KINDS and "module" in stage.context:
        from abl.nets.user_module import load_module

        load_module(work.store.shared.path_of(str(stage.context["module"])))
    if stage.kind not in KINDS:
        raise StageError(f"no kind of stage is called '{stage.kind}': {nearest(stage.kind, KINDS)}")
    return KINDS[stage.kind](work)
