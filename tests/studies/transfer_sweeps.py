"""Sweeps of the frozen and the fusion study over tiny pairs of images, for tests."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

import abl
from abl.app.loaded import LoadedSweep
from abl.app.sweep_result import SweepResult

FROZEN: dict[str, Any] = {
    "name": "frozen",
    "study": "frozen",
    "data": {"phantom": {"patients": 36, "size": 32, "seed": 3}},
    "image": {"size": 32, "channels": 1, "normalize": "half"},
    "splits": {"kind": "kfold", "folds": 2},
    "replicates": {"seeds": [0]},
    "train": {
        "network": "plain4",
        "weights": {"pretrain": {"task": "source", "patients": 12, "size": 32}, "epochs": 1},
        "epochs": 2,
        "last_k": 1,
        "augment": {"views": 2},
    },
    "axes": {"frozen": [0, 2, 4]},
    "base": {"frozen": 0},
    "metrics": ["acc", "auc"],
    "primary": "auc",
    "resamples": 200,
}
FUSION: dict[str, Any] = {
    **FROZEN,
    "name": "fusion",
    "study": "fusion",
    "splits": {"kind": "holdout"},
    "train": {**FROZEN["train"], "frozen": 2},
    "axes": {"mode": ["bmode", "elasticity", "mixed", "early", "late"], "head": ["gap"]},
    "base": {"mode": "bmode"},
}


def load(folder: Path, base: Mapping[str, Any], /, **changes: Any) -> LoadedSweep:
    """A sweep file with blocks of `base` changed: a mapping's keys one by one, else the whole."""
    values = copy.deepcopy(dict(base))
    for name, value in changes.items():
        merge = (
            isinstance(value, dict)
            and isinstance(values.get(name), dict)
            and name not in ("axes", "base")
        )
        values[name] = values[name] | value if merge else value
    path = folder / f"{values['name']}.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return abl.load(path, root=folder / "mlruns")


def write_pairs(
    folder: Path, patients: int = 16, size: tuple[int, int] = (32, 48), missing: Sequence[int] = ()
) -> None:
    """manifest.csv with two noise images a patient, each with a second one but for some rows."""
    rows = ["image,image2,label,patient"]
    for number in range(2 * patients):
        names = [f"first/{number}.png", "" if number in missing else f"second/{number}.png"]
        for at, name in enumerate(names):
            if name:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                noise = np.random.default_rng([at, number]).integers(0, 256, size, dtype=np.uint8)
                Image.fromarray(noise).save(folder / name)
        rows.append(f"{names[0]},{names[1]},{number // 2 % 2},p{number // 2}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def run(sweep: LoadedSweep) -> SweepResult:
    """Runs in-process, unrecorded; nothing may fail."""
    result = abl.run(sweep, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return result
