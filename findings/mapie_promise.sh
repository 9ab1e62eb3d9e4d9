#!/usr/bin/env bash
# MAPIE 1.6.0, learn-then-test for binary decisions, beside decide/promise.py: on data of one row a
# patient the P values are the same. Its unit is the row: a patient with ten images is ten patients
# to it, and six patients of ten equal images are enough for a promise that takes 45.
# What abl does about it: it has its own, with the patient as the unit.
# Run from the repository's root, with abl installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" mapie==1.6.0
PYTHONPATH="$folder${PYTHONPATH:+:$PYTHONPATH}" python3 -W ignore - <<'EOF'
import numpy as np
from mapie.risk_control.fwer_control import control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value
from mapie.risk_control.risks import BinaryRisk

from abl.decide.check import largest_class, margin
from abl.decide.promise import Promise, promised_threshold
from abl.decide.risk_bounds import fewest_patients, risk_p_value

# binary losses and others, over many sums
for binary in (True, False):
    count = np.repeat(np.arange(20, 200, 7), 5)
    total = np.tile([0.0, 1.0, 2.0, 3.0, 9.0], len(count) // 5)
    theirs = compute_hoeffding_bentkus_p_value(total / count, count, 0.1, binary=binary)[:, 0]
    ours = risk_p_value(total, count, 0.1, binary=binary)
    assert np.allclose(ours, np.minimum(theirs, 1))

# the same choice by its risks, its P values and its fixed sequence
error = BinaryRisk(lambda y, p: y != p, lambda y, p: ~np.isnan(p), higher_is_better=False)
rng = np.random.default_rng(0)
same = 0
for _ in range(50):
    labels = rng.integers(0, 2, 150)
    malignant = 1 / (1 + np.exp(-(2 * labels - 1) * 2.2 - rng.normal(0, 1.6, 150)))
    p = np.column_stack([1 - malignant, malignant])
    certain, final = margin(p), largest_class(p)
    # the same start: where one error is allowed
    grid = np.sort(certain)[::-1][fewest_patients(0.1, 0.1, 1) - 1 :]
    found = [
        error.get_value_and_effective_sample_size(labels, np.where(certain >= t, final, np.nan))
        for t in grid
    ]
    risk, count = (np.array(each) for each in zip(*found))
    values = compute_hoeffding_bentkus_p_value(risk, count, 0.1, binary=True)[:, 0]
    valid = control_fwer(values, 0.1, "fixed_sequence")
    try:
        one = {"original": p, "true": p}
        ours = promised_threshold(labels, one, "model1", np.arange(150), Promise("error", 0.1))
        same += (certain >= ours.threshold).sum() == (certain >= grid[max(valid)]).sum()
    except Exception as told:
        assert "no T* keeps the promise" in str(told)
        same += len(valid) == 0
assert same == 50, same
print("50 of 50 choices are the same with one row a patient")

# six patients of ten equal images, all right
images = compute_hoeffding_bentkus_p_value(np.array([0.0]), np.array([60]), 0.05, binary=True)[0, 0]
patients = risk_p_value([0], [6], 0.05, binary=True)[0]
assert images < 0.05 < 0.7 < patients
print(f"ten equal images of each of six patients: P {images:.3f} by row, {patients:.3f} by patient")
EOF
