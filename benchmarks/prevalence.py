"""Do intervals hold which patients come, where a metric depends on how many of them are positive?

    python benchmarks/prevalence.py          # 15 minutes on one CPU
    python benchmarks/prevalence.py --quick

Patients come as they are: of each it is drawn whether the label is 1, from a risk that one
predictor knows and another one sees through noise. The truth is the metric on 400,000 patients.
Counted are the 95 % intervals of one predictor's value, and of the difference of both, that hold
it. Prints a section for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse

import numpy as np
from measuring import machine_line, markdown_table
from scipy.special import expit

from abl.decide.intervals import difference_interval, patient_interval
from abl.decide.metric_names import metric_named
from abl.decide.replicates import Scores

# those that depend on the share of positives, then some that do not
METRICS = ("calibration_intercept", "ap", "ppv", "npv", "acc", "f1", "brier", "auc", "sen")
MANY = 400_000


def scores(rng: np.random.Generator, patients: int) -> tuple[Scores, Scores]:
    """What knows the risk, and what sees it through noise."""
    risk = 1.3 * rng.normal(size=patients) - 0.4
    labels = (rng.random(patients) < expit(risk)).astype(np.int64)
    seen = (expit(risk), expit(risk + rng.normal(size=patients) / 2))
    names = np.arange(patients)
    one, other = (Scores(0, 0, 0, labels, names, np.column_stack([1 - p, p])) for p in seen)
    return one, other


def covered(patients: int, samples: int) -> list[tuple[str, str, str]]:
    """Of each metric the share of intervals that hold the truth: of a value, of a difference."""
    rng = np.random.default_rng(patients)
    whole = scores(rng, MANY)
    truth = {name: [metric_named(name)(each.labels, each.p) for each in whole] for name in METRICS}
    held = {name: np.zeros(2) for name in METRICS}
    for _ in range(samples):
        one, other = scores(rng, patients)
        for name, (value, noisy) in truth.items():
            cell, apart = patient_interval([one], name), difference_interval([one], [other], name)
            held[name] += (
                cell.low <= value <= cell.high,
                apart.low <= value - noisy <= apart.high,
            )
    return [
        (metric_named(name).label, *(f"{100 * each / samples:.1f}" for each in found))
        for name, found in held.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 samples of 100 patients")
    quick = parser.parse_args().quick
    for patients in (100,) if quick else (50, 100, 300):
        samples = 20 if quick else 500
        print(f"{machine_line()}\n\n{patients} patients, {samples} samples.\n")
        head = ("metric", "values covered, %", "differences covered, %")
        print(markdown_table(head, covered(patients, samples)), "\n")


if __name__ == "__main__":
    main()
