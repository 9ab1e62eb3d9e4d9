#!/usr/bin/env bash
# torchmetrics 1.9.0, MatthewsCorrCoef of two classes. Of a classifier that gives one and the same class to all images the
# coefficient is 0/0; by convention, and in scikit-learn, it is 0. The code puts a small number in, as its
# source (Chicco and Jurman 2020) does to show that the limit is 0, but in numerator and denominator both, so that it
# cancels out: what is left is (tp - fp) / sqrt((tp + fp) tp fp). A constant answer to 99 malignant images and a benign
# one has an MCC of 0.985, to 90 and 10 of 0.267, to 900 and 100 of 0.084. A wrong constant has a
# negative one. Three classes give 0, as they should. A set of one class, all right, gives 1; scikit-learn 0.
# Expected: 0, what a coin has. Seen: up to almost 1, the higher the more skewed the set, and changing with its size.
# Surprise: the metric that is chosen because a constant cannot look good in it, and it looks nearly perfect.
# It hurts those who choose epochs or arms by MCC: a collapsed network (an early epoch, a rate too high) is taken.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  torchmetrics==1.9.0 torch==2.14.1 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'EOP'
import math

import torch
import torchmetrics
from sklearn.metrics import matthews_corrcoef
from torchmetrics.classification import BinaryMatthewsCorrCoef, MulticlassMatthewsCorrCoef

assert torchmetrics.__version__ == "1.9.0"


def both(tp: int, fp: int, fn: int, tn: int) -> tuple[float, float]:
    """MCC by torchmetrics and by scikit-learn."""
    labels = torch.tensor([1] * tp + [0] * fp + [1] * fn + [0] * tn)
    answers = torch.tensor([1] * (tp + fp) + [0] * (fn + tn))
    found = float(BinaryMatthewsCorrCoef()(answers, labels))
    assert found == float(MulticlassMatthewsCorrCoef(2)(answers, labels))
    return found, float(matthews_corrcoef(labels, answers))


for positive, negative in ((99, 1), (95, 5), (90, 10), (900, 100), (60, 40), (50, 50), (10, 90)):
    found, other = both(positive, negative, 0, 0)
    told = (positive - negative) / math.sqrt((positive + negative) * positive * negative)
    print(f"{positive} positive and {negative} negative images, all called positive: "
          f"torchmetrics {found:.3f}, scikit-learn {other:.3f}")
    assert math.isclose(found, told, abs_tol=1e-4)
    assert other == 0
    # the same for those who call all negative
    assert math.isclose(both(0, 0, negative, positive)[0], told, abs_tol=1e-4)
assert both(99, 1, 0, 0)[0] > 0.98

# a network that is really good is behind the constant one
good = both(94, 0, 5, 1)
print(f"right in 95 of 100 with the one negative found: torchmetrics {good[0]:.3f}, scikit-learn {good[1]:.3f}")
assert math.isclose(*good, abs_tol=1e-6)
assert good[0] < 0.5 < both(99, 1, 0, 0)[0]

labels = torch.tensor([0] * 98 + [1, 2])
three = float(MulticlassMatthewsCorrCoef(3)(torch.zeros_like(labels), labels))
one_class = both(20, 0, 0, 0)
print(f"three classes, one answer: {three:.3f}; one class, all right: {one_class[0]}, scikit-learn {one_class[1]}")
assert three == 0
assert one_class == (1.0, 0.0)
EOP
echo "as stated"
