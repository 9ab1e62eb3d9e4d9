"""Regression of the images' error rates on what is known of them.

A binomial model with a logit link, E_j of O_j, and intervals that allow for images of one patient
being alike (sandwich with a cluster a patient, t with patients - 1 degrees of freedom). Sources:
Liang, Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 1986;
Konis, "Linear programming algorithms for detecting separated data in binary logistic regression
models", 2007, for coefficients that have no finite estimate.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy

from abl.decide.audit.over_representation import LEAST_PATIENTS
from abl.decide.check import Bools, Floats, Ints

PER_COEFFICIENT = 5  # patients at least, for each coefficient
_COLUMNS = ("odds_ratio", "low", "high", "p", "images", "patients", "why")


@dataclass(frozen=True, eq=False)
class RateModel:
    """What a fit is of: N images, of which those never tested are left out.

    Attributes:
        wrong, seen: (N,) E_j and O_j.
        patients: (N,) names.
        terms: (N, F) numbers, a named column each, beside an intercept.
        asked: Names of the terms that are reported; the others are adjusted for.
    """

    wrong: Ints
    seen: Ints
    patients: np.ndarray
    terms: pd.DataFrame
    asked: tuple[str, ...]

    def where(self, kept: Bools) -> RateModel:
        """Of some of its images."""
        terms = self.terms[kept]
        return replace(
            self, wrong=self.wrong[kept], seen=self.seen[kept], patients=self.patients[kept],
            terms=terms,
        )  # fmt: skip


def rate_odds_ratios(model: RateModel, level: float = 0.95) -> pd.DataFrame:
    """Odds ratio of an error by a unit of each asked term, the other terms being equal.

    Returns:
        One row an asked term, by its name: odds_ratio, low, high, p (nan where there is none);
        images and patients that it is of; why there is none, or none that is finite. A 0/1 term
        that fewer than LEAST_PATIENTS patients have, or lack, has an estimate alone: how patients
        differ is not known from so few, and an interval by patient would be far too short.
    """
    model = model.where(model.seen > 0)
    found: dict[str, tuple[object, ...]] = {}
    model = _without_pure(model, found)
    rows = len(np.unique(model.patients)), len(model.seen)
    fitted = _fit(model, level)
    for name in model.asked:
        known = fitted if isinstance(fitted, str) else fitted[name]
        why = known if isinstance(known, str) else _few(model, name)
        numbers = (math.nan,) * 4 if isinstance(known, str) else known
        if why and not isinstance(known, str):
            numbers = (numbers[0], math.nan, math.nan, math.nan)
        found[name] = (*numbers, rows[1], rows[0], why)
    return pd.DataFrame.from_dict(found, orient="index", columns=list(_COLUMNS))


def _few(model: RateModel, name: str) -> str:
    """Why a 0/1 term has no interval; "" if it has one, or is no such term."""
    values = model.terms[name].to_numpy()
    if not np.isin(values, (0, 1)).all():
        return ""
    counts = [len(np.unique(model.patients[values == value])) for value in (1, 0)]
    for count, what in zip(counts, ("have it", "lack it"), strict=True):
        if count < LEAST_PATIENTS:
            return f"{count} patients {what}, fewer than {LEAST_PATIENTS}"
    return ""


def _without_pure(model: RateModel, found: dict[str, tuple[object, ...]]) -> RateModel:
    """Without 0/1 terms whose images are all right or all wrong, and without these images.

    The rest then has the estimates that it has as such a coefficient goes to infinity.
    """
    while True:
        for name in model.terms:
            has = model.terms[name].to_numpy() == 1
            if not has.any() or not np.isin(model.terms[name], (0, 1)).all():
                continue
            wrong, seen = int(model.wrong[has].sum()), int(model.seen[has].sum())
            if 0 < wrong < seen:
                continue
            if name in model.asked:
                what = "never" if wrong == 0 else "always"
                patients = len(np.unique(model.patients[has]))
                why = f"{what} wrong in {seen} answers: no finite estimate"
                ratio = 0.0 if wrong == 0 else math.inf
                found[name] = (ratio, math.nan, math.nan, math.nan, int(has.sum()), patients, why)
            asked = tuple(each for each in model.asked if each != name)
            rest = model.where(~has)
            model = replace(rest, terms=rest.terms.drop(columns=name), asked=asked)
            break
        else:
            return model


def _fit(model: RateModel, level: float) -> dict[str, tuple[float, ...] | str] | str:
    """Term -> odds ratio, ends, P, or why it has none; or why nothing can be estimated."""
    import statsmodels.api as sm

    patients = np.unique(model.patients)
    names = [str(name) for name in model.terms]
    constant = [name for name in names if model.terms[name].nunique() < 2]
    names = [name for name in names if name not in constant]
    terms = model.terms[names]
    found: dict[str, tuple[float, ...] | str] = dict.fromkeys(constant, "no two values to compare")
    if terms.empty:
        return found
    if len(patients) < max(10, PER_COEFFICIENT * (terms.shape[1] + 1)):
        return f"{len(patients)} patients are too few for {terms.shape[1] + 1} coefficients"
    design = np.column_stack([np.ones(len(terms)), terms.to_numpy(np.float64)])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return "terms tell the same thing: leave one out"
    separated = _separated(design, model.wrong, model.seen)
    if separated.any():
        by = [name for name, is_it in zip(names, separated[1:], strict=True) if is_it]
        return f"errors are separated by {', '.join(by)}: no finite estimate"
    counts = np.column_stack([model.wrong, model.seen - model.wrong])
    codes = np.unique(model.patients, return_inverse=True)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = sm.GLM(counts, design, family=sm.families.Binomial()).fit(
            cov_type="cluster", cov_kwds={"groups": codes}
        )
    if not fit.converged or not np.isfinite(fit.bse).all():
        return "the fit does not converge"
    df = len(patients) - 1
    reach = float(scipy.stats.t.isf((1 - level) / 2, df))
    for name, value, error in zip(names, fit.params[1:], fit.bse[1:], strict=True):
        ends = np.exp([value, value - reach * error, value + reach * error])
        found[name] = (*map(float, ends), 2 * float(scipy.stats.t.sf(abs(value) / error, df)))
    return found


def _separated(design: Floats, wrong: Ints, seen: Ints) -> Bools:
    """(F,) coefficients without finite estimate: those of a direction that never errs."""
    signs = np.where(wrong == 0, -1.0, 1.0)
    mixed = (wrong > 0) & (wrong < seen)
    rows = np.unique(np.column_stack([design * signs[:, None], mixed]), axis=0)
    apart, equal = rows[rows[:, -1] == 0, :-1], rows[rows[:, -1] == 1, :-1]
    if not len(apart):
        return np.zeros(design.shape[1], dtype=bool)
    found = scipy.optimize.linprog(
        -apart.sum(axis=0),
        A_ub=-apart, b_ub=np.zeros(len(apart)),
        A_eq=equal if len(equal) else None, b_eq=np.zeros(len(equal)) if len(equal) else None,
        bounds=(-1, 1),
    )  # fmt: skip
    if found.status != 0 or -found.fun < 1e-7:
        return np.zeros(design.shape[1], dtype=bool)
    return np.abs(found.x) > 1e-7
