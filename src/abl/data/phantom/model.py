"""The statistical model behind the generated labels, and the best that any classifier can do.

A nodule has a look (benign, ambiguous or malignant); given the look its B-mode features are
independent normal scores. Stiffness is a normal score given the class. Given the class B-mode
and stiffness are independent, so their log likelihood ratios add. The label is drawn from the
P(malignant) that follows from the features by Bayes' rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abl.spec.data import Phantom

FEATURES = ("echogenicity", "margin", "taller", "calcification", "halo")  # high = suspicious
SHIFTS = np.array([1.8, 1.8, 1.5, 1.5, 1.5])  # mean of each score in the malignant look
STIFFNESS_SHIFT = 0.77  # so that stiffness alone has AUC Phi(0.77 * sqrt 2) = 0.862
ATYPICAL = 0.06  # share of each class, besides the rare subtypes, with the look of the other
NODE_A = (0.3, 0.7)  # P(lymph node in the frame | benign), (| malignant), at centre A
NODE_B = (0.5, 0.5)
MODALITIES = ("bmode", "elasticity", "both", "frame")


@dataclass(frozen=True)
class Chances:
    """P(malignant) of N nodules, float64 (N,) each, given ...

    Attributes:
        bmode: the B-mode features.
        elasticity: the stiffness.
        both: both of these. The label is drawn from this one.
        frame: the B-mode features and whether a lymph node is in the frame.
    """

    bmode: np.ndarray
    elasticity: np.ndarray
    both: np.ndarray
    frame: np.ndarray


def look_shares(settings: Phantom) -> np.ndarray:
    """P(look | class), (2, 3): rows benign, malignant; looks benign, ambiguous, malignant."""
    other = ATYPICAL + settings.rare
    own = 1.0 - settings.ambiguous - other
    return np.array([[own, settings.ambiguous, other], [other, settings.ambiguous, own]])


def features_of(
    settings: Phantom, prevalence: np.ndarray, uniforms: np.ndarray, normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of N nodules, from their distribution over both classes; no label yet.

    Args:
        prevalence: (N,), that of each nodule's centre.
        uniforms: (N, 2). normals: (N, 6). Independent standard draws.

    Returns:
        B-mode scores (N, 5), stiffness scores (N,), looks int64 (N,): -1, 0 or 1.
    """
    # the component only mixes: the label is drawn afterwards, from the features
    component = (uniforms[:, 0] < prevalence).astype(np.int64)
    edges = np.cumsum(look_shares(settings), axis=1)[component]
    look = (uniforms[:, 1, None] >= edges[:, :2]).sum(axis=1) - 1
    scores = look[:, None] * SHIFTS + normals[:, :5]
    stiffness = (2 * component - 1) * STIFFNESS_SHIFT + normals[:, 5]
    return scores, stiffness, look


def look_densities(scores: np.ndarray) -> np.ndarray:
    """p(scores | look) up to a factor common to the looks, (N, 3)."""
    logs = np.stack(
        [look * (scores @ SHIFTS) - (look**2) * 0.5 * (SHIFTS @ SHIFTS) for look in (-1, 0, 1)],
        axis=1,
    )
    return np.exp(logs - logs.max(axis=1, keepdims=True))


def chances_of(
    settings: Phantom,
    prevalence: np.ndarray,
    scores: np.ndarray,
    stiffness: np.ndarray,
    node: np.ndarray,
    at_b: np.ndarray,
) -> Chances:
    """P(malignant) by Bayes' rule.

    Args:
        node: bool (N,), a lymph node is in the frame. Only `frame` depends on it.
        at_b: bool (N,), the nodule is from centre B.
    """
    likelihood = look_densities(scores) @ look_shares(settings).T
    prior = np.log(prevalence) - np.log1p(-prevalence)
    bmode = np.log(likelihood[:, 1]) - np.log(likelihood[:, 0])
    elasticity = 2 * STIFFNESS_SHIFT * stiffness
    shortcut = np.zeros_like(bmode)
    if settings.distractors:
        present = node_chance(at_b, np.ones_like(at_b)), node_chance(at_b, np.zeros_like(at_b))
        ratio = np.where(node, present[0] / present[1], (1 - present[0]) / (1 - present[1]))
        shortcut = np.log(ratio)
    evidence = (bmode, elasticity, bmode + elasticity, bmode + shortcut)
    return Chances(*(1.0 / (1.0 + np.exp(-(prior + ratio))) for ratio in evidence))


def node_chance(at_b: np.ndarray, label: np.ndarray) -> np.ndarray:
    """P(lymph node in the frame | centre, label), (N,)."""
    return np.where(at_b, np.take(NODE_B, label), np.take(NODE_A, label))


def rare_chance(settings: Phantom, scores: np.ndarray, label: np.ndarray) -> np.ndarray:
    """P(rare subtype | B-mode scores, class), (N,): its look is that of the other class."""
    densities = look_densities(scores)
    rows = np.arange(len(label))
    own = (densities @ look_shares(settings).T)[rows, label]
    return settings.rare * densities[rows, np.where(label == 1, 0, 2)] / own


def prevalences(settings: Phantom, at_b: np.ndarray) -> np.ndarray:
    """P(malignant) before any image is seen, (N,)."""
    return np.where(at_b, settings.prevalence_b, settings.prevalence)


def bayes_ceiling(settings: Phantom, *, nodules: int = 200_000) -> dict[str, dict[str, float]]:
    """The expected test scores of the classifier that knows the features and their distribution.

    No network can do better in expectation on the true labels, by image or by nodule. Integrated
    by Monte Carlo over the features; the label is integrated exactly, through P(malignant), so
    with 200,000 nodules the standard error is below 0.001.

    Returns:
        modality (bmode, elasticity, both, frame) -> accuracy, auc, f1. `frame` also uses the
        lymph node that goes with the label at centre A: what a network that sees whole frames
        may reach. accuracy and f1 are of the decision P >= 0.5. With `task: source` the label is
        seen in the B-mode image without doubt, and elasticity says nothing.
    """
    draw = np.random.default_rng(0)  # unrelated to the seed of the set
    at_b = draw.random(nodules) < settings.centre_b
    prevalence = prevalences(settings, at_b)
    scores, stiffness, _ = features_of(
        settings, prevalence, draw.random((nodules, 2)), draw.standard_normal((nodules, 6))
    )
    nowhere = np.zeros(nodules, dtype=bool)
    truth = chances_of(settings, prevalence, scores, stiffness, nowhere, at_b).both
    label = (draw.random(nodules) < truth).astype(np.int64)
    node = draw.random(nodules) < node_chance(at_b, label)
    chances = chances_of(settings, prevalence, scores, stiffness, node, at_b)
    if settings.task == "source":
        chances = source_chances(prevalence, (draw.random(nodules) < prevalence).astype(np.int64))
    return {name: _scores_of_calibrated(getattr(chances, name)) for name in MODALITIES}


def source_chances(prevalence: np.ndarray, label: np.ndarray) -> Chances:
    """P(label 1) for `task: source`: the fluid is there to see, in B-mode alone."""
    certain = label.astype(np.float64)
    return Chances(certain, prevalence, certain, certain)


def _scores_of_calibrated(p: np.ndarray) -> dict[str, float]:
    """Expected accuracy, AUC and F1 when p is the true probability of each case."""
    p = np.sort(p)
    positive, negative = p, 1 - p
    called = p >= 0.5
    # negatives below each case; of those tied with it half
    _, tie = np.unique(p, return_inverse=True)
    tied = np.bincount(tie, weights=negative)
    below = (np.cumsum(tied) - 0.5 * tied)[tie]
    return {
        "accuracy": float(np.maximum(p, 1 - p).mean()),
        "auc": float((positive * below).sum() / (positive.sum() * negative.sum())),
        "f1": float(2 * positive[called].sum() / (called.sum() + positive.sum())),
    }
