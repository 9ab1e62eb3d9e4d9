"""What the scripts by hand share: the images, one training, the choice of T*.

They are a user's own code. The training function is that of `abl`, so that a training costs the
same and gives the same bits in all ways; nothing else of it is used.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

PANEL = ("plain4", "tiny_resnet", "tiny_dense", "tiny_inception", "tiny_mobile")
ORIGINAL = "plain4"  # one of the selectors too
CONSENSUS = (1, 2, 3, 4, 5)
THRESHOLDS = tuple(round(0.05 * step, 12) for step in range(20))
RULES = ("original", "true", "average", "model1", "model2")
ROLES = ("train", "validation", "test")

Predicted = dict[str, np.ndarray]  # role -> (n, 2) probabilities


@dataclass(frozen=True)
class Task:
    """The images of a folder and what is asked of them.

    Attributes:
        pixels: uint8 (N, 1, S, S).
        labels: int64 (N,).
        rows: Role -> positions, ascending.
        seeds: One replicate each.
        epochs: Of every network; the last three predict.
    """

    pixels: np.ndarray
    labels: np.ndarray
    rows: dict[str, np.ndarray]
    seeds: tuple[int, ...]
    epochs: int


def load_task(folder: Path) -> Task:
    """Reads task.json, manifest.csv and the images it names."""
    asked = json.loads((folder / "task.json").read_text())
    table = pd.read_csv(folder / "manifest.csv")
    pixels = np.stack([np.asarray(Image.open(folder / name))[None] for name in table["image"]])
    rows = {role: np.flatnonzero(table["split"].to_numpy() == role) for role in ROLES}
    labels = table["label"].to_numpy(np.int64)
    return Task(pixels, labels, rows, tuple(asked["seeds"]), asked["epochs"])


def trained(task: Task, network: str, seed: int, rows: np.ndarray) -> Predicted:
    """Probabilities of a network trained on some rows, on every part of the split."""
    from abl.nets.build import build_network
    from abl.spec.data import Image as ImageSettings
    from abl.spec.train import Augment, Train
    from abl.train.fit import TrainingRows, fit
    from abl.train.predictions import mean_probabilities
    from abl.train.process import reset_process

    size = task.pixels.shape[-1]
    settings = Train(
        network=network, epochs=task.epochs, batch_size=16, augment=Augment(rotate_deg=15)
    )
    reset_process(seed)
    result = fit(
        build_network(network, classes=2, channels=1, image_size=size),
        task.pixels,
        TrainingRows(rows, task.labels[rows], 2, task.rows, task.labels[task.rows["validation"]]),
        settings=settings,
        image=ImageSettings(size=size, channels=1, normalize="half"),
        seed=seed,
    )
    return {role: mean_probabilities(logits) for role, logits in result.logits.items()}


def true_rows(task: Task, selectors: list[Predicted], n: int) -> np.ndarray:
    """True-N: training rows that at least n selectors classify correctly."""
    labels = task.labels[task.rows["train"]]
    votes = sum((final(each["train"]) == labels).astype(int) for each in selectors)
    return task.rows["train"][votes >= n]


def final(p: np.ndarray) -> np.ndarray:
    """Benign if its probability is the larger; a tie is malignant."""
    return (p[:, 1] >= p[:, 0]).astype(np.int64)


def decided(rule: str, original: np.ndarray, true: np.ndarray, threshold: float) -> np.ndarray:
    """Final probabilities of a rule at a T*."""
    if rule == "original":
        return original
    second = true if rule in ("true", "model1") else (original + true) / 2
    if rule in ("true", "average"):
        return second
    ambiguous = np.abs(original[:, 0] - original[:, 1]) < threshold
    return np.where(ambiguous[:, None], second, original)


def accuracy(task: Task, role: str, p: np.ndarray) -> float:
    """Share of a part's images that are classified correctly."""
    return float(np.mean(final(p) == task.labels[task.rows[role]]))


def answers(task: Task, seed: int, n: int, original: Predicted, true: Predicted) -> list[dict]:
    """Every rule at one N: accuracy on validation along T*, and on test at the best T*."""
    found = []
    for rule in RULES:
        curve = [
            accuracy(
                task, "validation", decided(rule, original["validation"], true["validation"], t)
            )
            for t in THRESHOLDS
        ]
        best = THRESHOLDS[int(np.argmax(curve))]  # of equal ones the smallest
        test = accuracy(task, "test", decided(rule, original["test"], true["test"], best))
        found.append(
            {"seed": seed, "n": n, "rule": rule, "curve": curve, "threshold": best, "test": test}
        )
    return found


def fingerprint(predicted: Predicted) -> str:
    """SHA-256 over a network's probabilities: equal only if every bit is."""
    whole = np.concatenate([predicted[role] for role in ROLES])
    return hashlib.sha256(np.ascontiguousarray(whole).tobytes()).hexdigest()
