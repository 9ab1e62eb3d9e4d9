"""What the numbers of a table cost: cells with intervals, differences, the best arm.

    python benchmarks/scoring.py                            # 100 arms, 25,000 images, 3 seeds
    python benchmarks/scoring.py --arms 500 --images 500
    python benchmarks/against.py 78bfe0a -- benchmarks/scoring.py --arms 2 --per-arm

One test image a patient; arms share most of what they see, as networks do. AUC and F1 of every arm
with intervals, every arm against the first on AUC with corrected P, and the best arm. Prints a
section for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import numpy as np
from measuring import figure, machine_line, markdown_table

from abl.decide import replicates
from abl.decide.comparison import Contrast, best_and_tied, comparisons
from abl.decide.intervals import patient_interval

METRICS, PRIMARY = ("auc", "f1"), "auc"
RESAMPLES = 2000  # as a sweep file has it by default
# older builds call it otherwise
Scores: Any = getattr(replicates, "Scores", None) or replicates.Replicate


def arms_of(count: int, images: int, seeds: int) -> dict[str, list[Any]]:
    """Scores of every arm; AUC of about 0.85 to 0.9, a little better from arm to arm."""
    rng = np.random.default_rng(count + images)
    labels = rng.integers(0, 2, images)
    patients = np.arange(images).astype(str)
    shared = 1.7 * labels + rng.normal(0, 1.0, images)
    found = {}
    for at in range(count):
        own = shared + 0.1 * labels * at / count + rng.normal(0, 0.5, images)
        found[f"arm {at}"] = []
        for seed in range(seeds):
            p = 1 / (1 + np.exp(-(own + rng.normal(0, 0.3, images) - 0.9)))
            scored = Scores(0, 0, seed, labels, patients, np.column_stack([1 - p, p]))
            found[f"arm {at}"].append(scored)
    return found


def measured(count: int, images: int, seeds: int) -> dict[str, float]:
    """CPU seconds of each part of a table, and peak memory."""
    arms, spent = arms_of(count, images, seeds), {}
    began = time.process_time()
    for scores in arms.values():
        replicates.replicate_scores(scores, METRICS)
        for metric in METRICS:
            patient_interval(scores, metric, resamples=RESAMPLES // 5)
    spent["cells, CPU s"] = time.process_time() - began
    names = list(arms)
    family = [Contrast(names[0], arms[name], arms[names[0]]) for name in names[1:]]
    began = time.process_time()
    comparisons(
        family, PRIMARY, margin=0.02, resamples=RESAMPLES // 5, permutations=RESAMPLES
    )  # fmt: skip
    spent["differences, CPU s"] = time.process_time() - began
    began = time.process_time()
    best_and_tied(arms, PRIMARY, permutations=RESAMPLES)
    spent["best arm, CPU s"] = time.process_time() - began
    spent["peak, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arms", type=int, default=100)
    parser.add_argument("--images", type=int, default=25_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--per-arm", action="store_true", help="divide by the number of arms")
    asked = parser.parse_args()
    spent = measured(asked.arms, asked.images, asked.seeds)
    rows = []
    for name, value in spent.items():
        per = {"differences, CPU s": max(asked.arms - 1, 1)}.get(name, asked.arms)
        shown = value / per if asked.per_arm and name.endswith("s") else value
        told = f"{name} an arm" if asked.per_arm and name.endswith("s") else name
        figure(told, shown)
        rows.append([told, f"{shown:.3g}"])
    print(f"{asked.arms} arms, {asked.images:,} images, {asked.seeds} seeds. {machine_line()}\n")
    print(markdown_table(["", ""], rows))


if __name__ == "__main__":
    main()
