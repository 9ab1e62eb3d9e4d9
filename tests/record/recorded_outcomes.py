"""Small outcomes as a sweep would return them, for the tests of the record."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from abl.plan.facts import Facts
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome

METRICS = ("acc", "spe", "sen", "f1", "auc", "share")


def digest(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()


def _cell(values: pd.Series) -> Cell:
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    return Cell(mean, sd, mean - 1.9 * sd, mean + 1.9 * sd, len(values))


def arm_outcome(params: dict[str, str | int | float], *, seed: int, points: int = 21) -> ArmOutcome:
    """An arm with drawn numbers; with a curve over T* if `points`."""
    draw = np.random.default_rng(seed)
    replicates = pd.DataFrame(
        [(r, f, 0) for r in range(2) for f in range(3)], columns=["repeat", "fold", "seed"]
    )
    replicates["threshold"] = draw.choice([0.7, 0.8, 0.9], len(replicates))
    for metric in METRICS:
        replicates[metric] = draw.uniform(0.6, 0.95, len(replicates))
    curve = None
    if points:
        threshold = np.linspace(0, 1, points)
        curve = pd.DataFrame(
            {"threshold": threshold, "step": (threshold * 1000).round().astype("int64")}
        )
        for metric in METRICS:
            curve[metric] = 0.7 + 0.2 * np.sin(threshold * 3 + seed)
            curve[f"{metric}_sd"] = 0.02
        curve["share"] = threshold**2
    return ArmOutcome(
        key=digest("arm", sorted(params.items())),
        params=params,
        cells={metric: _cell(replicates[metric]) for metric in METRICS},
        replicates=replicates,
        curve=curve,
        stages=tuple(digest("stage", fold) for fold in range(3)),
        comparison=None
        if params["rule"] == "original"
        else Comparison("original", 0.021, -0.004, 0.047, 0.03, 0.06, "undecided"),
        best=seed == 3,
    )


def threshold_outcome(*, networks: int = 2, points: int = 21) -> Outcome:
    """Networks x three rules on one consensus: the shape of the threshold sweep."""
    names = [f"resnet{18 + i}" for i in range(networks)]
    arms = [
        arm_outcome(
            {
                "network": network,
                "consensus": "" if rule == "original" else 3,
                "rule": rule,
            },
            seed=i,
            points=0 if rule == "original" else points,
        )
        for i, (network, rule) in enumerate(
            itertools.product(names, ("original", "model1", "model2"))
        )
    ]
    return Outcome(
        name="threshold",
        key=digest("threshold", networks, points),
        study="two_step",
        title="Two-step decision with threshold T*",
        axes=("network", "consensus", "rule"),
        metrics=METRICS,
        primary="f1",
        curve_axis="threshold",
        arms=tuple(arms),
        notes=("6 replicates: 2 repeats x 3 folds.", "Intervals: 95 %, patients resampled."),
        facts=Facts(training_patients=120),
    )


def with_failed_arm(outcome: Outcome, row: int) -> Outcome:
    """The same sweep, had one of its arms failed."""
    arms = list(outcome.arms)
    arms[row] = dataclasses.replace(
        arms[row],
        cells={},
        replicates=arms[row].replicates.iloc[:0],
        curve=None,
        comparison=None,
        failed="train resnet18 fold 2: out of memory",
    )
    return dataclasses.replace(outcome, arms=tuple(arms))


def training_history(epochs: int = 5) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "lr": 0.001,
            "train_loss": 0.7 / epoch,
            "validation_loss": 0.75 / epoch + 0.05,
            "train_accuracy": 1 - 0.4 / epoch,
            "seconds": 1.5,
        }
    )


def predictions_file(folder: Path, images: int = 40) -> Path:
    """A Parquet file of per-image predictions, patient and label joined."""
    draw = np.random.default_rng(7)
    malignant = draw.uniform(size=images)
    file = folder / "to_record.parquet"
    pd.DataFrame(
        {
            "image": [f"image{i:03d}" for i in range(images)],
            "role": ["train", "validation", "test", "external"] * (images // 4),
            "patient": [f"p{i // 2}" for i in range(images)],
            "label": draw.integers(0, 2, images),
            "p_0": 1 - malignant,
            "p_1": malignant,
        }
    ).to_parquet(file, compression="zstd")
    return file
