"""A stage: one unit of work, known by the digest of everything that decides its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

# files of finished stages that more than one room reads
PREDICTIONS = "predictions.parquet"  # image, role, logits by epoch, p_0, p_1, ...
HISTORY = "history.parquet"  # one row an epoch
DYNAMICS = "dynamics.npy"  # float16 (epochs, images, classes), of images of the training part
DYNAMICS_IMAGES = "dynamics.parquet"  # image, label as trained: in the array's order
DRAWN = "drawn"  # of a training's subset: the numbers that name a random draw

# one for all: json.dumps would make a new encoder for each call
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values, equal text.

    Raises:
        ValueError: On nan and infinity, which have no place in an identity.
    """
    return _CANONICAL.encode(value)


def digest_of(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def shape_of(kind: str, settings: Mapping[str, Any]) -> str:
    """Stages of one shape take about as long and as much memory, whatever their data and seed."""
    subset = settings.get("subset")
    if isinstance(subset, Mapping) and DRAWN in subset:
        # which of many draws of the same size it trains on
        subset = {name: value for name, value in subset.items() if name != DRAWN}
        settings = {**settings, "subset": subset}
    return digest_of([kind, dict(settings)])


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted names, lists as JSON."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            is_list = isinstance(value, list | tuple)
            flat[f"{prefix}{name}"] = json.dumps(value) if is_list else value
    return flat


@dataclass(frozen=True)
class StageResources:
    """What a stage asks for. Not part of its identity.

    Attributes:
        cpus: CPUs.
        gpus: GPUs; below 1 a share of one.
        memory_gb: Memory in GiB, 0 asks for none.
        pack: Whether one whole GPU may be shared once the memory that is needed is known.
        bundle: Stages like it that may run as one program with it, itself among them.
    """

    cpus: float = 1
    gpus: float = 0
    memory_gb: float = 0
    pack: bool = True
    bundle: int = 1

    @property
    def amounts(self) -> tuple[float, float, float]:
        """CPUs, GPUs, memory in GiB."""
        return self.cpus, self.gpus, self.memory_gb


@dataclass(frozen=True)
class Stage:
    """One unit of work.

    Attributes:
        kind: What is done; the executor's table of kinds knows how.
        version: Version of the kind: raised when its code gives other results.
        settings: Resolved settings, JSON-able, defaults left out.
        inputs: Role -> digest of the stage it is read from.
        shortcuts: Role -> digest of a stage whose result spares work without changing the result
            (features of a frozen prefix). Not part of the identity.
        reads: Fingerprint of exactly the images and labels it reads, "" if none.
        seed: Of its random numbers; None if it draws none.
        context: Where its input is found (data set, split). Not part of the identity: it must
            follow from `reads`.
        resources: Not part of the identity.
        label: For people. Not part of the identity.
        local: Whether it is so small that the driver does it itself.
    """

    kind: str
    version: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    reads: str = ""
    seed: int | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    resources: StageResources = StageResources()
    label: str = ""
    local: bool = False
    shortcuts: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> set[str]:
        """Digests of the stages that it waits for."""
        return {*self.inputs.values(), *self.shortcuts.values()}

    def identity(self) -> dict[str, Any]:
        """What the digest is taken of."""
        return {
            "kind": self.kind,
            "version": self.version,
            "settings": dict(self.settings),
            "inputs": dict(self.inputs),
            "reads": self.reads,
            "seed": self.seed,
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the identity."""
        return digest_of(self.identity())

    @cached_property
    def shape(self) -> str:
        """Digest of kind and settings: see `shape_of`."""
        return shape_of(self.kind, self.settings)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and self.digest == other.digest
