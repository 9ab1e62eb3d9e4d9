"""Probabilities follow the balance of the fit, not the share of the classes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from abl.decide.check import Floats, Ints
from abl.decide.classifiers.balance import Balance, BalanceName
from abl.decide.classifiers.ensembles import likely_weights, mixture, stacked
from abl.decide.classifiers.fitting import FittedScores, fit_and_score
from abl.decide.classifiers.kernels import ComposedKernels, products_of
from abl.decide.classifiers.names import PARAMETERS, UNCALIBRATED
from abl.decide.classifiers.scorers import FeatureScorer, KernelScorer
from abl.decide.ranking import auc

ROWS, TRAINED = 1200, 600


def cases(classes: int = 2) -> tuple[Floats, Ints]:
    """Weak features; the last class has eight in ten of the cases."""
    generator = np.random.default_rng(4)
    share = [0.2 / (classes - 1)] * (classes - 1) + [0.8]
    labels = generator.choice(classes, ROWS, p=share)
    features = generator.normal(size=(ROWS, 6)) + 0.35 * np.eye(classes, 6)[labels]
    return features.astype(np.float32), labels


def fitted(name: str, how: BalanceName, classes: int = 2) -> tuple[FittedScores, Ints]:
    features, labels = cases(classes)
    train, asked = np.arange(TRAINED), np.arange(TRAINED, ROWS)
    balance = Balance(how, ROWS)
    make: Any
    if name in ("svm", "svm_rbf", "logistic"):
        copies = [features] * (3 if how == "flips" else 1)
        kernels = ComposedKernels([products_of(copies, train)])
        make = partial(KernelScorer, name, kernels, balanced=balance.weighs)
    else:
        whole = np.concatenate([features] * 3)
        make = partial(FeatureScorer, name, [whole], balanced=balance.weighs, seed=0)
    given = {**PARAMETERS[name], **({"leaf": 20} if name == "rf" else {})}
    found = fit_and_score(
        make, [given], train, labels[train], train % 5, asked,
        balance=balance, calibrate=name in UNCALIBRATED,
    )  # fmt: skip
    return found, labels[asked]


@pytest.mark.parametrize("how", ["weights", "duplicate", "flips"])
@pytest.mark.parametrize("name", ["svm", "svm_rbf", "logistic", "rf"])
def test_a_balanced_classifier_calls_both_classes(name: str, how: BalanceName) -> None:
    found, labels = fitted(name, how)
    called = found.p[:, 1] >= 0.5
    assert 0.4 < called[labels == 1].mean() < 0.85
    assert 0.4 < 1 - called[labels == 0].mean() < 0.85


def test_without_balance_probabilities_are_those_of_the_classes_as_they_are() -> None:
    found, labels = fitted("svm", "none")
    assert abs(found.p[:, 1].mean() - labels.mean()) < 0.05
    assert (found.p[:, 1] >= 0.5).mean() > 0.9


def test_of_three_classes_each_has_its_third() -> None:
    for how in ("weights", "duplicate"):
        assert np.allclose(fitted("svm", how, classes=3)[0].p.mean(axis=0), 1 / 3, atol=0.05)
    assert fitted("svm", "none", classes=3)[0].p.mean(axis=0)[2] > 0.75


def test_a_balanced_curve_ranks_as_the_decision_values_do() -> None:
    features, labels = cases()
    train, asked = np.arange(TRAINED), np.arange(TRAINED, ROWS)
    kernels = ComposedKernels([products_of([features], train)])
    scorer = KernelScorer("svm", kernels, {"c": 1.0}, balanced=True)
    decisions = scorer(train, labels[train], asked)[:, 0]
    p = fitted("svm", "weights")[0].p[:, 1]
    assert np.array_equal(np.argsort(decisions, kind="stable"), np.argsort(p, kind="stable"))
    assert auc(labels[asked] == 1, decisions) == auc(labels[asked] == 1, p)


def test_stacking_and_weights_keep_the_balance_of_their_parts() -> None:
    parts, labels = [], np.zeros(0, dtype=np.int64)
    for name in ("svm", "rf"):
        found, labels = fitted(name, "weights")
        parts.append(found.p)
    balance = Balance("weights")
    stack, _ = stacked(parts, labels, parts, balance.of_cases(labels))
    assert 0.3 < (stack[:, 1] >= 0.5).mean() < 0.8
    unbalanced, _ = stacked(parts, labels, parts)
    assert (unbalanced[:, 1] >= 0.5).mean() > 0.9

    # one part that says the larger class always, one that knows and is not sure
    wrong = np.tile([0.1, 0.9], (len(labels), 1))
    knows = np.where((labels == 1)[:, None], [0.45, 0.55], [0.55, 0.45])
    weights = likely_weights([wrong, knows], labels, balance.of_cases(labels))
    assert (mixture([wrong, knows], weights).argmax(axis=1) == labels).all()
    assert likely_weights([wrong, knows], labels)[0] > 0.3 > weights[0]
