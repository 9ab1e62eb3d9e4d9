"""Features of flagged images under the null: how often something is found, and how often the
intervals of the regression hold.

    python benchmarks/feature_table.py [sets]
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

from abl.decide.audit.over_representation import over_representation
from abl.decide.audit.rate_regression import RateModel, rate_odds_ratios

SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def flags(sets: int, *, most_images: int, patients: int, share: float) -> str:
    """Facts and flags drawn apart from each other, image by image."""
    alone, family = [], []
    for seed in range(sets):
        rng = np.random.default_rng(seed)
        sizes = (
            np.full(patients, 2) if most_images == 2 else rng.integers(1, most_images + 1, patients)
        )
        patient = np.repeat(np.arange(patients), sizes)
        of_patient = [np.repeat(rng.random(patients) < each, sizes) for each in SHARES]
        of_image = [rng.random(len(patient)) < each / 5 for each in SHARES]
        has = np.column_stack([*of_patient, *of_image])
        table = over_representation(has, rng.random(len(patient)) < share, patient)
        alone += (table["p"].dropna() < 0.05).tolist()
        family.append(bool((table["p_corrected"] < 0.05).any()))
    return f"{100 * np.mean(alone):.1f} % of P, {100 * np.mean(family):.1f} % of tables"


def rates(sets: int, *, patients: int, seen: int) -> str:
    """Two facts of patients whose error rates differ, apart from the facts."""
    held = []
    for seed in range(sets):
        rng = np.random.default_rng(seed)
        patient = np.repeat(np.arange(patients), 2)
        logit = np.repeat(rng.normal(-1, 1.5, patients), 2) + rng.normal(0, 1, 2 * patients)
        terms = {
            name: np.repeat(rng.random(patients) < each, 2) * 1.0
            for name, each in (("x", 0.2), ("z", 0.5))
        }
        times = rng.poisson(seen, 2 * patients)
        wrong = rng.binomial(times, 1 / (1 + np.exp(-logit)))
        model = RateModel(wrong, times, patient, pd.DataFrame(terms), tuple(terms))
        table = rate_odds_ratios(model)
        known = table[table["why"] == ""]
        held += ((known["low"] < 1) & (known["high"] > 1)).tolist()
    return f"{100 * np.mean(held):.1f} % of {len(held)} intervals hold"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(f"{count} sets; P < 0.05 where nothing is to be found, and corrected P < 0.05 in a table")
    print(
        "242 patients of 2 images, 5 % flagged: ",
        flags(count, most_images=2, patients=242, share=0.05),
    )
    print(
        "80 patients of 1 to 40 images, 3 %:    ",
        flags(count, most_images=40, patients=80, share=0.03),
    )
    for patients, seen in ((30, 10), (60, 10), (242, 3), (242, 40)):
        said = rates(count, patients=patients, seen=seen)
        print(f"error rates, {patients} patients, {seen} answers an image: {said}")
    rng = np.random.default_rng(0)
    has = rng.random((50_000, 100)) < 0.1
    began = time.perf_counter()
    over_representation(has, rng.random(50_000) < 0.05, np.arange(50_000))
    print(f"50,000 patients, 100 facts: {time.perf_counter() - began:.1f} s")
