"""Classifiers of features: each fits some rows and gives decision values of others.

One process, one thread, a fixed order of every sum: the same bits in any process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import scipy
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from abl.decide.check import Floats, Ints
from abl.decide.classifiers.kernels import ComposedKernels
from abl.decide.classifiers.one_thread import one_thread


class Scorer(Protocol):
    """A classifier with its parameters, over rows that are known by position."""

    def __call__(self, rows: Ints, labels: Ints, asked: Ints) -> Floats:
        """Fits rows (n,) with labels (n,) in 0 .. K - 1; decision values (m, K) of rows asked.

        Of two classes (m, 1): larger is class 1. Those of classifiers that are not in
        names.UNCALIBRATED are probabilities.
        """


class KernelScorer:
    """svm, svm_rbf, logistic (with an L2 penalty), of composed kernels.

    Logistic regression of features is that of the coordinates in which their kernel is an inner
    product (representer theorem), of which there are as many as rows, and not as columns.

    Args:
        name: Of names.KERNEL_CLASSIFIERS.
        kernels: Of the networks' concatenated features.
        parameters: c; gamma of svm_rbf, or `scale`.
        balanced: Whether classes weigh the same.
    """

    def __init__(
        self,
        name: str,
        kernels: ComposedKernels,
        parameters: Mapping[str, Any],
        *,
        balanced: bool,
    ):
        gamma = parameters.get("gamma", "scale")
        self._name, self._c = name, float(parameters["c"])
        self._kernel = kernels.of(
            "rbf" if name == "svm_rbf" else "linear",
            None if gamma == "scale" else float(gamma),
        )
        self._place = np.full(len(self._kernel), -1, dtype=np.int64)
        self._place[kernels.columns] = np.arange(len(kernels.columns))
        self._weight = "balanced" if balanced else None

    def __call__(self, rows: Ints, labels: Ints, asked: Ints) -> Floats:
        columns = self._place[rows]
        known, wanted = self._kernel[np.ix_(rows, columns)], self._kernel[np.ix_(asked, columns)]
        with one_thread():
            if self._name == "logistic":
                known, wanted = _coordinates(known, wanted)
            classes = np.unique(labels)
            wanted_classes = classes[1:] if len(classes) == 2 else classes
            return np.column_stack(
                [self._one(known, labels == each, wanted) for each in wanted_classes]
            )

    def _one(self, known: Floats, positive: np.ndarray, wanted: Floats) -> Floats:
        model: Any
        if self._name == "logistic":
            model = LogisticRegression(C=self._c, class_weight=self._weight, max_iter=1000)
        else:
            model = SVC(kernel="precomputed", C=self._c, class_weight=self._weight)
        model.fit(known, positive)
        decisions: Floats = model.decision_function(wanted)
        return scipy.special.expit(decisions) if self._name == "logistic" else decisions


def _coordinates(known: Floats, wanted: Floats) -> tuple[Floats, Floats]:
    """Points whose inner products are a kernel: (n, r) of fitted rows, (m, r) of others."""
    values, vectors = np.linalg.eigh((known + known.T) / 2)
    kept = values > 1e-10 * max(float(values.max()), 1e-300)
    roots = np.sqrt(values[kept])
    return vectors[:, kept] * roots, wanted @ vectors[:, kept] / roots


class FeatureScorer:
    """rf and boosting, of the concatenated features themselves; scaling does not change them.

    Args:
        name: Of names.FEATURE_CLASSIFIERS.
        features: float32 (R, width) one a network, in a fixed order, as draws depend on it.
        parameters: trees, leaf (smallest), features (share of the columns that a split may use, or
            sqrt); boosting: trees, rate, leaves, features.
    """

    def __init__(
        self,
        name: str,
        features: Sequence[np.ndarray],
        parameters: Mapping[str, Any],
        *,
        balanced: bool,
        seed: int,
    ):
        self._name, self._features = name, features
        self._parameters, self._seed = parameters, seed % 2**32
        self._weight = "balanced" if balanced else None

    def __call__(self, rows: Ints, labels: Ints, asked: Ints) -> Floats:
        known, wanted = (
            np.concatenate([each[at] for each in self._features], axis=1) for at in (rows, asked)
        )
        with one_thread():
            model = self._model(known.shape[1])
            model.fit(known, labels)
            p = model.predict_proba(wanted)
        return p[:, 1:] if p.shape[1] == 2 else p

    def _model(self, width: int) -> Any:
        given = self._parameters
        share = 1 / np.sqrt(width) if given["features"] == "sqrt" else float(given["features"])
        if self._name == "rf":
            return RandomForestClassifier(
                n_estimators=int(given["trees"]),
                min_samples_leaf=int(given["leaf"]),
                max_features=share if given["features"] != "sqrt" else "sqrt",
                class_weight=self._weight,
                random_state=self._seed,
                n_jobs=1,  # several jobs add up in the order in which they end
            )
        return HistGradientBoostingClassifier(
            max_iter=int(given["trees"]),
            learning_rate=float(given["rate"]),
            max_leaf_nodes=int(given["leaves"]),
            max_features=min(share, 1.0),
            class_weight=self._weight,
            early_stopping=False,
            random_state=self._seed,
        )
