#!/usr/bin/env bash
# scikit-learn 1.9.1, permutation_test_score, a test of whether a classifier has learnt anything, on
# images of patients each of whom has one label. GroupKFold and its kin need `groups`. But the same
# `groups` also bind the permutation: labels are shuffled within a patient only, where they are all
# equal. Every "permuted" score is the true score, and P is 1.000, however good the classifier is.
# Without `groups` (folds by patient given as a list) labels are shuffled over images, which takes a
# patient's ten images for ten patients: with features of pure noise P is 0.05 at most in a third of the sets.
# Shuffled over patients by hand P is the smallest for the good classifier and holds its level for the noise.
# Expected: P of the unit that the folds are of. Seen: P = 1, or one that rejects by chance.
# Surprise: the docs say what is permuted, but not that it cannot change anything; both ways end silently.
# It hurts those who report this P beside an ablation of features, with folds by patient.
# What abl does about it: the patient is the unit of its tests (decide/contributions.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W error - <<'EOP'
import numpy as np
import sklearn
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import (
    GroupKFold, StratifiedGroupKFold, cross_val_score, permutation_test_score,
)

assert sklearn.__version__ == "1.9.1"
PATIENTS, IMAGES, TIMES = 40, 10, 39
patient = np.repeat(np.arange(PATIENTS), IMAGES)
one_label = np.arange(PATIENTS) % 2
label = one_label[patient]
model = LinearDiscriminantAnalysis()


def features(rng: np.random.Generator, signal: float) -> np.ndarray:
    """Images of a patient are alike; `signal` is what the label adds."""
    own = rng.normal(size=(PATIENTS, 3))[patient]
    return own + 0.2 * rng.normal(size=(len(patient), 3)) + signal * label[:, None]


def by_patient(x: np.ndarray, rng: np.random.Generator) -> float:
    """P with the labels of patients shuffled."""
    folds = list(GroupKFold(5).split(x, label, patient))
    seen = [cross_val_score(model, x, rng.permutation(one_label)[patient], cv=folds).mean() for _ in range(TIMES)]
    return (1 + np.sum(np.array(seen) >= cross_val_score(model, x, label, cv=folds).mean())) / (TIMES + 1)


def by_library(x: np.ndarray, **how) -> tuple[float, np.ndarray, float]:
    return permutation_test_score(model, x, label, n_permutations=TIMES, random_state=0, **how)


good = features(np.random.default_rng(0), 2.0)
for folds in (GroupKFold(5), StratifiedGroupKFold(5)):
    score, permuted, p = by_library(good, groups=patient, cv=folds)
    print(f"{type(folds).__name__}: accuracy {score:.2f}, of {TIMES} permutations {np.ptp(permuted):.2f} apart, P {p:.3f}")
    assert score > 0.9
    assert np.all(permuted == score)
    assert p == 1.0
shuffled = by_patient(good, np.random.default_rng(1))
print(f"labels of patients shuffled: P {shuffled:.3f}")
assert shuffled == 1 / (TIMES + 1)

# one patient with images of both classes, and a P of that patient alone comes out
mixed = label.copy()
mixed[: IMAGES // 2] = 1 - mixed[: IMAGES // 2]
score, permuted, p = permutation_test_score(
    model, good, mixed, groups=patient, cv=GroupKFold(5), n_permutations=TIMES, random_state=0
)
print(f"one patient of both classes: accuracy {score:.2f}, permuted {permuted.min():.2f} to {permuted.max():.2f}, P {p:.2f}")
assert permuted.min() > 0.9
assert p > 0.05

# without groups: nothing to be learnt, and P says that there is
SETS = 40
found = {"images": 0, "patients": 0}
for seed in range(SETS):
    rng = np.random.default_rng(seed)
    noise = features(rng, 0.0)
    folds = list(GroupKFold(5).split(noise, label, patient))
    found["images"] += int(by_library(noise, cv=folds)[2] <= 0.05)
    found["patients"] += int(by_patient(noise, rng) <= 0.05)
print(f"pure noise, P of at most 0.05 in {SETS} sets: {found}")
assert found["images"] >= 0.2 * SETS
assert found["patients"] <= 0.15 * SETS
EOP
echo "as stated"
