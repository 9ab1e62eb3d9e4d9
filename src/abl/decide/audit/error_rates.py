"""Posterior of each image's error rate: how often a network of those asked, trained on a split of
these data, gets the image wrong.

The model is that of crossed_effects.py. Its spreads are integrated over a small grid about their
posterior mode, with half-normal priors on the scale of logits (Gelman, Bayesian Analysis 2006), as
integrated nested Laplace approximations do it (Rue, Martino, Chopin, JRSS B 2009, section 3.2).
Coverage of the intervals is simulated in `benchmarks/audit.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from abl.decide.audit.appearances import Appearances
from abl.decide.audit.crossed_effects import CountRows, CrossedEffects, OnLattice, Spreads
from abl.decide.check import Floats, Ints
from abl.errors import InputError

PRIOR = {"image": 2.0, "both": 1.0, "patient": 1.0}  # scales of the half-normals
SMALLEST, LARGEST = 0.03, 8.0  # spreads that are tried
FITTED = 2_000  # units that the spreads are fitted on; with more they are known well
BLOCK = 1_000  # units whose posteriors are held at once
BINS = np.linspace(-16, 16, 321)  # logits of error rates that posteriors are collected in
HALVINGS = 26


@dataclass(frozen=True, eq=False)
class ErrorRates:
    """Of N images, nan where an image was in no test set: not known.

    Attributes:
        mean: (N,) posterior mean of the error rate, which is the mean over the networks.
        low, high: (N,) equal-tailed 95 % interval.
        above: (N,) probability that the rate is more than theta.
        theta: That theta.
        spreads, spread_weights: The grid, and its posterior weights.
        rates: (M,) error rate of each network over all its test appearances.
    """

    mean: Floats
    low: Floats
    high: Floats
    above: Floats
    theta: float
    spreads: tuple[Spreads, ...]
    spread_weights: Floats
    rates: Floats

    @property
    def typical(self) -> Spreads:
        """Posterior means of the spreads."""
        weights = self.spread_weights
        return Spreads(
            *(
                float(weights @ [getattr(each, name) for each in self.spreads])
                for name in ("image", "both", "patient")
            )
        )


def error_rates(found: Appearances, theta: float = 0.9, *, by_patient: bool = True) -> ErrorRates:
    """Posterior error rates of all images.

    Args:
        theta: Of `above`.
        by_patient: Whether images of one patient share an effect, where patients have several.

    Raises:
        InputError: No image was in a test set.
    """
    seen = found.times_seen > 0
    if not seen.any():
        raise InputError("no image was in a test set: nothing is known of any")
    units, place = _units(found, seen, by_patient=by_patient)
    rates = network_rates(found)
    spreads, weights = _posterior_spreads(units, rates)
    if len(units.wrong) > FITTED:
        at = int(np.argmax(weights))
        spreads, weights = (spreads[at],), np.ones(1)
    of_units = np.full((4, len(units.wrong)), np.nan)
    for block in _blocks(units):
        part = _part(units, block)
        model = CrossedEffects(part, rates)
        of_units[:, block] = _summarised(
            [model.on_lattice(each) for each in spreads], weights, theta
        )
    values = np.full((4, len(seen)), np.nan)
    values[:, seen] = of_units[:, place]
    mean, low, high, above = values
    return ErrorRates(mean, low, high, above, theta, spreads, weights, rates)


def network_rates(found: Appearances) -> Floats:
    """(M,) share of wrong test appearances, with half a one more of either kind: never 0 or 1."""
    rates: Floats = (found.wrong.sum(axis=0) + 0.5) / (found.seen.sum(axis=0) + 1.0)
    return rates


def _units(found: Appearances, seen: np.ndarray, *, by_patient: bool) -> tuple[CountRows, Ints]:
    """What the model looks at, and for each image seen its place among them."""
    wrong, times = found.wrong[seen], found.seen[seen]
    patients, patient = np.unique(found.patients[seen].astype(str), return_inverse=True)
    if by_patient and len(patients) < len(patient):
        order = np.argsort(patient, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        ones = np.ones(len(order), dtype=np.int64)
        return CountRows(wrong[order], times[order], ones, patient[order].astype(np.int64)), place
    networks = wrong.shape[1]
    patterns, place, count = np.unique(
        np.concatenate([wrong, times], axis=1), axis=0, return_inverse=True, return_counts=True
    )
    return CountRows(patterns[:, :networks], patterns[:, networks:], count), place.reshape(-1)


def _posterior_spreads(units: CountRows, rates: Floats) -> tuple[tuple[Spreads, ...], Floats]:
    """The grid about the mode, along the axes of the curvature there, and its weights."""
    model = CrossedEffects(_few(units), rates)
    names = ["image"]
    names += ["both"] if units.wrong.shape[1] > 1 else []
    names += ["patient"] if units.patient is not None else []

    def spreads_at(log_sd: Floats) -> Spreads:
        sd = np.exp(np.clip(log_sd, np.log(SMALLEST), np.log(LARGEST)))
        return Spreads(**dict(zip(names, sd.tolist(), strict=True)))

    def log_posterior(log_sd: Floats) -> float:
        spreads = spreads_at(log_sd)
        # densities of half-normals in the logarithm of the spread
        prior = sum(
            float(at) - (getattr(spreads, name) / PRIOR[name]) ** 2 / 2
            for name, at in zip(names, log_sd, strict=True)
        )
        return model.log_likelihood(spreads) + prior

    start = np.log([{"image": 1.0, "both": 0.5, "patient": 0.5}[name] for name in names])
    simplex = np.vstack([start, start + 0.7 * np.eye(len(names))])
    mode = scipy.optimize.minimize(
        lambda at: -log_posterior(at), start, method="Nelder-Mead",
        bounds=[(np.log(SMALLEST), np.log(LARGEST))] * len(names),
        options={"xatol": 0.02, "fatol": 0.02, "maxfev": 120, "initial_simplex": simplex},
    ).x  # fmt: skip
    axes = _axes(log_posterior, mode)
    points = np.arange(-2.0, 2.5) if len(names) < 3 else np.array([-1.5, 0.0, 1.5])
    mesh = np.stack(np.meshgrid(*[points] * len(names)), axis=-1).reshape(-1, len(names))
    nodes = np.clip(mode + mesh @ axes, np.log(SMALLEST), np.log(LARGEST))
    density = np.array([log_posterior(node) for node in nodes])
    weights = np.exp(density - density.max())
    keep = weights > 1e-3
    weights = weights[keep] / weights[keep].sum()
    return tuple(spreads_at(node) for node in nodes[keep]), weights


def _axes(value: Callable[[Floats], float], mode: Floats, step: float = 0.2) -> Floats:
    """(d, d) rows: standard deviations along the axes of the curvature at the mode."""
    size = len(mode)
    moves = step * np.eye(size)
    curvature = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            a, b = moves[i], moves[j]
            curvature[i, j] = curvature[j, i] = (
                value(mode + a + b) - value(mode + a - b)
                - value(mode - a + b) + value(mode - a - b)
            ) / (4 * step**2)  # fmt: skip
    values, vectors = np.linalg.eigh(-curvature)
    # where a spread is hardly known the prior bounds it: an octave either way
    sd = 1 / np.sqrt(np.clip(values, 1.0, None))
    axes: Floats = (vectors * sd).T
    return axes


def _few(units: CountRows) -> CountRows:
    """At most about FITTED images, evenly over the patterns, or over the patients."""
    images = int(units.times.sum())
    if len(units.wrong) <= FITTED:
        return units
    if units.patient is None:
        chosen = np.linspace(0, images - 1, FITTED).astype(np.int64)
        at, times = np.unique(np.searchsorted(np.cumsum(units.times), chosen, side="right"),
                              return_counts=True)  # fmt: skip
        return CountRows(units.wrong[at], units.seen[at], times)
    every = int(np.ceil(images / FITTED))
    at = np.flatnonzero(units.patient % every == 0)
    return _part(units, at)


def _blocks(units: CountRows) -> list[np.ndarray]:
    """Positions of units to look at together; a patient's images are never parted."""
    count = len(units.wrong)
    starts = np.arange(count)
    if units.patient is not None:
        starts = np.flatnonzero(np.diff(units.patient, prepend=-1))
    firsts = starts[np.flatnonzero(np.diff(starts // BLOCK, prepend=-1))]
    return np.split(np.arange(count), firsts[1:])


def _part(units: CountRows, at: np.ndarray) -> CountRows:
    patient = None
    if units.patient is not None:
        patient = np.unique(units.patient[at], return_inverse=True)[1].astype(np.int64)
    return CountRows(units.wrong[at], units.seen[at], units.times[at], patient)


def _summarised(parts: list[OnLattice], weights: Floats, theta: float) -> Floats:
    """(4, U) mean, low, high, P(rate > theta) of the mixture over spreads and u.

    Given spreads and u, the rate is taken as normal on the scale of logits, with the moments that
    it has; components are collected in BINS of their mean.
    """
    size = len(parts[0].weight)
    mean = np.zeros(size)
    total, blur = np.zeros((size, len(BINS))), np.zeros((size, len(BINS)))
    row = np.arange(size)[:, None]
    for part, weight in zip(parts, weights, strict=True):
        component = weight * part.weight
        mean += (component * part.mean).sum(axis=1)
        slope = np.maximum(part.mean * (1 - part.mean), 1e-12)
        logit = np.log(np.maximum(part.mean, 1e-12)) - np.log(np.maximum(1 - part.mean, 1e-12))
        # between two points of the lattice the rate moves with u
        variance = part.variance / slope**2 + part.step**2 / 12
        place = np.clip(np.searchsorted(BINS, logit), 0, len(BINS) - 1)
        flat = (row * len(BINS) + place).ravel()
        cells = size * len(BINS)
        total += np.bincount(flat, component.ravel(), cells).reshape(size, -1)
        blur += np.bincount(flat, (component * variance).ravel(), cells).reshape(size, -1)
    used = total > 1e-9
    sd = np.sqrt(np.divide(blur, total, out=np.ones_like(blur), where=used))
    total = np.where(used, total, 0)
    total /= total.sum(axis=1, keepdims=True)
    centres = BINS - (BINS[1] - BINS[0]) / 2

    def below(logit: Floats) -> Floats:
        found: Floats = (total * scipy.special.ndtr((logit[:, None] - centres) / sd)).sum(axis=1)
        return found

    def quantile(share: float) -> Floats:
        low, high = np.full(size, BINS[0] - 4), np.full(size, BINS[-1] + 4)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            under = below(middle) < share
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return 1 / (1 + np.exp(-(low + high) / 2))

    if 0 < theta < 1:
        above = 1 - below(np.full(size, np.log(theta) - np.log1p(-theta)))
    else:
        above = np.full(size, 1.0 if theta <= 0 else 0.0)
    return np.stack([mean, quantile(0.025), quantile(0.975), np.clip(above, 0, 1)])
