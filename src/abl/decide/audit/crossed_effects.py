"""Binomial mixed model of how often each image is classified wrongly, on one lattice of logits.

E_jm of O_jm test appearances of image j by network m are wrong:

    E_jm ~ Binomial(O_jm, expit(mu_m + u_j + b_jm)),  u_j = c_patient(j) + a_j,

with normal effects of the patient (c), the image (a) and the image by the network (b): appearances
of one image share its difficulty, those by one network share more, and are no independent coin
throws. mu_m is what gives the network's own error rate over the spreads.

Integrals are sums over a lattice: of normal densities they converge faster than any power of the
step (Trefethen, Weideman, SIAM Review 2014, section 5). Images with equal counts are computed once.
Generic mixed models were no way: those of statsmodels take a Laplace or variational approximation
with one posterior mode for 2,000 effects, whose intervals are too short with ten appearances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from abl.decide.check import Floats, Ints

REACH = 5.0  # standard deviations that a lattice spans
MOST_STEPS = 240  # to one side; a lattice is coarser rather than larger


@dataclass(frozen=True)
class Spreads:
    """Standard deviations on the scale of logits; 0: not in the model."""

    image: float
    both: float = 0.0
    patient: float = 0.0

    @property
    def total(self) -> float:
        """Of one image's logit for one network."""
        return float(np.sqrt(self.image**2 + self.both**2 + self.patient**2))


@dataclass(frozen=True, eq=False)
class CountRows:
    """U rows of counts that the model looks at: images, or different patterns of counts.

    Attributes:
        wrong, seen: (U, M).
        times: (U,) how many images have the pattern.
        patient: (U,) 0, 1, ..., sorted; None where each image is its own.
    """

    wrong: Ints
    seen: Ints
    times: Ints
    patient: Ints | None = None


@dataclass(frozen=True, eq=False)
class OnLattice:
    """What the counts say of u at some spreads.

    Attributes:
        likelihood: Log of the probability of all counts.
        weight: (U, G) posterior of u_j, rows sum to 1.
        mean, variance: (U, G) of the image's error rate, which is its mean over the networks, given
            the counts and u.
        step: Of the lattice.
    """

    likelihood: float
    weight: Floats
    mean: Floats
    variance: Floats
    step: float


def network_levels(spreads: Spreads, rates: Floats) -> Floats:
    """(M,) mu: the logits that have the networks' error rates as their means over the spreads."""
    z = np.arange(-24, 25) / 4.0
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    mu = np.log(rates) - np.log1p(-rates)
    for _ in range(50):
        p = scipy.special.expit(mu[:, None] + spreads.total * z)
        move = (rates - p @ weight) / ((p * (1 - p)) @ weight)
        mu = mu + np.clip(move, -1, 1)
        if np.abs(move).max() < 1e-9:
            break
    return mu


class CrossedEffects:
    """The model of some units, for any spreads."""

    def __init__(self, units: CountRows, rates: Floats):
        """rates (M,): share of wrong appearances of each network, in (0, 1)."""
        self.units, self._rates = units, rates
        self._pairs, self._codes = [], []
        for wrong, seen in zip(units.wrong.T, units.seen.T, strict=True):
            pairs, code = np.unique(np.stack([wrong, seen], axis=1), axis=0, return_inverse=True)
            self._pairs.append(pairs)
            self._codes.append(code.reshape(-1))
        self._seen = np.unique(units.seen, axis=0).astype(np.float64)
        if units.patient is not None:
            self._starts = np.flatnonzero(np.diff(units.patient, prepend=-1))

    def log_likelihood(self, spreads: Spreads) -> float:
        """Log of the probability of all counts, but for a constant."""
        lattice = self._lattice(spreads)
        counts = self._log_counts(lattice, spreads)
        if self.units.patient is None:
            alone = scipy.special.logsumexp(counts + lattice.log_prior, axis=1)
            return float(self.units.times @ alone)
        _, of_patients = self._by_patient(counts, lattice, spreads)
        return float(of_patients.sum())

    def on_lattice(self, spreads: Spreads) -> OnLattice:
        """Posterior of every unit at these spreads."""
        lattice = self._lattice(spreads)
        counts = self._log_counts(lattice, spreads)
        if self.units.patient is None:
            joint = counts + lattice.log_prior
            likelihood = float(self.units.times @ scipy.special.logsumexp(joint, axis=1))
        else:
            joint, of_patients = self._by_patient(counts, lattice, spreads)
            likelihood = float(of_patients.sum())
        weight = np.exp(joint - scipy.special.logsumexp(joint, axis=1, keepdims=True))
        mean, variance = np.zeros_like(weight), np.zeros_like(weight)
        for at, code in enumerate(self._codes):
            first, second = self._moments(at, lattice, spreads)
            mean += first[code]
            variance += second[code]
        networks = len(self._codes)
        return OnLattice(likelihood, weight, mean / networks, variance / networks**2, lattice.step)

    def _lattice(self, spreads: Spreads) -> _Lattice:
        own = float(np.hypot(spreads.image, spreads.patient))
        # narrowest likelihood of u: n trials say at most n / 4, and b blurs each network
        with np.errstate(divide="ignore"):
            known = (1 / (4 / self._seen + spreads.both**2)).sum(axis=1).max()
        step = max(
            min(spreads.image / 4, own / 6, 1 / np.sqrt(max(known, 1e-9))),
            REACH * own / MOST_STEPS,
        )
        return _Lattice(step, spreads, network_levels(spreads, self._rates))

    def _log_counts(self, lattice: _Lattice, spreads: Spreads) -> Floats:
        """(U, G) log probability of each unit's counts given u."""
        total = np.zeros((len(self.units.wrong), len(lattice.u)))
        for at, code in enumerate(self._codes):
            total += lattice.log_table(self._pairs[at], at)[code]
        return total

    def _moments(self, at: int, lattice: _Lattice, spreads: Spreads) -> tuple[Floats, Floats]:
        """(D, G) mean and variance of one network's probability of an error, given u."""
        likelihood = np.exp(lattice.log_binomial(self._pairs[at], at))
        p = lattice.rate(at)
        none = likelihood @ lattice.blur + 1e-300  # far from the counts it underflows
        mean = (likelihood * p) @ lattice.blur / none
        square = (likelihood * p**2) @ lattice.blur / none
        return mean, np.maximum(square - mean**2, 0)

    def _by_patient(
        self, counts: Floats, lattice: _Lattice, spreads: Spreads
    ) -> tuple[Floats, Floats]:
        """(U, G) log joint of u and all counts of its patient; (patients,) log likelihoods."""
        top = counts.max(axis=1, keepdims=True)
        # of each image given its patient's effect
        given = np.log(np.exp(counts - top) @ lattice.within + 1e-300) + top
        together = np.add.reduceat(given, self._starts, axis=0) + lattice.log_patient
        of_patients = scipy.special.logsumexp(together, axis=1)
        others = together[self.units.patient] - given
        highest = others.max(axis=1, keepdims=True)
        prior = np.exp(others - highest) @ lattice.within.T
        return counts + np.log(prior + 1e-300) + highest, of_patients


class _Lattice:
    """Points of u, of u + b, and of the patients' effects, one step apart; sums for integrals."""

    def __init__(self, step: float, spreads: Spreads, mu: Floats):
        self.step, self._mu = step, mu
        own = float(np.hypot(spreads.image, spreads.patient))
        reach = int(np.ceil(REACH * own / step))
        places = np.arange(-reach, reach + 1)
        self.u = places * step
        further = int(np.ceil(REACH * spreads.both / step)) if spreads.both else 0
        wide = np.arange(-reach - further, reach + further + 1)
        self._v = wide * step
        self.blur = _kernel(wide[:, None] - places, step, spreads.both)
        self.log_prior = np.log(_kernel(places, step, own) + 1e-300)
        patients = int(np.ceil(REACH * spreads.patient / step)) if spreads.patient else 0
        patient = np.arange(-patients, patients + 1)
        self.within = _kernel(places[:, None] - patient, step, spreads.image)
        self.log_patient = np.log(_kernel(patient, step, spreads.patient) + 1e-300)

    def rate(self, network: int) -> Floats:
        """(V,) probability of an error at each u + b."""
        found: Floats = scipy.special.expit(self._mu[network] + self._v)
        return found

    def log_binomial(self, pairs: Ints, network: int) -> Floats:
        """(D, V) of pairs (wrong, seen), each but for its largest value over V."""
        wrong, seen = pairs[:, :1].astype(np.float64), pairs[:, 1:].astype(np.float64)
        logit = self._mu[network] + self._v
        found = wrong * logit - seen * np.logaddexp(0, logit)
        return found - found.max(axis=1, keepdims=True)

    def log_table(self, pairs: Ints, network: int) -> Floats:
        """(D, G) log probability of pairs (wrong, seen) given u."""
        wrong, seen = pairs[:, :1].astype(np.float64), pairs[:, 1:].astype(np.float64)
        logit = self._mu[network] + self._v
        top = (wrong * logit - seen * np.logaddexp(0, logit)).max(axis=1, keepdims=True)
        ways = (
            scipy.special.gammaln(seen + 1)
            - scipy.special.gammaln(wrong + 1)
            - scipy.special.gammaln(seen - wrong + 1)
        )
        blurred = np.exp(self.log_binomial(pairs, network)) @ self.blur
        return np.log(blurred + 1e-300) + top + ways


def _kernel(places: Ints, step: float, sd: float) -> Floats:
    """Probabilities of a normal effect at so many steps from its mean; columns sum to 1.

    Where the effect is narrower than a step, three points with its variance stand for it.
    """
    if sd < 0.7 * step:
        side = (sd / step) ** 2 / 2
        return np.where(places == 0, 1 - 2 * side, np.where(np.abs(places) == 1, side, 0.0))
    found = np.exp(-((places * step / sd) ** 2) / 2)
    total: Floats = found / found.sum(axis=0)
    return total
