"""Readers: proportions of clustered answers, and how far readers agree."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from abl.decide.check import Ints
from abl.decide.intervals import LEVEL, RESAMPLES, Interval, wilson_interval
from abl.decide.replicates import draw_counts
from abl.errors import InputError

_FEW_PATIENTS = 50
LEAST_PATIENTS = 10  # below, a bootstrap over them is far too short: no ends
Missing = Literal["refuse", "drop"]
_MISSING: tuple[Missing, ...] = ("refuse", "drop")
_NO_ANSWER = ("", "na", "n/a", "nan", "<na>")  # case folded; "none" may be a class
_INFINITE = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")


def gee_interval(outcomes: ArrayLike, patients: ArrayLike) -> Interval:
    """Interval of a proportion whose outcomes cluster in patients.

    Intercept-only logistic regression by generalised estimating equations (Liang, Zeger 1986),
    independence working correlation, robust variance, on the logit scale. That variance is too
    small where patients are few: under 50 it is the bias-reduced one (Mancl, DeRouen, Biometrics
    57, 2001, 126-134), with the quantile of t at one degree of freedom less than there are
    patients. Where every
    outcome is the same there is no logit: Wilson, with patients as the units. Of a single patient
    whose outcomes differ nothing is known: no end.

    Args:
        outcomes, patients: (N,) 0 or 1, and names.

    Raises:
        InputError: Different lengths, none at all, other values, or patients without a name.
    """
    values, names = np.asarray(outcomes, dtype=np.float64), _named(patients)
    if values.ndim != 1 or values.shape != names.shape or not len(values):
        raise InputError(f"outcomes of shape {values.shape} for patients of shape {names.shape}")
    if not np.isin(values, (0, 1)).all():
        raise InputError("outcomes: values other than 0 and 1")
    groups, code = np.unique(names, return_inverse=True)
    if values.min() == values.max():
        return wilson_interval(round(values[0] * len(groups)), len(groups))
    if len(groups) == 1:
        return Interval(float(values.mean()), math.nan, math.nan)
    order = np.argsort(code, kind="stable")
    model = sm.GEE(
        values[order], np.ones((len(values), 1)), groups=code[order], family=sm.families.Binomial()
    )
    few = len(groups) < _FEW_PATIENTS
    fitted = model.fit(cov_type="bias_reduced" if few else "robust")
    middle, error = float(fitted.params[0]), float(fitted.bse[0])
    tails = stats.t(len(groups) - 1) if few else stats.norm()
    half = float(tails.ppf((1 + LEVEL) / 2)) * error
    low, high = (1 / (1 + math.exp(-end)) for end in (middle - half, middle + half))
    return Interval(float(values.mean()), low, high)


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    missing: Missing = "refuse",
) -> Interval:
    """Cohen's kappa of two readers, (N,) class of each image, with a bootstrap over patients,
    of LEAST_PATIENTS at least.

    Args:
        missing: What becomes of images that a reader gave no answer on.

    Raises:
        InputError: As fleiss_kappa_interval.
    """
    one, other = np.array(first, dtype=object), np.array(second, dtype=object)
    if one.shape != other.shape:
        raise InputError(f"ratings: {len(one)} and {len(other)} answers of two readers")
    ratings, patients = _answered(np.column_stack([one, other]), patients, missing)

    def kappa(rows: Ints) -> float:
        chosen = ratings[rows]
        if (chosen == chosen[0, 0]).all():
            return math.nan  # one class alone: agreement by chance is certain
        return float(cohen_kappa_score(chosen[:, 0], chosen[:, 1]))

    return _bootstrapped(kappa, len(ratings), patients, resamples)


def fleiss_kappa_interval(
    ratings: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    missing: Missing = "refuse",
) -> Interval:
    """Fleiss' kappa of several readers, (N, readers) classes, with a bootstrap over patients.

    An answer that is missing (None, nan, empty text, the texts NA and nan in any case) is none of
    the classes.

    Args:
        missing: What becomes of images that not every reader answered: "refuse" them, or "drop".

    Raises:
        InputError: No table of two readers or more; missing answers, which are counted by reader;
            none left; infinite ones; patients without a name; another `missing`.
    """
    checked, patients = _answered(ratings, patients, missing)
    table, _ = aggregate_raters(checked)

    def kappa(rows: Ints) -> float:
        chosen = table[rows]
        if np.count_nonzero(chosen.sum(axis=0)) < 2:
            return math.nan
        return float(fleiss_kappa(chosen))

    return _bootstrapped(kappa, len(checked), patients, resamples)


def _answered(
    ratings: ArrayLike, patients: ArrayLike | None, missing: Missing
) -> tuple[Ints, ArrayLike | None]:
    """(images, readers) codes of the classes and the patients, where every reader answered."""
    if missing not in _MISSING:
        raise InputError(f"missing: {missing!r} is neither 'refuse' nor 'drop'")
    given = np.array(ratings, dtype=object)
    if given.ndim != 2 or not len(given) or given.shape[1] < 2:
        raise InputError(f"ratings: shape {given.shape}, not (images, readers >= 2)")
    names = None if patients is None else _named(patients)
    if names is not None and len(names) != len(given):
        raise InputError(f"{len(names)} patients for {len(given)} images")
    text = pd.DataFrame(given).map(_as_answer)
    folded = text.map(str.casefold)
    infinite = np.argwhere(folded.isin(_INFINITE).to_numpy())
    if len(infinite):
        row, reader = (int(at) + 1 for at in infinite[0])
        answer = str(text.to_numpy()[row - 1, reader - 1])
        raise InputError(f"ratings: row {row}, reader {reader}: '{answer}' is no class")
    lacks = folded.isin(_NO_ANSWER).to_numpy()
    whole = ~lacks.any(axis=1)
    if missing == "refuse" and not whole.all():
        by_reader = ", ".join(
            f"reader {at + 1}: {n}" for at, n in enumerate(lacks.sum(axis=0)) if n
        )
        raise InputError(
            f"ratings: {(~whole).sum()} of {len(given)} images lack an answer ({by_reader}), the "
            f"first is row {int(np.flatnonzero(~whole)[0]) + 1}; write missing='drop' to leave "
            "such images out"
        )
    if not whole.any():
        raise InputError("ratings: no image has an answer of every reader")
    _, code = np.unique(text.to_numpy(str)[whole], return_inverse=True)
    kept = None if names is None else names[whole]
    return code.reshape(int(whole.sum()), -1).astype(np.int64), kept


def _as_answer(value: Any) -> str:
    """The text of an answer; 1.0 is 1, as a column with gaps makes one of the other; "" of none."""
    if pd.isna(value) or value == "None":  # as numpy writes None among texts
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _named(patients: ArrayLike) -> NDArray[np.str_]:
    """The names of patients as text (N,). Raises InputError where one has none, with its row."""
    given = np.asarray(patients, dtype=object)
    names = np.array([_as_answer(each) for each in given.ravel()], dtype=str)
    nameless = np.flatnonzero([name.casefold() in _NO_ANSWER for name in names.tolist()])
    if len(nameless):
        row = int(nameless[0])
        raise InputError(
            f"patients: {len(nameless)} of {len(names)} have no name, the first is row {row + 1} "
            f"({given.ravel()[row]!r})"
        )
    return names.reshape(given.shape)


def _bootstrapped(
    statistic: Callable[[Ints], float], images: int, patients: ArrayLike | None, resamples: int
) -> Interval:
    names = np.arange(images) if patients is None else np.asarray(patients).astype(str)
    if len(names) != images:
        raise InputError(f"{len(names)} patients for {images} images")
    groups, code = np.unique(names, return_inverse=True)
    weights = draw_counts(len(groups), resamples, np.random.default_rng([0, len(groups)]))
    every = np.arange(images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample may hold one class
        estimate = statistic(every)
        drawn = np.array([statistic(np.repeat(every, row.astype(int)[code])) for row in weights])
    drawn = drawn[~np.isnan(drawn)]
    if not drawn.size or math.isnan(estimate) or len(groups) < LEAST_PATIENTS:
        return Interval(estimate, math.nan, math.nan)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(estimate, float(low), float(high))
