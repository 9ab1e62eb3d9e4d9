"""Arms with known truth: patients, their images and seeds each bring their own error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abl.decide.replicates import Scores


@dataclass(frozen=True)
class Truth:
    """Standard deviations of what makes up a score, and the skill of the networks."""

    skill: float = 1.5
    patient: float = 0.8  # hard and easy patients, alike for both arms
    image: float = 0.5
    arm_patient: float = 0.5  # what a network sees differently in a patient
    arm_image: float = 0.5
    seed_image: float = 0.6  # what a seed sees differently in an image
    luck: float = 0.05  # a seed that is better or worse as a whole: sd of its AUC about 0.007
    malignant: float = 0.45


def arms(
    rng: np.random.Generator,
    patients: int,
    images: int,
    seeds: int,
    *,
    truth: Truth = Truth(),
    gain: float = 0.0,
) -> tuple[list[Scores], list[Scores]]:
    """Two arms on the same patients; the first is better by `gain` in skill."""
    malignant = rng.permutation(patients) < round(truth.malignant * patients)
    patient = np.repeat(np.arange(patients), images)
    labels = malignant[patient].astype(np.int64)
    side = 2 * labels - 1
    shared = truth.patient * rng.normal(size=patients)[patient]
    shared += truth.image * rng.normal(size=len(patient))
    result = []
    for skill in (truth.skill + gain, truth.skill):
        own = truth.arm_patient * rng.normal(size=patients)[patient]
        own += truth.arm_image * rng.normal(size=len(patient))
        arm = []
        for seed in range(seeds):
            score = (skill + truth.luck * rng.normal()) * side / 2 + shared + own
            score = score + truth.seed_image * rng.normal(size=len(patient))
            p = 1 / (1 + np.exp(-score))
            arm.append(Scores(0, 0, seed, labels, patient, np.column_stack([1 - p, p])))
        result.append(arm)
    return result[0], result[1]
