"""A tiny set of generated images and sweeps over it, for tests that train for real."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from PIL import Image

import doubles  # registers kinds of stages
from abl.nets.registry import network
from abl.plan.stage import Stage, StageResources

if TYPE_CHECKING:
    from torch import nn

PANEL = ["pooled3", "pooled6", "pooled_hidden"]
TINY: dict[str, Any] = {
    "name": "tiny",
    "study": "two_step",
    "data": {"manifest": "images/manifest.csv", "duplicates": "ignore"},
    "image": {"size": 24, "channels": 1, "normalize": "half"},
    "splits": {"kind": "holdout", "test": 0.3, "validation": 0.3},
    "replicates": {"repeats": 1, "seeds": [0]},
    "train": {
        "network": "pooled3",
        "epochs": 3,
        "last_k": 2,
        "batch_size": 4,
        "optimizer": {"lr": 0.05},
        "augment": {"rotate_deg": 0},
    },
    "options": {"panel": PANEL},
    "axes": {"consensus": [1], "rule": ["original", "model1"], "threshold": [0.5]},
    "base": {"rule": "original"},
    "resamples": 200,
}


# two networks, each by itself
TWO_NETWORKS: dict[str, Any] = {
    **{name: TINY[name] for name in ("name", "data", "image", "train", "resamples")},
    "study": "compare",
    "splits": {"kind": "kfold", "folds": 2},
    "replicates": {"repeats": 1, "seeds": [0]},
    "axes": {"train.network": ["pooled3", "pooled6"]},
}


def _pooled(side: int, channels: int, classes: int, hidden: int = 0) -> nn.Module:
    from torch import nn  # seconds, which tests of stages alone need not wait for

    means = side * side * channels
    parts: list[nn.Module] = [nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.LayerNorm(means)]
    if hidden:
        parts += [nn.Linear(means, hidden), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(hidden or means, classes))


@network("pooled3")
def pooled3(classes: int, channels: int, image_size: int) -> nn.Module:
    """Linear in nine means: learns the tiny set in milliseconds, though not all of it."""
    return _pooled(3, channels, classes)


@network("pooled6")
def pooled6(classes: int, channels: int, image_size: int) -> nn.Module:
    return _pooled(6, channels, classes)


@network("pooled_hidden")
def pooled_hidden(classes: int, channels: int, image_size: int) -> nn.Module:
    return _pooled(4, channels, classes, hidden=8)


def tiny_image(label: int, draw: np.random.Generator, size: int = 24) -> np.ndarray:
    """uint8 (size, size): speckle around a disk, as a rule darker and larger in class 1."""
    y, x = np.mgrid[:size, :size] - size / 2 + draw.uniform(-2, 2, (2, 1, 1))
    radius = size * draw.normal(0.22 + 0.08 * label, 0.05)
    mean = np.where(np.hypot(x, y) < radius, draw.normal(80 - 25 * label, 15), 110)
    return np.clip(mean * draw.gamma(8, 1 / 8, mean.shape), 0, 255).astype(np.uint8)


def write_tiny_set(folder: Path, patients: int = 24, seed: int = 0) -> Path:
    """Two images of one nodule for each patient, classes in turn; returns the manifest."""
    draw = np.random.default_rng(seed)
    (folder / "png").mkdir(parents=True)
    lines = ["image,label,patient,nodule"]
    for patient in range(patients):
        label = patient % 2
        for plane in "ab":
            name = f"png/{patient:03d}{plane}.png"
            Image.fromarray(tiny_image(label, draw)).save(folder / name)
            lines.append(f"{name},{['benign', 'malignant'][label]},p{patient:03d},n1")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with some replaced, by dotted path; None takes a key away."""
    result = copy.deepcopy(dict(values))
    for path, value in changes.items():
        *blocks, name = path.split(".")
        block = result
        for part in blocks:
            block = block.setdefault(part, {})
        if value is None:
            block.pop(name, None)
        else:
            block[name] = value
    return result


def write_sweep(
    folder: Path, changes: Mapping[str, Any] | None = None, *, file: str = "tiny.yaml"
) -> Path:
    """The tiny sweep with some settings (dotted paths) changed."""
    path = folder / file
    path.write_text(yaml.safe_dump(changed(TINY, changes or {}), sort_keys=False), encoding="utf-8")
    return path


def nap(text: str, *inputs: Stage, seconds: float = 0, **settings: Any) -> Stage:
    """A stage that waits, then writes its inputs' texts and its own."""
    return double("nap", text, *inputs, seconds=seconds, **settings)


def double(
    kind: str, text: str, *inputs: Stage, local: bool = False, cpus: float = 1, **settings: Any
) -> Stage:
    return Stage(
        kind,
        1,
        {"text": text, **settings},
        context={"module": doubles.__file__},  # workers import it from there
        inputs={f"input_{at}": stage.digest for at, stage in enumerate(inputs)},
        label=f"{kind} {text}",
        local=local,
        resources=StageResources(cpus=cpus),
    )


def by_digest(*stages: Stage) -> dict[str, Stage]:
    return {stage.digest: stage for stage in stages}


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.started_labels: list[str] = []
        self.finished_labels: list[str] = []
        self.failures: dict[str, str] = {}
        self.blocked_by: dict[str, str] = {}
        self.grown_labels: list[str] = []
        self.given_up_labels: list[str] = []
        self.messages: list[str] = []

    def started(self, stage: Stage, where: str) -> None:
        self.started_labels.append(stage.label)

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        self.finished_labels.append(stage.label)

    def failed(self, stage: Stage, reason: str) -> None:
        self.failures[stage.label] = reason

    def blocked(self, stages: list[Stage], cause: Stage) -> None:
        self.blocked_by |= {stage.label: cause.label for stage in stages}

    def given_up(self, stage: Stage) -> None:
        self.given_up_labels.append(stage.label)

    def grown(self, stages: list[Stage]) -> None:
        self.grown_labels += [stage.label for stage in stages]

    def message(self, text: str) -> None:
        self.messages.append(text)
