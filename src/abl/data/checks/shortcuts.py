"""Facts of images that tell the label by themselves, as no finding should: shortcuts.

A network that is shown such images learns the size of the frame or the scanner's text instead of
the nodule, and loses it at the next hospital (Geirhos et al., "Shortcut learning in deep neural
networks", Nature Machine Intelligence 2020; DeGrave et al., "AI for radiographic COVID-19 detection
selects shortcuts over signal", same journal 2021).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

TELLS = 0.9  # AUC from which a fact alone is said to tell the label
SURELY = 0.7  # that its interval's lower end must reach: few patients give 0.9 by chance
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Shortcut:
    """A fact that tells a class from the others.

    Attributes:
        fact: Its name.
        label: The class.
        auc: Over patients, 0.5 to 1: of the better direction.
        low: Lower end of its 95 % interval.
        patients: How many.
        larger: Whether the class has the larger values; None of a fact that is no number.
    """

    fact: str
    label: int
    auc: float
    low: float
    patients: int
    larger: bool | None


def shortcuts(
    facts: Mapping[str, Sequence[object] | np.ndarray],
    labels: np.ndarray,
    patients: Sequence[str] | np.ndarray,
) -> list[Shortcut]:
    """The facts that alone tell a class with an AUC over TELLS, beyond what chance would give.

    The patient is the unit: the mean of a number over the patient's images of a class, the
    commonest of other values. Of these the score is the share of the class among other patients
    with the same value, so that a value of one patient alone tells nothing.

    Args:
        facts: Name -> (N,): numbers (nan where unknown) or words ("" where unknown), one an image.
        labels: int64 (N,).
        patients: (N,).
    """
    found = []
    for name, values in facts.items():
        rows = pd.DataFrame({"value": values, "label": labels, "patient": np.asarray(patients)})
        is_number = pd.api.types.is_numeric_dtype(rows["value"])
        known = rows["value"].notna() if is_number else rows["value"] != ""
        grouped = rows[known].groupby(["patient", "label"])["value"]
        units = (grouped.mean() if is_number else grouped.agg(_commonest)).reset_index()
        if units["label"].nunique() < 2 or units["value"].nunique() < 2:
            continue
        best = max(
            (_told(name, units, int(label), is_number) for label in units["label"].unique()),
            key=lambda each: (round(each.auc, 9), each.label),  # of two classes the higher
        )
        if best.auc > TELLS and best.low > SURELY:
            found.append(best)
    return sorted(found, key=lambda each: -each.auc)


def _told(name: str, units: pd.DataFrame, label: int, is_number: bool) -> Shortcut:
    positive = (units["label"] == label).to_numpy()
    if is_number:
        auc = auc_of(units["value"].to_numpy(np.float64), positive)
        larger: bool | None = auc >= 0.5
        auc = max(auc, 1 - auc)
    else:
        auc, larger = auc_of(_shares(units["value"], positive), positive), None
    count = int(positive.sum())
    low = lower_end(auc, count, len(positive) - count)
    return Shortcut(name, label, auc, low, int(units["patient"].nunique()), larger)


def _commonest(values: pd.Series) -> object:
    return values.value_counts().index[0]


def _shares(values: pd.Series, positive: np.ndarray) -> np.ndarray:
    """(n,) share of positives among the others of the same value, drawn to that of all."""
    overall = positive.mean()
    table = pd.DataFrame({"value": values.to_numpy(), "positive": positive.astype(float)})
    of_value = table.groupby("value")["positive"]
    others = of_value.transform("sum") - table["positive"] + overall
    shares: np.ndarray = (others / of_value.transform("count")).to_numpy()
    return shares


def auc_of(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of scores (n,), ties counted as half (Mann and Whitney 1947)."""
    count, others = int(positive.sum()), int((~positive).sum())
    ranks = scipy.stats.rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


def lower_end(auc: float, positives: int, negatives: int) -> float:
    """Lower end of the interval of an AUC.

    Score-like, so that it is no certainty where classes are separated (Newcombe, "Confidence
    intervals for an effect size measure based on the Mann-Whitney statistic. Part 2", Statistics in
    Medicine 2006, method 5, with the variance of Hanley and McNeil 1982).
    """
    z = float(scipy.stats.norm.ppf((1 + CONFIDENCE) / 2))
    mean = (positives + negatives) / 2 - 1

    def beyond(at: float) -> float:
        spread = at * (1 - at) * (1 + mean * ((1 - at) / (2 - at) + at / (1 + at)))
        return auc - at - z * float(np.sqrt(spread / (positives * negatives)))

    return float(scipy.optimize.brentq(beyond, 0.0, min(auc, 1 - 1e-9)))


# what no network is shown, though what goes with it may be
UNSEEN = ("file size", "file format", "bit depth", "number in the file name", "centre")
ADVICE = {
    "image size": "resize alone does not hide it: crop all images alike",
    "aspect ratio": "crop all images alike",
    "file size": "save all files in one way",
    "file format": "save all files in one way",
    "colour": "use image: {channels: 1}",
    "bit depth": "save all files in one way",
    "brightness": "look at how the classes were taken and saved",
    "border brightness": "crop to the tissue: image: {crop: {to: tissue}}",
    "border text": "crop to the tissue: image: {crop: {to: tissue}}",
    "number in the file name": "were the classes taken at different times or on different devices?",
    "centre": "compare within centres, or leave one out",
}


def shortcut_words(found: Shortcut, classes: Sequence[str], unit: str = "patient") -> str:
    """A sentence on a shortcut; `unit` is what patients are called."""
    name = classes[found.label] if found.label < len(classes) else f"class {found.label}"
    how = "" if found.larger is None else f" ({'larger' if found.larger else 'smaller'} in {name})"
    learnt = "what goes with it" if found.fact in UNSEEN else "that"
    return (
        f"shortcut: {found.fact} alone tells {name}{how}: AUC {found.auc:.2f}, 95 % interval from "
        f"{found.low:.2f}, {found.patients} {unit}s; a network can learn {learnt} and nothing "
        f"else; {ADVICE.get(found.fact, 'look at how the classes were taken')}"
    )
