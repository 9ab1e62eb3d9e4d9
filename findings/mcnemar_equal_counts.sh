#!/usr/bin/env bash
# statsmodels 0.15.0, mlxtend 0.25.0 and pingouin 0.7.0, McNemar's chi-square test of two classifiers with the
# continuity correction (the default of the latter two). It is (|b - c| - 1)^2 / (b + c) in all three,
# also where b = c: there (0 - 1)^2 is not 0. Two classifiers that win as many images each get a
# P below 1, and less than two of which one wins an image more: 1 and 1 give P 0.48, 1 and 2 give 1.
# The statistic falls as they draw apart. A correction that is cut at the difference, as SciPy's
# chi2_contingency has it (and R's mcnemar.test, which drops it at b = c), gives 1. So does the exact test.
# Expected: the more equal, the larger P. Seen: P is smallest where nothing differs.
# Surprise: three libraries agree on it, so that a check of one against another finds nothing.
# It hurts those who rank arms by P, or put "no difference" into a meta-analysis by P: small sets, few discordant.
# What abl does about it: McNemar's P is exact (decide/paired_tests.py, tests/decide/test_intervals.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  statsmodels==0.15.0 mlxtend==0.25.0 pingouin==0.7.0 scipy==1.17.1 numpy==2.4.6
MPLCONFIGDIR="$folder" "$folder/venv/bin/python" -W ignore - <<'EOP'
from importlib.metadata import version

import numpy as np
import pandas as pd
import pingouin
from mlxtend.evaluate import mcnemar as by_mlxtend
from scipy.stats import chi2, chi2_contingency
from statsmodels.stats.contingency_tables import mcnemar as by_statsmodels

assert (version("statsmodels"), version("mlxtend"), version("pingouin")) == ("0.15.0", "0.25.0", "0.7.0")
BOTH = 40  # images that both have right, and that both have wrong


def p_values(b: int, c: int) -> dict[str, float]:
    table = np.array([[BOTH, b], [c, BOTH]])
    first = np.repeat([1, 1, 0, 0], [BOTH, b, c, BOTH])
    second = np.repeat([1, 0, 1, 0], [BOTH, b, c, BOTH])
    row = pingouin.chi2_mcnemar(pd.DataFrame({"first": first, "second": second}), "first", "second")[1].iloc[0]
    distance = abs(b - c)
    return {
        "statsmodels": by_statsmodels(table, exact=False, correction=True).pvalue,
        "mlxtend": by_mlxtend(table)[1],
        "pingouin": row["p_approx"],
        "correction cut": chi2.sf((distance - min(1, distance)) ** 2 / (b + c), 1),
        "exact": by_statsmodels(table, exact=True).pvalue,
    }


for equal in (1, 2, 5, 10, 50):
    for b, c in ((equal, equal), (equal, equal + 1), (equal, equal + 2)):
        print(f"{b} and {c}: " + ", ".join(f"{name} {p:.3f}" for name, p in p_values(b, c).items()))
    same, one_more, two_more = (p_values(equal, equal + more) for more in (0, 1, 2))
    told = chi2.sf(1 / (2 * equal), 1)  # what should be 1
    for name in ("statsmodels", "mlxtend", "pingouin"):
        assert np.isclose(same[name], told)
        assert same[name] < one_more[name] == 1.0
    for name in ("correction cut", "exact"):
        assert np.isclose(same[name], 1)
        assert same[name] >= one_more[name] >= two_more[name]
assert p_values(1, 1)["pingouin"] < 0.48
# SciPy, of a table without any difference
assert chi2_contingency([[10, 10], [10, 10]], correction=True).pvalue == 1
EOP
echo "as stated"
