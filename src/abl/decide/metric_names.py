"""Metrics by their names: those that are registered, those at a stated value and those of one
class; and what others call them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from abl.decide import confusion
from abl.decide.check import Floats, Ints, checked_pair
from abl.decide.metric_registry import MACRO, SHARE, Metric
from abl.decide.metrics import METRICS, from_confusion, sensitivity_at_specificity
from abl.errors import InputError, nearest

# in small letters, without spaces and signs
_OTHER_NAMES = {
    "accuracy": "acc", "balancedaccuracy": "balanced_acc", "bacc": "balanced_acc",
    "sensitivity": "sen", "recall": "sen", "tpr": "sen", "truepositiverate": "sen",
    "specificity": "spe", "tnr": "spe", "truenegativerate": "spe",
    "precision": "ppv", "positivepredictivevalue": "ppv", "negativepredictivevalue": "npv",
    "rocauc": "auc", "auroc": "auc", "aucroc": "auc", "auprc": "ap", "prauc": "ap",
    "averageprecision": "ap", "map": "ap", "f1score": "f1", "fscore": "f1", "dice": "f1",
    "brierscore": "brier", "gmean": "g_mean", "youdenj": "youden", "informedness": "youden",
    "expectedcalibrationerror": "ece",
}  # fmt: skip


def short_name(name: str) -> str:
    """`acc` of `Accuracy`; "" of a name that is not known."""
    return _OTHER_NAMES.get(re.sub(r"[\W_]", "", name.lower()), "")


def scores(names: Sequence[str], labels: ArrayLike, p: ArrayLike) -> dict[str, float]:
    """Metric name -> value. Raises InputError for unknown names or unfit arrays."""
    chosen = [metric_named(name) for name in names]
    true_labels, predictions = checked_pair(labels, p)
    return {each.name: each(true_labels, predictions) for each in chosen}


def metric_named(name: str) -> Metric:
    """A registered metric, one at a stated value (`ppv@0.05`, `npv@0.05`, `sen@spe0.9`), or one of
    these of one class: `sen@benign#0`, `ppv@0.05@benign#0`.

    Raises InputError with the nearest name.
    """
    if name in METRICS:
        return METRICS[name]
    if stated := _at_stated_value(name):
        return stated
    base, word, position = split_class(name)
    known = METRICS.get(base) or _at_stated_value(base)
    if word and known is not None and known.by_class and position >= 0:
        return metric_of_class(known, word, position)
    if word and known is not None and not known.by_class:
        raise InputError(f"unknown metric '{name}': {base} is not of one class; leave out @{word}")
    if word and known is not None:
        number = f", or a {'specificity' if base == 'sen' else 'prevalence'} between 0 and 1"
        raise InputError(
            f"unknown metric '{name}': after @ comes one of the classes' names (data.classes)"
            + (number if base in ("sen", "ppv", "npv") else "")
        )
    if name == base and (short := short_name(name)):
        raise InputError(f"unknown metric '{name}': write {short}")
    hint = nearest(name, [*METRICS, "ppv@0.1", "npv@0.1", "sen@spe0.9"])
    raise InputError(f"unknown metric '{name}': {hint}{METRICS.own_words()}")


def split_class(name: str) -> tuple[str, str, int]:
    """`sen@benign#0` as metric, class and its position; "" and -1 where there is none."""
    base, _, word = name.partition("@")
    inner, _, after = word.partition("@")
    if after and _at_stated_value(f"{base}@{inner}"):
        base, word = f"{base}@{inner}", after
    shown, _, position = word.rpartition("#")
    if shown and position.isdigit():
        return base, shown, int(position)
    return base, word, -1


def _at_stated_value(name: str) -> Metric | None:
    """`ppv@0.05`, `npv@0.05` or `sen@spe0.9`; None if the name is none of these."""
    kind, _, value = name.partition("@")
    try:
        stated = float(value.removeprefix("spe")) if kind == "sen" else float(value)
    except ValueError:
        return None
    if not 0 < stated < 1:
        return None
    if kind == "sen":
        return sensitivity_at_specificity(stated)
    if kind not in ("ppv", "npv"):
        return None
    of = confusion.ppv_at(stated) if kind == "ppv" else confusion.npv_at(stated)
    label = f"{kind.upper()} at {100 * stated:g} %"
    return Metric(
        f"{kind}@{stated:g}", label, from_confusion(of), False, True, label, of,
        by_class=True, several=MACRO, bounds=SHARE,
    )  # fmt: skip


def metric_of_class(whole: Metric, word: str, position: int) -> Metric:
    """A metric of one class against the rest.

    Args:
        whole: One with `by_class`.
        word, position: The class's name, and which probability is its.
    """
    of = whole.of_confusion and confusion.of_class(whole.of_confusion, position)

    def function(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
        if position >= p.shape[1]:
            raise InputError(f"{whole.name}@{word}: no class {position} of {p.shape[1]}")
        if of is not None:
            return from_confusion(of)(labels, p, weights)
        against_rest = np.column_stack([1 - p[:, position], p[:, position]])
        return whole((labels == position).astype(np.int64), against_rest, weights)

    said = f"{whole.label} of {word} against the rest"
    return Metric(
        f"{whole.name}@{word}#{position}", f"{whole.label} {word}", function, False,
        whole.higher_is_better, said, of, bounds=whole.bounds_for(2),
    )  # fmt: skip
