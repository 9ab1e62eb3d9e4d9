"""One AUC with its interval: `abl` beside the package confidenceinterval, on the same scores.

    python benchmarks/auc_interval.py
    python benchmarks/auc_interval.py --images 500

The package is installed into an environment of its own, which stands on this one's NumPy, SciPy,
pandas and scikit-learn; nothing of `abl` needs it. One seed, one image a patient, which is all that
the package knows: its interval is DeLong's on the logit scale, ours a score interval by the same
variance. Prints a section for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

import numpy as np
from measuring import machine_line, markdown_table

from abl.decide.intervals import patient_interval
from abl.decide.placements import ranked_auc
from abl.decide.replicates import Scores

SINGLE = 1e-6  # the package ranks in single precision
PEER = "confidenceinterval==1.0.5"
IN_PEER = """
import json, sys, time
import numpy as np
from confidenceinterval import roc_auc_score
kept = np.load(sys.argv[1])
found, times = [], []
for p in kept["p"]:
    began = time.process_time()
    area, (low, high) = roc_auc_score(kept["labels"], p, confidence_level=0.95)
    times.append(time.process_time() - began)
    found.append([float(area), float(low), float(high)])
print(json.dumps({"found": found, "times": times}))
"""


def scores(images: int, arms: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) and probabilities (A, N) with an AUC of about 0.9."""
    rng = np.random.default_rng(images)
    labels = rng.integers(0, 2, images)
    seen = 1.8 * labels + rng.normal(0, 1.0, (arms, images))
    return labels, 1 / (1 + np.exp(0.9 - seen))


def by_abl(labels: np.ndarray, p: np.ndarray) -> tuple[list[float], float]:
    """AUC and the ends of its interval, and CPU seconds."""
    patients = np.arange(len(labels)).astype(str)
    scored = Scores(0, 0, 0, labels, patients, np.column_stack([1 - p, p]))
    began = time.process_time()
    area, interval = ranked_auc(scored), patient_interval([scored], "auc")
    return [area, float(interval.low), float(interval.high)], time.process_time() - began


def by_peer(labels: np.ndarray, p: np.ndarray) -> tuple[list[list[float]], list[float]]:
    """The same of each arm, by the package in a new environment."""
    with tempfile.TemporaryDirectory(prefix="abl-peer-") as folder:
        home = Path(folder, "env")
        venv.create(home, symlinks=True, with_pip=True)
        python = str(home / "bin" / "python")
        install = [python, "-m", "pip", "install", "-q", "--no-deps", PEER]
        subprocess.run(install, check=True)
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = subprocess.run([python, "-c", where], check=True, text=True, capture_output=True)
        paths = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        shared = "\n".join(dict.fromkeys(paths)) + "\n"
        Path(site.stdout.strip(), "shared.pth").write_text(shared)
        np.savez(Path(folder, "scores.npz"), labels=labels, p=p)
        words = [python, "-c", IN_PEER, str(Path(folder, "scores.npz"))]
        said = subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE).stdout
    told = json.loads(said)
    return told["found"], told["times"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=25_000)
    parser.add_argument("--arms", type=int, default=7)
    asked = parser.parse_args()
    labels, p = scores(asked.images, asked.arms)
    ours = [by_abl(labels, each) for each in p]
    theirs, times = by_peer(labels, p)
    apart = np.abs(np.array([found for found, _ in ours]) - np.array(theirs)).max(axis=0)
    if apart[0] > SINGLE:
        sys.exit(f"the areas differ by {apart[0]}")
    rows = []
    for name, spent in (("`abl`", [each for _, each in ours]), (f"`{PEER}`", times)):
        # the first holds what is loaded when it is first needed
        later = spent[1:] or spent
        middle = f"{1000 * statistics.median(later):.1f}"
        rows.append([name, middle, f"{1000 * min(later):.1f} to {1000 * max(later):.1f}"])
    print(f"{asked.images:,} images, {asked.arms} arms. {machine_line()}\n")
    print(markdown_table(["an AUC with its interval", "median, ms of CPU", "range"], rows))
    print(f"\nAreas differ by at most {apart[0]:.0e}, ends of intervals by {max(apart[1:]):.5f}.")


if __name__ == "__main__":
    main()
