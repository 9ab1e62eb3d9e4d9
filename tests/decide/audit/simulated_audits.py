"""Test predictions of several networks on Monte Carlo splits, of which the truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from abl.decide.audit.appearances import Appearances


def simulated_counts(
    images: int, networks: int, times: float, image_sd: float, both_sd: float, middle: float,
    random: np.random.Generator, network_sd: float = 0.4,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """(wrong, seen, true error probability) of crossed effects, (images, networks) each."""
    level = middle + random.normal(0, network_sd, networks)
    own = random.normal(0, image_sd, (images, 1)) + random.normal(0, both_sd, (images, networks))
    p = expit(level + own)
    seen = random.poisson(times / networks, (images, networks))
    return random.binomial(seen, p), seen, p


def simulated_rows(
    images: int = 120, networks: int = 2, runs: int = 20, *, share: float = 0.2, seed: int = 0
) -> pd.DataFrame:
    """Rows for appearances_of, with `run`: two classes, images of different difficulty."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, images)
    hard = random.normal(1.0, 1.5, images)
    parts = []
    for network in range(networks):
        for run in range(runs):
            at = random.permutation(images)[: int(images * share)]
            sure = hard[at] + random.normal(0, 0.7, len(at))
            p_1 = expit(np.where(label[at] == 1, sure, -sure))
            parts.append(
                pd.DataFrame(
                    {"image": [f"i{each:04d}" for each in at], "label": label[at],
                     "network": f"net{network}", "run": run, "p_0": 1 - p_1, "p_1": p_1}
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def appearances(
    wrong: np.ndarray, seen: np.ndarray, patients: np.ndarray | None = None
) -> Appearances:
    """Of counts alone: (images, networks) each; probabilities that say nothing."""
    images, networks = wrong.shape
    names = np.array([f"i{each:05d}" for each in range(images)])
    return Appearances(
        names, np.zeros(images, dtype=np.int64), names if patients is None else patients,
        tuple(f"net{each}" for each in range(networks)), seen, wrong,
        np.where(seen[:, :, None] > 0, 0.5, np.nan) * np.ones(2),
    )  # fmt: skip
