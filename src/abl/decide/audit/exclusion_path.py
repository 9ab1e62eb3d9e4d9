"""Theta is lowered until leaving out what is misclassified more often raises the AUC by kappa; and
what leaving out as many at random does.

Source: Rafalo, Zylka, "Persistent Misclassification Analysis for Improving Thyroid Cancer
Classification from Ultrasound Images" (2025), its algorithm and Figure 1: nothing is trained again,
flagged images leave the test sets. AUC rises by construction then, with no wrong label at all,
which is why the floor, the cap and the control are here and not in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import pandas as pd

from abl.decide.audit.appearances import PROBABILITY, Appearances, appearances_of
from abl.decide.audit.kept_auc import KeptAuc
from abl.decide.check import Bools, Floats
from abl.decide.consensus import more_than_share
from abl.errors import InputError

Stop = Literal["kappa", "floor", "cap"]
DRAWS = 100
BAND = (2.5, 97.5)  # per cent of the draws


@dataclass(frozen=True)
class ExclusionRule:
    """When theta stops; every number is the decimal that it is written as.

    Attributes:
        theta: Where it starts; an image is flagged if E / O > theta.
        kappa: Improvement of the mean AUC that ends the loop.
        step: By which theta falls.
        floor: The last theta that is tried.
        cap: Largest share of the images with a test appearance that may be flagged.
        pooled: E and O over all networks; False: each network's own, for its own AUC.
    """

    theta: float = 0.9
    kappa: float = 0.05
    step: float = 0.01
    floor: float = 0.5
    cap: float = 0.2
    pooled: bool = True

    def check(self) -> None:
        """Raises InputError with what no loop can be made of."""
        for name in ("theta", "floor", "cap"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}: {getattr(self, name)} is outside [0, 1]")
        if not 0 < self.step <= 1:
            raise InputError(f"step: {self.step} is not above 0 and at most 1")
        if self.floor > self.theta:
            raise InputError(f"floor: {self.floor} is above theta, {self.theta}")

    def thetas(self) -> list[Fraction]:
        """theta, theta - step, ... down to the floor, exact."""
        start, step, floor = (Fraction(str(each)) for each in (self.theta, self.step, self.floor))
        return [start - at * step for at in range(int((start - floor) / step) + 1)]


@dataclass(frozen=True, eq=False)
class ExclusionPath:
    """What was left out, and what that did to the AUC of the same predictions.

    Attributes:
        theta: Where it stopped.
        stopped: By kappa; by the floor; or by the cap: one step further would pass it.
        images: (N,) names, as in Appearances.
        flagged: Network -> (N,) bool; the same for all where counts are pooled.
        before, after: Network -> mean AUC over its runs.
        improvements: Network -> after - before.
        improvement: Their mean over networks, which kappa is compared with.
        curve: One row a (theta, network), down to the floor or the cap, beyond `theta` too: theta,
            network, excluded (images flagged), auc, undefined (runs that lost a class), random,
            random_low, random_high (mean and 95 % band of the AUC with as many dropped at random).
    """

    theta: float
    stopped: Stop
    images: np.ndarray
    flagged: Mapping[str, Bools]
    before: Mapping[str, float]
    after: Mapping[str, float]
    improvements: Mapping[str, float]
    improvement: float
    curve: pd.DataFrame

    @property
    def excluded(self) -> dict[str, int]:
        """Network -> how many images are flagged."""
        return {name: int(flagged.sum()) for name, flagged in self.flagged.items()}


def exclusion_path(
    rows: pd.DataFrame, rule: ExclusionRule | None = None, *, draws: int = DRAWS, seed: int = 0
) -> ExclusionPath:
    """The loop over theta on test predictions, with its control; no image is trained without.

    Args:
        rows: As appearances_of takes them, and `run`: which training of its network it is.
        draws: Of the control: orders in which images are dropped at random; 0: no control.

    Raises:
        InputError: As ExclusionRule.check; a network whose AUC is undefined in every run.
    """
    rule = rule or ExclusionRule()
    rule.check()
    found = appearances_of(rows)
    seen = found.seen.sum(axis=1) > 0
    paths = _flags_along(found, rule)
    most = rule.cap * int(seen.sum())
    within = [max(int(each.sum()) for each in at.values()) <= most for at in paths]
    last = within.index(False) - 1 if False in within else len(paths) - 1
    if last < 0:
        # even the first theta flags too many: nothing is left out
        none = {name: np.zeros(len(seen), dtype=np.bool_) for name in found.networks}
        paths, last = [none], 0
    paths = paths[: last + 1]
    runs = _runs_of(rows, found)
    nothing = np.zeros(len(seen), dtype=np.bool_)
    auc = {
        name: _mean_auc(runs[name], np.stack([nothing, *(at[name] for at in paths)]))
        for name in found.networks
    }
    _refuse_undefined(auc)
    gain = np.array([[mean - means[0] for mean in means[1:]] for means, _ in auc.values()])
    improvement = gain.mean(axis=0)
    # decimals: 0.85 - 0.8 is 0.04999999999999993 in floating point, and yet it is kappa
    reached = np.flatnonzero(np.round(improvement, 12) >= rule.kappa)
    stop = int(reached[0]) if len(reached) else last
    stopped: Stop = "kappa" if len(reached) else "cap" if False in within else "floor"
    thetas = [float(each) for each in rule.thetas()]
    curve = _curve(runs, paths, auc, thetas, seen, draws, seed)
    names = found.networks
    return ExclusionPath(
        theta=thetas[stop],
        stopped=stopped,
        images=found.images,
        flagged={name: paths[stop][name] for name in names},
        before={name: float(auc[name][0][0]) for name in names},
        after={name: float(auc[name][0][stop + 1]) for name in names},
        improvements={name: float(gain[at, stop]) for at, name in enumerate(names)},
        improvement=float(improvement[stop]),
        curve=curve,
    )


def _flags_along(found: Appearances, rule: ExclusionRule) -> list[dict[str, Bools]]:
    """For each theta, network -> (N,) flagged."""
    path = []
    for theta in rule.thetas():
        if rule.pooled:
            pooled = more_than_share(found.times_wrong, found.times_seen, theta)
            path.append(dict.fromkeys(found.networks, pooled))
        else:
            own = more_than_share(found.wrong, found.seen, theta)
            path.append({name: own[:, at] for at, name in enumerate(found.networks)})
    return path


Run = tuple[np.ndarray, KeptAuc]  # positions of its images; its AUC


def _runs_of(rows: pd.DataFrame, found: Appearances) -> dict[str, list[Run]]:
    at = pd.Index(found.images).get_indexer(rows["image"].to_numpy())
    p = rows.filter(regex=PROBABILITY).to_numpy(dtype=np.float64)
    labels = rows["label"].to_numpy()
    runs: dict[str, list[Run]] = {name: [] for name in found.networks}
    names = rows["network"].astype(str).to_numpy()
    training, _ = pd.factorize(pd.MultiIndex.from_arrays([names, rows["run"].to_numpy()]))
    order = np.argsort(training, kind="stable")
    for own in np.split(order, np.flatnonzero(np.diff(training[order])) + 1):
        runs[names[own[0]]].append((at[own], KeptAuc(labels[own], p[own])))
    return runs


def _mean_auc(runs: list[Run], excluded: Bools) -> tuple[Floats, np.ndarray]:
    """For each row of `excluded` (D, N): mean AUC over the runs, and in how many it is undefined.

    A run that loses a class is left out of that mean alone.
    """
    total, undefined = np.zeros(len(excluded)), np.zeros(len(excluded), dtype=np.int64)
    for positions, auc in runs:
        of_run = auc.of(~excluded[:, positions])
        undefined += np.isnan(of_run)
        total += np.nan_to_num(of_run)
    with np.errstate(invalid="ignore"):
        return total / (len(runs) - undefined), undefined


def _refuse_undefined(auc: Mapping[str, tuple[Floats, np.ndarray]]) -> None:
    bad = [name for name, (means, _) in auc.items() if np.isnan(means[0])]
    if bad:
        raise InputError(
            f"network {bad[0]}: no run's test set holds every class, so that its AUC is undefined"
        )


def _curve(
    runs: Mapping[str, list[Run]], paths: list[dict[str, Bools]],
    auc: Mapping[str, tuple[Floats, np.ndarray]], thetas: list[float], seen: Bools, draws: int,
    seed: int,
) -> pd.DataFrame:  # fmt: skip
    band = _Control(seen, draws, seed)
    lines = []
    for name, of_network in runs.items():
        means, undefined = auc[name]
        counts = [int(at[name].sum()) for at in paths]
        control = band.of(of_network, counts)
        for at, count in enumerate(counts):
            lines.append(
                {"theta": thetas[at], "network": name, "excluded": count, "auc": means[at + 1],
                 "undefined": int(undefined[at + 1]), **control[count]}
            )  # fmt: skip
    frame = pd.DataFrame(lines)
    return frame.sort_values("theta", ascending=False, kind="stable", ignore_index=True)


class _Control:
    """Images dropped at random: the same orders for every network, each count a longer piece."""

    def __init__(self, seen: Bools, draws: int, seed: int):
        random = np.random.default_rng(seed)
        at = np.flatnonzero(seen)
        self._place = np.full((draws, len(seen)), len(seen), dtype=np.int64)
        for row in self._place:
            row[random.permutation(at)] = np.arange(len(at))

    def of(self, runs: list[Run], counts: list[int]) -> dict[int, dict[str, float]]:
        """Count -> mean and band of the AUC."""
        found = {}
        for count in sorted(set(counts)):
            low = mean = high = np.nan
            if len(self._place):
                draws, _ = _mean_auc(runs, self._place < count)
                mean = float(np.mean(draws))
                low, high = (float(end) for end in np.percentile(draws, BAND))
            found[count] = {"random": mean, "random_low": low, "random_high": high}
        return found
