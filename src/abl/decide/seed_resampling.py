"""Resampling of seeds beside patients, for what is found again in each draw."""

from __future__ import annotations

import math

import numpy as np

from abl.decide.check import Floats
from abl.decide.resampling import draw_counts

SEEDS_TO_RESAMPLE = 3


def seed_deviations(observed: Floats, by_seed: Floats, rng: np.random.Generator) -> Floats:
    """(B,) what drawing other seeds adds to the mean over seeds.

    Seeds differ on these patients (variance between them) partly because patients and seeds
    interact, which the patients' resamples already hold. The deviations of the seeds are shrunk to
    the rest, by moments, and widened by S / (S - 1), as S draws of S seeds vary too little.

    Args:
        observed: (S,) value of each seed.
        by_seed: (B, S) the same in each resample of patients.
    """
    known = ~np.isnan(observed)
    if np.count_nonzero(known) < SEEDS_TO_RESAMPLE:
        return np.zeros(len(by_seed))
    deviation = observed[known] - observed[known].mean()
    resampled = by_seed[:, known]
    seeds = len(deviation)
    between = float(deviation @ deviation) / (seeds - 1)
    centred = resampled - resampled.mean(axis=1, keepdims=True)
    interaction = float(np.nanvar(centred, axis=0).sum()) / (seeds - 1)
    shrunk = math.sqrt(max(0.0, 1 - interaction / between)) if between > 0 else 0.0
    drawn = draw_counts(seeds, len(by_seed), rng) @ deviation / seeds
    return shrunk * math.sqrt(seeds / (seeds - 1)) * drawn
