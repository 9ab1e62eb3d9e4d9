from __future__ import annotations

import numpy as np
import pytest

from abl.decide.metric_names import scores
from abl.decide.reliability import Calibration, fit_calibration
from abl.errors import InputError


def sample(images=5000, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(images, classes))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random(images)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    return labels, logits, p


@pytest.mark.parametrize("classes", [2, 3])
def test_temperature_is_found_again(classes):
    labels, logits, _ = sample(classes=classes)
    sharp = np.exp(3 * logits) / np.exp(3 * logits).sum(axis=1, keepdims=True)
    fitted = fit_calibration("temperature", labels, sharp)
    assert fitted.temperature == pytest.approx(3, rel=0.08)
    before, after = (scores(["ece", "auc"], labels, p) for p in (sharp, fitted.apply(sharp)))
    assert after["ece"] < before["ece"] / 2
    if classes == 2:
        assert after["auc"] == before["auc"]


@pytest.mark.parametrize("classes", [2, 3])
def test_prior_makes_the_mean_probability_the_share_of_each_class(classes):
    labels, _, p = sample(classes=classes)
    shifted = p * np.array([0.2, *[1.0] * (classes - 1)])
    shifted /= shifted.sum(axis=1, keepdims=True)
    corrected = fit_calibration("prior", labels, shifted).apply(shifted)
    share = np.bincount(labels) / len(labels)
    np.testing.assert_allclose(corrected.mean(axis=0), share, atol=1e-6)
    np.testing.assert_allclose(corrected, p, atol=0.04)


def test_none_changes_nothing():
    labels, _, p = sample(images=20)
    np.testing.assert_array_equal(fit_calibration("none", labels, p).apply(p), p)
    np.testing.assert_allclose(Calibration(2.0).apply([[1.0, 0.0]]).sum(), 1)


def test_what_a_user_is_told():
    with pytest.raises(InputError, match="did you mean 'temperature'"):
        fit_calibration("temprature", [0], [[0.5, 0.5]])
    with pytest.raises(InputError, match="no validation image of class 1"):
        fit_calibration("prior", [0], [[0.5, 0.5]])
    with pytest.raises(InputError, match="needs validation images"):
        fit_calibration("temperature", [], np.empty((0, 2)))
