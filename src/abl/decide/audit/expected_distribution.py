"""How many images would have which share wrong, no label being wrong: the two nulls of
`expected_flags.py`, over the whole range of shares.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy

from abl.decide.audit.appearances import Appearances, shares
from abl.decide.audit.crossed_effects import Spreads, network_levels
from abl.decide.audit.error_rates import ErrorRates
from abl.decide.audit.expected_flags import CELLS, new_images
from abl.decide.check import Floats, Ints

DRAWS = (100, 500)
FINE, COARSE = 0.05, 0.1  # widths of bins
FEW_APPEARANCES, FEW_IMAGES = 15, 200  # below either, coarse ones


def expected_shares(found: Appearances, fitted: ErrorRates, *, seed: int = 0) -> pd.DataFrame:
    """Numbers of images by E / O, observed and expected; empty where no image was tested.

    Args:
        fitted: What error_rates gives of the same appearances.
        seed: Of the draws.

    Returns:
        One row a bin, about 0, 0.05 (or 0.1), ... 1: low, high (its ends), observed; equal and
        fitted (means), and of each _low and _high, between which 95 % of the draws lie.
    """
    tested = found.times_seen > 0
    if not tested.any():
        return pd.DataFrame()
    seen = found.seen[tested]
    coarse = np.median(seen.sum(axis=1)) < FEW_APPEARANCES or len(seen) < FEW_IMAGES
    width = COARSE if coarse else FINE
    edges: Floats = np.arange(round(1 / width) + 2, dtype=np.float64) * width - width / 2
    random = np.random.default_rng([seed, len(seen)])
    draws = int(np.clip(CELLS // seen.size, *DRAWS))
    patient = np.unique(found.patients[tested].astype(str), return_inverse=True)[1]
    flat = scipy.special.expit(network_levels(Spreads(0.0), fitted.rates))
    levels = [network_levels(each, fitted.rates) for each in fitted.spreads]
    chosen = random.choice(len(fitted.spreads), size=draws, p=fitted.spread_weights)
    counts = {
        "equal": [_counted(random.binomial(seen, flat), seen, edges) for _ in range(draws)],
        "fitted": [
            _counted(
                random.binomial(
                    seen, new_images(fitted.spreads[at], levels[at], len(seen), patient, random)
                ),
                seen,
                edges,
            )
            for at in chosen
        ],
    }
    table = {
        "low": edges[:-1],
        "high": edges[1:],
        "observed": _counted(found.wrong[tested], seen, edges),
    }
    for name, each in counts.items():
        drawn = np.array(each)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        table |= {name: drawn.mean(axis=0), f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(table)


def _counted(wrong: Ints, seen: Ints, edges: Floats) -> Ints:
    found: Ints = np.histogram(shares(wrong.sum(axis=1), seen.sum(axis=1)), edges)[0]
    return found
