"""How often leaving flagged images out of training is called better where no label is wrong.

    python benchmarks/persistent_null.py            # 200 simulated sweeps, some minutes
    python benchmarks/persistent_null.py --sweeps 20

Prints a section for docs/benchmarks.md. Each sweep is a set of images whose labels are drawn from
their features, two kinds of ridge regression in place of networks, and Monte Carlo splits with two
seeds each (bootstraps of the training part). What is claimed is read in two ways: by verdicts of
the study (nested flags, whole test sets, one family of tests), and as the paper does it: whether
AUC rises by kappa once flagged images have left the test sets.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from measuring import machine_line, markdown_table

from abl.decide.audit.appearances import appearances_of
from abl.decide.audit.exclusion_path import ExclusionRule, exclusion_path
from abl.decide.comparison import Contrast, comparisons
from abl.decide.cutoffs import cutoff_by
from abl.decide.replicates import Scores
from abl.stages.flag import called_at, flagged_by_share, matched_on_difficulty

IMAGES, FEATURES = 200, 12
SPLITS, SEEDS, INNER = 8, (0, 1), 4
NETWORKS = {"ridge 1": 1.0, "ridge 30": 30.0}  # penalties
RULE = ExclusionRule()
ARMS = ("none", "flagged", "random", "matched")
CONTRASTS = [(arm, "none") for arm in ARMS[1:]] + [("flagged", "random"), ("flagged", "matched")]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A simulated set: x (N, d), labels (N,), names (N,); and its draws."""

    x: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    random: np.random.Generator


def drawn(seed: int) -> Drawn:
    """Labels follow features, so that some images are hard and none is wrong."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(IMAGES, FEATURES))
    slopes = random.normal(size=FEATURES) * 0.45
    labels = (random.random(IMAGES) < 1 / (1 + np.exp(-x @ slopes))).astype(np.int64)
    return Drawn(x, labels, np.array([f"{at:04d}" for at in range(IMAGES)]), random)


def parts(data: Drawn, at: np.ndarray, shares: tuple[float, float]) -> list[np.ndarray]:
    """Test, validation and training positions among `at`, stratified."""
    found: list[list[int]] = [[], [], []]
    for label in (0, 1):
        order = data.random.permutation(at[data.labels[at] == label])
        ends = np.cumsum([round(share * len(order)) for share in shares])
        for place, piece in enumerate(np.split(order, ends)):
            found[place] += piece.tolist()
    return [np.array(sorted(each)) for each in found]


def probabilities(data: Drawn, train: np.ndarray, penalty: float, seed: int) -> np.ndarray:
    """(N, 2) of every image, by one training on a bootstrap of its part."""
    random = np.random.default_rng([seed, len(train), int(train.sum())])
    rows = random.choice(train, size=len(train))
    x, y = data.x[rows], 2.0 * data.labels[rows] - 1
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(FEATURES), x.T @ y)
    score = 1 / (1 + np.exp(-2 * data.x @ weights))
    return np.column_stack([1 - score, score])


def judged(
    data: Drawn, network: str, run: str, p: np.ndarray, at: np.ndarray, validation: np.ndarray
) -> pd.DataFrame:
    """Rows as appearances_of takes them."""
    cutoff = cutoff_by("g_mean", data.labels[validation], p[validation])
    return pd.DataFrame(
        {"image": data.names[at], "label": data.labels[at], "network": network, "run": run,
         "called": called_at(p[at], cutoff), "p_0": p[at, 0], "p_1": p[at, 1]}
    )  # fmt: skip


def flags(
    data: Drawn, train: np.ndarray, validation: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Arm -> positions that leave, by an inner Monte Carlo."""
    rows = []
    for number in range(INNER):
        held, _, rest = parts(data, train, (0.25, 0.0))
        for network, penalty in NETWORKS.items():
            p = probabilities(data, rest, penalty, seed)
            rows.append(judged(data, network, str(number), p, held, validation))
    whole = pd.concat(rows, ignore_index=True)
    images = pd.DataFrame({"image": data.names[train], "label": data.labels[train]})
    found = appearances_of(whole, images)
    flagged = flagged_by_share(found, exclusion_path(whole, RULE, draws=0))
    matched = matched_on_difficulty(found, flagged)
    at_random = data.random.choice(len(train), size=int(flagged.sum()), replace=False)
    return {"none": train[:0], "flagged": train[flagged], "matched": train[matched],
            "random": train[at_random]}  # fmt: skip


def one_sweep(seed: int) -> tuple[list[str], bool, float]:
    """Verdicts of CONTRASTS for the first network, whether the paper's way says better, and the
    mean share of the training images that left.
    """
    data = drawn(seed)
    scores: dict[str, list[Scores]] = {arm: [] for arm in ARMS}
    rows, shares = [], []
    for split in range(SPLITS):
        test, validation, train = parts(data, np.arange(IMAGES), (0.2, 0.1))
        for each in SEEDS:
            leaving = flags(data, train, validation, each)
            shares.append(len(leaving["flagged"]) / len(train))
            for network, penalty in NETWORKS.items():
                for arm in ARMS:
                    kept = np.setdiff1d(train, leaving[arm])
                    p = probabilities(data, kept, penalty, each)
                    if arm == "none":
                        run = f"{split} {each}"
                        rows.append(judged(data, network, run, p, test, validation))
                    if network == next(iter(NETWORKS)):
                        labels, names = data.labels[test], data.names[test]
                        scores[arm].append(Scores(split, 0, each, labels, names, p[test]))
    contrasts = [Contrast(base, scores[arm], scores[base]) for arm, base in CONTRASTS]
    found = comparisons(contrasts, "auc", margin=None, resamples=400, permutations=2000)
    path = exclusion_path(pd.concat(rows, ignore_index=True), RULE, draws=0)
    verdicts = [each.verdict for each in found]
    return verdicts, path.stopped == "kappa", float(np.mean(shares))


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--sweeps", type=int, default=200)
    sweeps = asked.parse_args().sweeps
    counts = {pair: Counter[str]() for pair in CONTRASTS}
    published, shares = 0, []
    for seed in range(sweeps):
        verdicts, rises, share = one_sweep(seed)
        for pair, verdict in zip(CONTRASTS, verdicts, strict=True):
            counts[pair][verdict] += 1
        published += rises
        shares.append(share)
    rows = [
        [f"{arm} against {base}", *(_per_cent(found[word], sweeps) for word in WORDS)]
        for (arm, base), found in counts.items()
    ]
    rows.append(["the paper's way: AUC of test sets without flagged images rises by kappa",
                 _per_cent(published, sweeps), "", ""])  # fmt: skip
    print(f"{machine_line()}\n")
    print(f"{sweeps} sweeps with no wrong label; {100 * np.mean(shares):.1f} % of the training "
          "images flagged on average.\n")  # fmt: skip
    print(markdown_table(["claim", "better, %", "worse, %", "undecided, %"], rows))


WORDS = ("better", "worse", "undecided")


def _per_cent(count: int, of: int) -> str:
    return f"{100 * count / of:.1f}"


if __name__ == "__main__":
    main()
