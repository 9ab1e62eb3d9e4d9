#!/usr/bin/env bash
# Matplotlib 3.11.2: figures can be pickled, and secondary axes were made so in 2020 (its pull request
# 17993). But only those that are given two functions: the plain secondary axis, which has its parent's
# numbers, and one made from a Transform keep a lambda of their own, and the whole figure fails with
# "Can't pickle local object 'SecondaryAxis.set_functions.<locals>.<lambda>'".
# What abl does about it: figures that cannot be sent to the process that draws beside the command are
# drawn by the command itself (app/drawing_beside.py, tests/test_drawing_beside.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder" matplotlib==3.11.2
MPLCONFIGDIR="$folder" PYTHONPATH="$folder" python3 - <<'EOP'
import pickle

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D

assert matplotlib.__version__ == "3.11.2"


def pickled(how: object) -> str:
    """What becomes of a figure with such a secondary axis."""
    axes = Figure().subplots()
    axes.plot([0, 1], [1, 0])
    if how is not None:
        axes.secondary_yaxis("right", **how)
    try:
        pickle.loads(pickle.dumps(axes.figure))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "as it was"


local = "Can't pickle local object 'SecondaryAxis.set_functions.<locals>.<lambda>'"
seen = {
    "none": pickled(None),
    "two functions": pickled({"functions": (np.deg2rad, np.rad2deg)}),
    "plain": pickled({}),
    "a transform": pickled({"functions": Affine2D().scale(2)}),
}
for how, became in seen.items():
    print(f"{how}: {became}")
assert seen["none"] == seen["two functions"] == "as it was"
assert local in seen["plain"]
assert local in seen["a transform"]
EOP
echo "as stated"
