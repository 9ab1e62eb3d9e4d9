"""Sweeps whose truth is known: recipes, networks that were trained by them, and patients."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from abl.decide.replicates import Scores

# networks of one recipe differ as in the shipped threshold sweep: SEN and SPE by 5 points, F1 by
# 2, AUC by 0.4, beyond what their patients explain
MEASURED = {"shift": 0.27, "luck": 0.04}


@dataclass(frozen=True)
class SweepDesign:
    """What a simulated sweep is made of; standard deviations on the scale of a score.

    Attributes:
        patients, positive: How many, and the share of class 1; three classes are of one size.
        images: Of a patient; a tuple is drawn from.
        splits, seeds: Folds, each tested by its part of the patients, and trainings of each.
        skill, cut: Distance of the classes' means, and what is added to all scores.
        patient, image: What is hard for every network.
        recipe, network: What networks of a recipe, and one of them, see otherwise in an image.
        shift, luck: The luck of a training: a cut-off that is moved, a skill.
        seed_shift: A cut-off that is moved in all splits of a seed.
        gain, moved: By how much skill and cut of the first arm are larger.
    """

    patients: int = 100
    positive: float = 0.5
    images: int | tuple[int, ...] = 1
    splits: int = 1
    seeds: int = 3
    classes: int = 2
    skill: float = 2.4
    cut: float = 0.0
    patient: float = 0.6
    image: float = 0.6
    recipe: float = 0.3
    network: float = 0.5
    shift: float = 0.0
    luck: float = 0.0
    seed_shift: float = 0.0
    gain: float = 0.0
    moved: float = 0.0

    @property
    def name(self) -> str:
        shape = "" if self.images == 1 else f" x {self.images} images"
        spread = " luck" if self.shift or self.seed_shift else ""
        kinds = f" {self.classes} classes" if self.classes > 2 else ""
        share = "" if self.positive == 0.5 else f" ({100 * self.positive:.0f} % positive)"
        return f"{self.patients}{share}{shape}, {self.splits}x{self.seeds}{kinds}{spread}"


@dataclass(frozen=True, eq=False)
class Simulated:
    """A drawn sweep: its arms, and what the networks of each are worth on all patients."""

    arms: list[list[Scores]]
    networks: list[dict[str, float]]


def drawn(design: SweepDesign, rng: np.random.Generator, arms: int = 2) -> Simulated:
    """Arms on the same patients; all recipes but the first are equal."""
    count, size = design.patients, design.classes
    positive = max(1, min(count - 1, round(design.positive * count)))
    label_of = np.arange(count) % size if size > 2 else (np.arange(count) < positive).astype(int)
    fold = np.empty(count, dtype=np.int64)
    for label in np.unique(label_of):
        members = rng.permutation(np.flatnonzero(label_of == label))
        fold[members] = np.arange(len(members)) % design.splits
    images = design.images
    patient = np.repeat(
        np.arange(count), images if isinstance(images, int) else rng.choice(images, count)
    )
    labels, names = label_of[patient], np.array([f"{at:04d}" for at in range(count)])[patient]
    channels = 1 if size == 2 else size
    shared = design.patient * rng.normal(size=(count, channels))[patient]
    shared = shared + design.image * rng.normal(size=(len(patient), channels))
    found, worth = [], []
    for arm in range(arms):
        skill = design.skill + (design.gain if arm == 0 else 0.0)
        cut = design.cut + (design.moved if arm == 0 else 0.0)
        own = shared + design.recipe * rng.normal(size=shared.shape)
        lucky = design.seed_shift * rng.normal(size=(design.seeds, channels))
        replicates, values = [], []
        for split in range(design.splits):
            rows = fold[patient] == split
            y = labels[rows]
            for seed in range(design.seeds):
                able = skill + design.luck * rng.normal()
                moved = cut + design.shift * rng.normal(size=channels) + lucky[seed]
                score = own[rows] + design.network * rng.normal(size=(len(y), channels)) + moved
                replicates.append(
                    Scores(0, split, seed, y, names[rows], _predicted(score, y, able))
                )
                if size == 2:
                    values.append(_worth(design, able, float(moved[0])))
        found.append(replicates)
        means = (
            {k: float(np.mean([each[k] for each in values])) for k in values[0]} if values else {}
        )
        worth.append(means)
    return Simulated(found, worth)


def truth(design: SweepDesign, metric: str, arm: int = 1) -> float:
    """What the recipe of an arm is worth, over all patients and trainings; two classes."""
    able = design.skill + (design.gain if arm == 0 else 0.0)
    cut = design.cut + (design.moved if arm == 0 else 0.0)
    luck = math.hypot(design.shift, design.seed_shift)
    return _worth(design, able, cut, luck)[metric]


def _worth(design: SweepDesign, able: float, cut: float, luck: float = 0.0) -> dict[str, float]:
    seen = (design.patient, design.image, design.recipe, design.network)
    noise = math.hypot(*seen)
    whole = math.hypot(noise, luck, design.luck / 2 if luck else 0.0)
    sen = float(stats.norm.cdf((able / 2 + cut) / whole))
    spe = float(stats.norm.cdf((able / 2 - cut) / whole))
    share = round(design.positive * design.patients) / design.patients
    called = share * sen + (1 - share) * (1 - spe)
    return {
        "sen": sen,
        "spe": spe,
        "acc": share * sen + (1 - share) * spe,
        "f1": 2 * share * sen / (called + share),
        "auc": float(stats.norm.cdf(able / math.hypot(noise * math.sqrt(2), design.luck))),
    }


def _predicted(score: np.ndarray, labels: np.ndarray, able: float) -> np.ndarray:
    if score.shape[1] == 1:
        p = stats.norm.cdf(score[:, 0] + able * (labels - 0.5))
        return np.column_stack([1 - p, p])
    score = score + able * (labels[:, None] == np.arange(score.shape[1]))
    exponent = np.exp(score - score.max(axis=1, keepdims=True))
    softmax: np.ndarray = exponent / exponent.sum(axis=1, keepdims=True)
    return softmax


def signs_p(arm: list[Scores], base: list[Scores], metric: str, flips: np.ndarray) -> float:
    """P of the first version's test: patients' differences with their signs flipped.

    Args:
        metric: acc, sen, spe or auc, in which the difference is a sum over patients.
        flips: (B, P) of -1 and 1.
    """
    names = np.unique(np.concatenate([each.patients for each in arm]))
    total = np.zeros(len(names))
    for one, other in zip(arm, base, strict=True):
        place = np.searchsorted(names, one.patients)
        gain = _gains(one, other, metric)
        total += np.bincount(place, gain, minlength=len(names)) / len(arm)
    reached = np.abs(flips @ total) >= abs(total.sum()) - 1e-12
    return float((1 + reached.sum()) / (1 + len(flips)))


def _gains(arm: Scores, base: Scores, metric: str) -> np.ndarray:
    """(N,) terms of the difference.

    Those of AUC are ranks within the arm against the rivals of both arms: what exchanging an image
    moves while the others stay (Bandos, Rockette, Gur, Statistics in Medicine 2005).
    """
    labels, one, other = arm.labels, arm.p[:, 1], base.p[:, 1]
    if metric != "auc":
        every = np.ones(len(labels), dtype=bool)
        counted = {"sen": labels == 1, "spe": labels == 0}.get(metric, every)
        right = ((one >= 0.5) == labels).astype(float) - ((other >= 0.5) == labels)
        return right * counted / max(counted.sum(), 1)
    one, other, positive = stats.rankdata(one), stats.rankdata(other), labels == 1
    gain = np.empty(len(labels))
    for own, sign in ((positive, 1), (~positive, -1)):
        rivals = np.concatenate([one[~own], other[~own]])
        gain[own] = sign * (_below(rivals, one[own]) - _below(rivals, other[own]))
    return gain / (2 * positive.sum() * (~positive).sum())


def _below(rivals: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How many rivals each value is above, equal ones half."""
    return (rivals < values[:, None]).sum(axis=1) + 0.5 * (rivals == values[:, None]).sum(axis=1)
