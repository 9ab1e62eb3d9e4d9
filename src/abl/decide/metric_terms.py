"""Metrics that are sums over images: terms (N,) that depend, given all labels, on that image's
prediction alone.
"""

from __future__ import annotations

import numpy as np

from abl.decide import reliability
from abl.decide.check import Floats, Ints, largest_class


def _recall_terms(labels: Ints, p: Floats) -> Floats:
    """(N, K): [final = label = k] / (images of class k); nan for a class without images."""
    size = p.shape[1]
    terms = np.zeros((len(labels), size))
    images = np.bincount(labels, minlength=size).astype(np.float64)
    correct = largest_class(p) == labels
    terms[np.arange(len(labels)), labels] = correct / images[labels]
    terms[:, images == 0] = np.nan
    return terms


def acc_terms(labels: Ints, p: Floats) -> Floats:
    return (largest_class(p) == labels) / max(len(labels), 1)


def balanced_terms(labels: Ints, p: Floats) -> Floats:
    return _recall_terms(labels, p).mean(axis=1)


def sen_terms(labels: Ints, p: Floats) -> Floats:
    recall = _recall_terms(labels, p)
    return recall[:, 1] if p.shape[1] == 2 else recall.mean(axis=1)


def spe_terms(labels: Ints, p: Floats) -> Floats:
    size = p.shape[1]
    final = largest_class(p)
    columns = [1] if size == 2 else range(size)
    terms = np.zeros(len(labels))
    for column in columns:
        rest = labels != column
        share = int(rest.sum())
        terms += (rest & (final != column)) / share if share else np.nan
    return terms / len(columns)


def youden_terms(labels: Ints, p: Floats) -> Floats:
    offset = 1 / max(len(labels), 1)
    return sen_terms(labels, p) + spe_terms(labels, p) - offset


def brier_terms(labels: Ints, p: Floats) -> Floats:
    return reliability.squared_errors(labels, p) / max(len(labels), 1)
