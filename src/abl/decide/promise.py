"""A T* that keeps a promise: a stated risk stays under a stated level with a stated confidence.

Learn-then-test (Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then test: calibrating predictive
algorithms to achieve risk control", 2021, arXiv 2110.01052): for a T*, "the risk is above the
level" is a hypothesis with a P value from validation images; T* are tested from the safest down
until one is not rejected, so that the chance of ever rejecting a true one is at most
1 - confidence.

The unit is the patient. A patient's loss is the mean over the images that count of whether each is
wrong; patients are independent, images of one patient are not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from abl.decide.check import DIGITS, Bools, Floats, Ints, checked_labels, largest_class
from abl.decide.risk_bounds import fewest_patients, risk_p_value
from abl.decide.rules import rule_named, rule_path
from abl.errors import InputError, Problem, nearest, raise_if_any

RISKS = {
    "error": "error among the images not sent on",
    "missed": "share of malignant images that are not sent on and called benign",
}


@dataclass(frozen=True)
class Promise:
    """What a T* has to keep.

    Attributes:
        risk: `error`: a patient's share of wrong images among those not sent on, mean over the
            patients with such images. `missed`: a patient's share of malignant images that are
            not sent on and called benign, mean over the patients with malignant images.
        level: The risk stays under it.
        confidence: In this share of validation sets at least.

    Raises:
        InputError: With every value that is wrong.
    """

    risk: str = "error"
    level: float = 0.05
    confidence: float = 0.9

    def __post_init__(self) -> None:
        problems = []
        if self.risk not in RISKS:
            problems.append(f"risk: '{self.risk}' is not known: {nearest(self.risk, RISKS)}")
        for name, value in (("level", self.level), ("confidence", self.confidence)):
            if not 0 < value < 1:
                problems.append(f"{name}: {value} is not between 0 and 1")
        raise_if_any([Problem(text) for text in problems])

    @property
    def alpha(self) -> float:
        """The chance that the promise is broken."""
        return round(1 - self.confidence, DIGITS)

    def __str__(self) -> str:
        return (
            f"{RISKS[self.risk]} at most {100 * self.level:g} %, "
            f"with {100 * self.confidence:g} % confidence"
        )


@dataclass(frozen=True)
class PromisedThreshold:
    """The smallest T* that keeps a promise, and what is seen there on the validation images.

    Attributes:
        threshold: T*; infinity is `always`.
        risk: Mean loss of the patients who count.
        p: P value of "the risk is above the level".
        patients: How many count.
    """

    threshold: float
    risk: float
    p: float
    patients: int


def promised_threshold(
    labels: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    rule: str,
    patients: ArrayLike,
    promise: Promise,
    *,
    false_threshold: float | None = None,
) -> PromisedThreshold:
    """The smallest T* that keeps the promise, by learn-then-test on these (validation) images.

    `missed` falls with T* whatever the data, and is tested from `always` down. `error` is of the
    patients with images left, of whom there are none at `always`: it is tested from where so many
    are left that the promise is kept with one error among them, or with none if that is more than
    half of all. That start reads no label. It costs nothing as long as images of lower confidence
    are not more often right than those of higher confidence.

    Args:
        labels: (N,) int.
        predictions: Network -> (N, K).
        patients: (N,) names.
        false_threshold: As in Decision.

    Raises:
        InputError: No T* keeps the promise; a rule without T*; `missed` for more than two classes;
            unfit arrays.
    """
    chosen = rule_named(rule)
    if not chosen.has_threshold:
        raise InputError(f"rule '{rule}' has no threshold to choose")
    kept, _, confidence = rule_path(chosen, predictions, false_threshold=false_threshold)
    truth = checked_labels(labels, kept.shape[1])
    names = np.asarray(patients)
    if not len(truth) == len(names) == len(kept):
        raise InputError(
            f"predictions: {len(kept)} rows for {len(truth)} labels and {len(names)} patients"
        )
    if promise.risk == "missed" and kept.shape[1] != 2:
        raise InputError(f"risk 'missed' is for two classes, and these have {kept.shape[1]}")
    counts, wrong = _counted(promise.risk, truth, kept)
    if not counts.any():
        raise InputError(f"no T* keeps the promise ({promise}): no image counts")
    path = _losses(promise.risk, confidence[counts], wrong[counts], names[counts])
    p = risk_p_value(path.total, path.patients, promise.level, binary=path.binary)
    start = 0 if promise.risk == "missed" else _start(promise, path)
    rejected = p[start:] <= promise.alpha
    if not rejected.size or not rejected[0]:
        raise InputError(_none(promise, path, p, start))
    last = start + (len(rejected) if rejected.all() else int(np.argmin(rejected))) - 1
    threshold = 0.0  # nothing has to be sent on
    if last < len(p) - 1:
        # down to the next image that counts; those between do not
        above = confidence[confidence > path.threshold[last + 1]]
        threshold = float(above.min(initial=math.inf))
    count = int(path.patients[last])
    return PromisedThreshold(threshold, float(path.total[last] / count), float(p[last]), count)


def promised_risk(
    risk: str, labels: ArrayLike, p: Floats, sent: ArrayLike, patients: ArrayLike
) -> float:
    """A risk as it is on other images: mean loss of the patients who count; nan if there is none.

    Args:
        risk: One of RISKS.
        labels, p: (N,) int and (N, K), as decided.
        sent: (N,) bool, which of them were sent on.
        patients: (N,) names.
    """
    truth, gone = np.asarray(labels), np.asarray(sent, dtype=bool)
    counts, wrong = _counted(risk, truth, p)
    if risk == "error":
        counts = counts & ~gone
    if not counts.any():
        return math.nan
    _, member = np.unique(np.asarray(patients)[counts].astype(str), return_inverse=True)
    lost = np.bincount(member, weights=(wrong & ~gone)[counts])
    return float((lost / np.bincount(member)).mean())


@dataclass(frozen=True, eq=False)
class _Path:
    """Losses at each T* that differs, the largest first.

    Attributes:
        threshold: (T,) T*, the confidence from which images are kept; the first may be infinity.
        total, patients: (T,) sum of the patients' losses, and of how many.
        every: Patients in all.
        binary: Whether every patient has one image that can count.
    """

    threshold: Floats
    total: Floats
    patients: Ints
    every: int
    binary: bool


def _counted(risk: str, labels: Ints, p: Floats) -> tuple[Bools, Bools]:
    """(N,) images that can count, and which of them are wrong if they are not sent on."""
    wrong = np.asarray(largest_class(p) != labels)
    return (np.ones(len(labels), dtype=bool) if risk == "error" else labels == 1), wrong


def _losses(risk: str, confidence: Floats, wrong: Bools, patients: np.ndarray) -> _Path:
    order = np.argsort(-confidence, kind="stable")
    certain, lost = confidence[order], wrong[order].astype(np.float64)
    _, member = np.unique(patients.astype(str), return_inverse=True)
    images = np.bincount(member)
    member = member[order]
    # images of each patient together, in the order in which they are kept as T* falls
    by_patient = np.argsort(member, kind="stable")
    first = np.cumsum(images) - images
    place = np.empty(len(member), dtype=np.int64)
    place[by_patient] = np.arange(len(member)) - np.repeat(first, images)
    summed = np.cumsum(lost[by_patient])
    before = np.repeat(np.append(0.0, summed)[first], images)
    own = np.empty(len(member))
    own[by_patient] = summed - before
    if risk == "error":
        # a patient's loss is the mean over the images that are kept so far
        now = own / (place + 1)
        then = np.divide(own - lost, place, out=np.zeros_like(own), where=place > 0)
        total, count = np.cumsum(now - then), np.cumsum(place == 0)
    else:
        total, count = np.cumsum(lost / images[member]), np.full(len(member), len(images))
    last = np.append(np.diff(certain) != 0, True)
    threshold, total, count = certain[last], total[last], count[last].astype(np.int64)
    if risk != "error":
        threshold, total = np.append(math.inf, threshold), np.append(0.0, total)
        count = np.append(len(images), count)
    return _Path(threshold, total, count, len(images), bool((images == 1).all()))


def _start(promise: Promise, path: _Path) -> int:
    """Position of the first T* to test: by the number of patients alone."""
    needed = _fewest(promise, path, 1)
    if 2 * needed > path.every:
        needed = _fewest(promise, path)
    return int(np.searchsorted(path.patients, needed))


def _fewest(promise: Promise, path: _Path, errors: int = 0) -> int:
    return fewest_patients(promise.level, promise.alpha, errors, binary=path.binary)


def _none(promise: Promise, path: _Path, p: Floats, start: int) -> str:
    said = f"no T* keeps the promise ({promise}): "
    needed = _fewest(promise, path)
    kind = "patients with malignant images" if promise.risk == "missed" else "patients"
    if path.every < needed:
        return said + f"it takes {needed} {kind} without an error, and there are {path.every}"
    count, mean = int(path.patients[start]), 100 * path.total[start] / path.patients[start]
    return said + (
        f"it is {mean:.1f} % for the {count} most confident of {path.every} {kind} "
        f"(P = {p[start]:.2f})"
    )
