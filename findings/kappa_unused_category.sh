#!/usr/bin/env bash
# scikit-learn 1.9.1 and statsmodels 0.15.0, weighted kappa of two readers on a scale of 1 to 5.
# The weights go by the place of a category among those that occur, not by its value: where nobody
# gave a 2 or a 3, the step from 1 to 4 counts as one, like that from 4 to 5. cohen_kappa_score says
# 0.75 for 60 readings that by the scale have 0.89. Two more readings, on which both agree (a 2 and
# a 3), raise it from 0.75 to 0.90. statsmodels does the same (to_table keeps only what occurs).
# irrCAC 0.4.4 weighs by the value and gives 0.89. All five as labels= makes scikit-learn right.
# Surprise: numbers as categories, and their values are not used; nothing is missing, nothing warns.
# It hurts reader studies (BI-RADS, TI-RADS) and folds in which a rare category happens to be absent.
# What abl does about it: a class weighs by its place on the scale that was given, used or not
# (decide/agreement.py, tests/decide/readers/test_rater_agreement.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" \
  scikit-learn==1.9.1 statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6 pandas==3.1.1
# irrCAC asks for an old SciPy and runs with this one
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" irrCAC==0.4.4
PYTHONPATH="$folder" python3 -W ignore - <<'EOP'
import numpy as np
import pandas as pd
import sklearn
import statsmodels
from irrCAC.raw import CAC
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa, to_table

assert (sklearn.__version__, statsmodels.__version__) == ("1.9.1", "0.15.0")
one = np.repeat([1, 1, 4, 4, 5, 5], [18, 2, 10, 10, 12, 8])
two = np.repeat([1, 4, 4, 5, 5, 4], [18, 2, 10, 10, 12, 8])
POWER = {"linear": 1, "quadratic": 2}


def by_the_scale(one: np.ndarray, two: np.ndarray, weights: str) -> float:
    """One minus the mean distance of the pairs over that of all readings crossed."""
    power = POWER[weights]
    crossed = np.abs(one[:, None] - two[None, :]) ** power
    return 1 - (np.abs(one - two) ** power).mean() / crossed.mean()


def by_statsmodels(one: np.ndarray, two: np.ndarray, weights: str) -> float:
    table = to_table(np.column_stack([one, two]))[0]
    return float(cohens_kappa(table, wt=weights).kappa)


def by_irrcac(one: np.ndarray, two: np.ndarray, weights: str) -> float:
    return float(CAC(pd.DataFrame({"a": one, "b": two}), weights=weights).conger()["est"]["coefficient_value"])


more_one, more_two = np.append(one, [2, 3]), np.append(two, [2, 3])
for weights in POWER:
    truth, truth_more = by_the_scale(one, two, weights), by_the_scale(more_one, more_two, weights)
    plain, more = (cohen_kappa_score(*each, weights=weights) for each in ((one, two), (more_one, more_two)))
    full = cohen_kappa_score(one, two, weights=weights, labels=[1, 2, 3, 4, 5])
    other, irrcac = by_statsmodels(one, two, weights), by_irrcac(one, two, weights)
    print(f"{weights}: by the scale {truth:.3f}, scikit-learn {plain:.3f} (with labels= {full:.3f}), "
          f"statsmodels {other:.3f}, irrCAC {irrcac:.3f}; two agreed readings more: "
          f"by the scale {truth_more:.3f}, scikit-learn {more:.3f}")
    assert np.isclose(plain, other)
    assert np.isclose(full, truth)
    assert np.isclose(irrcac, truth, atol=1e-5)
    assert np.isclose(more, truth_more)
    assert truth - plain > 0.14  # what the two that were absent change
    assert truth_more - truth < 0.02  # what they say of the agreement
EOP
echo "as stated"
