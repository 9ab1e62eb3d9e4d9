"""Sweeps with known predictions, kept in a store without any training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from abl.app.results import outcome_folder
from abl.decide.comparison import Contrast, comparisons
from abl.decide.intervals import cell_of
from abl.decide.replicates import KEYS, replicate_scores
from abl.plan.outcome import ArmOutcome, Outcome
from abl.plan.outcome_json import outcome_to_json
from abl.plan.stage import digest_of
from abl.record.store import Store
from abl.report.prediction_frames import arm_tests, scored_replicates

RESAMPLES = 400
SWEEP = f"""
name: NAME
study: two_step
data: {{phantom: {{patients: 40}}}}
axes: {{rule: [original, average, true]}}
base: {{rule: original}}
metrics: [acc, auc]
primary: acc
margin: 0.02
resamples: {RESAMPLES}
"""


def made_frame(
    skills: Mapping[str, float],
    *,
    patients: int = 24,
    images: int = 2,
    seeds: int = 3,
    folds: int = 1,
    draw: int = 0,
) -> pd.DataFrame:
    """Test predictions: unit i of patient i // images, label by patient, one skill an arm."""
    rows = []
    unit = np.arange(patients * images)
    patient = unit // images
    label = patient % 2
    rng = np.random.default_rng([draw, patients, images])
    shared = rng.normal(size=len(unit))
    for key, skill in skills.items():
        for seed in range(seeds):
            noise = np.random.default_rng([draw, seed, *key.encode()]).normal(size=len(unit))
            logit = (2 * label - 1) * skill + shared + 0.7 * noise
            p = 1 / (1 + np.exp(-logit))
            for fold in range(folds):
                mine = patient // 2 % folds == fold
                part = pd.DataFrame(
                    {
                        "arm": key,
                        "repeat": 0,
                        "fold": fold,
                        "seed": seed,
                        "role": "test",
                        "unit": [f"images/{at:03d}.png" for at in unit[mine]],
                        "label": label[mine],
                        "patient": [f"p{at:02d}" for at in patient[mine]],
                        "sent": False,
                        "p_0": 1 - p[mine],
                        "p_1": p[mine],
                    }
                )
                rows.append(part)
    return pd.concat(rows, ignore_index=True)


def key_of(*values: object) -> str:
    return digest_of([str(value) for value in values])


def made_outcome(
    frame: pd.DataFrame,
    params: Mapping[str, Mapping[str, str | int | float]],
    *,
    name: str = "made",
    axes: Sequence[str] = ("consensus", "rule"),
    base: str | None = None,
) -> Outcome:
    """The table of these arms, key -> params; compared with `base` (a key) if it is given."""
    arms = []
    titles = {
        key: " · ".join(v if isinstance(v, str) else f"{axis} {v}" for axis, v in own.items())
        for key, own in params.items()
    }
    replicates = {key: scored_replicates(arm_tests(frame, key)) for key in params}
    compared = [key for key in params if base is not None and key != base]
    found = comparisons(
        [Contrast(titles[base or ""], replicates[key], replicates[base or ""]) for key in compared],
        "acc",
        margin=0.02,
        resamples=RESAMPLES // 5,
        permutations=RESAMPLES,
    )
    for key, own in params.items():
        table = replicate_scores(replicates[key], ["acc", "auc"])
        cells = {name: cell_of(table[KEYS].assign(value=table[name])) for name in ("acc", "auc")}
        comparison = found[compared.index(key)] if key in compared else None
        arms.append(ArmOutcome(key, own, cells, table, comparison=comparison))
    return Outcome(
        name=name,
        key=digest_of([name, list(params)]),
        study="two_step",
        title="",
        axes=tuple(axes),
        metrics=("acc", "auc"),
        primary="acc",
        curve_axis="",
        arms=tuple(arms),
        notes=("3 replicates.",),
    )


THREE: dict[str, dict[str, str | int | float]] = {
    key_of("original"): {"rule": "original"},
    key_of("average", 3): {"consensus": 3, "rule": "average"},
    key_of("average", 5): {"consensus": 5, "rule": "average"},
}


def keep(folder: Path, outcome: Outcome, frame: pd.DataFrame) -> Store:
    """The store that holds the outcome, as a run leaves it, without tables and figures."""
    store = Store(folder)
    kept = outcome_folder(store, outcome)
    kept.mkdir(parents=True)
    (kept / "outcome.json").write_text(outcome_to_json(outcome), encoding="utf-8")
    (kept / "sweep.yaml").write_text(SWEEP.replace("NAME", outcome.name), encoding="utf-8")
    frame.to_parquet(kept / "predictions.parquet", index=False)
    (kept.parent / "latest.json").write_text(json.dumps({"key": kept.name}), encoding="utf-8")
    return store


def made_sweep(
    folder: Path,
    *,
    name: str = "made",
    draw: int = 0,
    patients: int = 24,
    seeds: int = 3,
    folds: int = 1,
) -> tuple[Store, Outcome, pd.DataFrame]:
    """original, average at consensus 3 (better) and 5 (much better), in a store."""
    skills = dict(zip(THREE, (0.3, 0.8, 1.6), strict=True))
    frame = made_frame(skills, draw=draw, patients=patients, seeds=seeds, folds=folds)
    outcome = made_outcome(frame, THREE, name=name, base=next(iter(THREE)))
    return keep(folder, outcome, frame), outcome, frame
