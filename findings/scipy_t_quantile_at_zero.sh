#!/usr/bin/env bash
# SciPy 1.17.1: scipy.special.stdtrit, on which scipy.stats.t.ppf stands, gives +inf for probability
# 0 where the quantile is -inf; ndtri, its normal counterpart, and scipy.stats give -inf. For
# probabilities from 1e-300 on both ways are equal to the bit, so that a swap of one for the other
# (which spares the half second that scipy.stats takes to load) turns an interval at level 1 inside
# out and changes nothing else.
# What abl does about it: decide/distributions.py answers 0 itself (tests/decide/test_distributions.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" scipy==1.17.1 numpy==2.4.6
PYTHONPATH="$folder" python3 - <<'EOP'
import numpy as np
import scipy
from scipy import special, stats

assert scipy.__version__ == "1.17.1"
print("stdtrit(3, 0):", special.stdtrit(3.0, 0.0), " t.ppf(0, 3):", stats.t.ppf(0.0, 3.0))
print("ndtri(0):", special.ndtri(0.0), " norm.ppf(0):", stats.norm.ppf(0.0))
assert special.stdtrit(3.0, 0.0) == np.inf
assert stats.t.ppf(0.0, 3.0) == -np.inf == special.ndtri(0.0) == stats.norm.ppf(0.0)
assert special.stdtrit(3.0, 1.0) == np.inf == stats.t.ppf(1.0, 3.0)
p = np.concatenate([10.0 ** -np.arange(1, 300), np.linspace(0.001, 0.999, 999)])
for freedom in (1.0, 2.5, 30.0, 1e6):
    assert np.array_equal(special.stdtrit(freedom, p), stats.t.ppf(p, freedom))
print("equal to the bit for", len(p), "probabilities above 0")
EOP
