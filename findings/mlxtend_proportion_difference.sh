#!/usr/bin/env bash
# mlxtend 0.25.0, mlxtend.evaluate.proportion_difference, a z test of two accuracies. Its P value is
# the normal distribution below z: the chance of a z as low as that. It is one-sided, for "the first
# is worse" alone, though no argument or name says so. With the better model first (0.80 and 0.60 of
# 50 images) it says P = 0.987, with the same two swapped 0.013; the test of a difference is 0.025.
# SciPy's chi-square test of the same counts gives one P value in either order. The user guide speaks
# of a difference and compares P with 0.05; its only example has the worse model first and calls
# 0.040 significant (0.079 of both sides).
# Surprise: P depends on the order, and a clear gain over a baseline looks like chance.
# It hurts those who compare two classifiers, as model and baseline, by the function's name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" \
  mlxtend==0.25.0 scipy==1.17.1 numpy==2.4.6
MPLCONFIGDIR="$folder" PYTHONPATH="$folder" python3 - <<'EOP'
import math

import mlxtend
from mlxtend.evaluate import proportion_difference
from scipy.stats import chi2_contingency

assert mlxtend.__version__ == "0.25.0"


def two_sided(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))


for right_1, right_2, images in ((40, 30, 50), (84, 92, 100)):
    seen = []
    for first, second in ((right_1, right_2), (right_2, right_1)):
        z, p = proportion_difference(first / images, second / images, images)
        table = [[first, images - first], [second, images - second]]
        other = chi2_contingency(table, correction=False).pvalue
        print(f"{first} and {second} right of {images}: z {z:.3f}, P {p:.3f}, two-sided {two_sided(z):.3f}; "
              f"chi-square P {other:.3f}")
        seen.append((z, p, other))
    (z, p, other), (back_z, back_p, back_other) = seen
    # a test of a difference does not care for the order
    assert math.isclose(other, back_other)
    assert math.isclose(two_sided(z), two_sided(back_z))
    # this one does: the two P values add up to one
    assert math.isclose(z, -back_z)
    assert math.isclose(p + back_p, 1)
    assert math.isclose(min(p, back_p), two_sided(z) / 2)
    assert abs(two_sided(z) - other) < 0.01  # chi-square pools the variance

assert proportion_difference(0.8, 0.6, 50)[1] > 0.98
assert two_sided(proportion_difference(0.8, 0.6, 50)[0]) < 0.03
assert proportion_difference(0.84, 0.92, 100)[1] < 0.05 < two_sided(proportion_difference(0.84, 0.92, 100)[0])
EOP
echo "as stated"
