"""Classifiers of features by name, with the parameters that each has and their usual values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KERNEL_CLASSIFIERS = ("svm", "svm_rbf", "logistic")
FEATURE_CLASSIFIERS = ("rf", "boosting")
CLASSIFIERS = (*KERNEL_CLASSIFIERS, *FEATURE_CLASSIFIERS)
# their decision values are no probabilities
UNCALIBRATED = ("svm", "svm_rbf")
# they draw random numbers
SEEDED = FEATURE_CLASSIFIERS

PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "svm": {"c": 1.0},
    "svm_rbf": {"c": 1.0, "gamma": "scale"},
    "logistic": {"c": 1.0},
    "rf": {"trees": 200, "leaf": 1, "features": "sqrt"},
    "boosting": {"trees": 100, "rate": 0.1, "leaves": 15, "features": "sqrt"},
}
