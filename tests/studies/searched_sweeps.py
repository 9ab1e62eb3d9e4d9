"""Sweep files with a search over the tiny set."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from tiny_sweeps import TINY

SPACE = {
    "train.optimizer.lr": {"from": 1e-3, "to": 0.3, "log": True},
    "train.optimizer.name": {
        "choices": ["adam", "sgd"],
        "when": {"sgd": {"train.optimizer.momentum": {"from": 0.0, "to": 0.95}}},
    },
}
HYPER = {
    "study": "hyper",
    "options": {},
    "axes": {},
    "base": None,
    "primary": "auc",
    "splits": {"kind": "kfold", "folds": 3, "validation": 0.3},
    "search": {"space": SPACE, "trials": 6, "generation": 3, "prune": {"p": 0.3}},
}


def merged(values, changes):
    """Nested settings with some replaced; None takes a key away, a whole space replaces none."""
    result = copy.deepcopy(dict(values))
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict) and value:
            result[name] = merged(result[name], value)
        else:
            result[name] = value
    return result


def written(folder: Path, changes=None, file="sweep.yaml") -> Path:
    path = folder / file
    path.write_text(json.dumps(merged(merged(TINY, HYPER), changes or {})), encoding="utf-8")
    return path
