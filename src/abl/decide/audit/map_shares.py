"""Where networks look in flagged images, against as many that they get right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from abl.decide.check import Bools, Floats, Ints

LEAST_PATIENTS = 10  # of both together: below, no interval
LEAST_OF_A_SIDE = 5  # nor below this of either: the sandwich then takes a mean of few for exact


@dataclass(frozen=True)
class ShareDifference:
    """Of the share of the heat that lies inside the nodule, flagged less others.

    Attributes:
        flagged, others: Mean shares.
        area_flagged, area_others: Shares that a flat map would have: those of the nodules.
        difference, low, high: flagged - others, 95 % interval by patients; nan without one.
        adjusted, adjusted_low, adjusted_high: The same at equal nodule areas.
        images_flagged, images_others, patients: That it is of.
        why: Why there is no interval.
    """

    flagged: float
    others: float
    area_flagged: float
    area_others: float
    difference: float
    low: float
    high: float
    adjusted: float
    adjusted_low: float
    adjusted_high: float
    images_flagged: int
    images_others: int
    patients: int
    why: str


def matched_correct(labels: Ints, flagged: Bools, share_wrong: Floats, seed: int = 0) -> Bools:
    """(N,) of each class as many images as are flagged, of those never misclassified, at random.

    Where a class has too few of them, those that are misclassified least often are taken too, up to
    one half; where these are too few, fewer.

    Args:
        labels: (N,) as given.
        share_wrong: (N,) E / O; nan where an image was not tested: it is never taken.
    """
    draw = np.random.default_rng([seed, len(labels)]).random(len(labels))
    taken = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels[flagged]):
        could = np.flatnonzero((labels == label) & ~flagged & (share_wrong < 0.5))
        order = could[np.lexsort((draw[could], share_wrong[could]))]
        taken[order[: int((flagged & (labels == label)).sum())]] = True
    return taken


def share_difference(
    inside: Floats, area: Floats, flagged: Bools, patients: np.ndarray
) -> ShareDifference:
    """The difference of means, with intervals in which images of one patient may be alike.

    Least squares with a sandwich that has a cluster a patient (Liang, Zeger, Biometrika 1986), t
    with patients - 1 degrees of freedom.

    Args:
        inside: (n,) mean share of each image's maps inside its nodule; nan: no map.
        area: (n,) share of the image that its nodule takes.
        flagged: (n,) the others are those it is compared with.
        patients: (n,) names.
    """
    known = ~np.isnan(inside) & ~np.isnan(area)
    inside, area = inside[known], area[known]
    flagged, patients = flagged[known], patients[known]
    units = np.unique(patients, return_inverse=True)[1]
    count, sides = len(np.unique(units)), flagged.astype(np.float64)
    first, second = int(flagged.sum()), int((~flagged).sum())
    plain = adjusted = (math.nan,) * 3
    why = ""
    if first == 0 or second == 0:
        why = "no map of a flagged image" if first == 0 else "no map of one that is not flagged"
    elif count < LEAST_PATIENTS:
        why = f"{count} patients are fewer than {LEAST_PATIENTS}"
    elif fewest := _too_few(units, flagged):
        why = fewest
    else:
        plain = _effect(inside, units, sides)
        if np.ptp(area) > 0:
            adjusted = _effect(inside, units, sides, area)
    means = _mean(inside[flagged]), _mean(inside[~flagged])
    return ShareDifference(
        flagged=means[0],
        others=means[1],
        area_flagged=_mean(area[flagged]),
        area_others=_mean(area[~flagged]),
        difference=means[0] - means[1],
        low=plain[1],
        high=plain[2],
        adjusted=adjusted[0],
        adjusted_low=adjusted[1],
        adjusted_high=adjusted[2],
        images_flagged=first,
        images_others=second,
        patients=count,
        why=why,
    )


def _too_few(units: Ints, flagged: Bools) -> str:
    """Which side has too few patients for an interval; "" where both have enough."""
    for side, which in ((flagged, "flagged"), (~flagged, "right")):
        count = len(np.unique(units[side]))
        if count < LEAST_OF_A_SIDE:
            whose = "1 patient has" if count == 1 else f"{count} patients have"
            return f"{whose} {which} images, fewer than {LEAST_OF_A_SIDE}"
    return ""


def _effect(values: Floats, units: Ints, *terms: Floats) -> tuple[float, float, float]:
    """Coefficient of the first term beside an intercept, and its ends; nan if it has none."""
    import statsmodels.api as sm

    design = np.column_stack([np.ones(len(values)), *terms])
    if np.linalg.matrix_rank(design) < design.shape[1] or len(values) <= design.shape[1]:
        return (math.nan,) * 3
    fit = sm.OLS(values, design).fit(cov_type="cluster", cov_kwds={"groups": units})
    value, error = float(fit.params[1]), float(fit.bse[1])
    reach = float(scipy.stats.t.ppf(0.975, len(np.unique(units)) - 1))
    return value, value - reach * error, value + reach * error


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan
