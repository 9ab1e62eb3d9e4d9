"""Simulated readers and cases: how often equal treatments are called different, and coverage.

    python benchmarks/readers.py                 # 2,000 studies a row, some minutes
    python benchmarks/readers.py --studies 200

Prints a section for docs/benchmarks.md. Scores are those of Roe and Metz (Acad. Radiol. 4, 1997):
normal, with variance between readers, cases, and their interactions with each other and with the
treatment; HH to LL are their four structures of correlation, with their variances between readers
for an AUC of 0.855. An algorithm is one more score with its own expected AUC, the same in every
study; readers are drawn anew.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from measuring import machine_line, markdown_table
from scipy.stats import norm

from abl.decide.readers.against_readers import algorithm_against_readers
from abl.decide.readers.contrasts import MEAN_SCALES, ReaderContrast, interval_ends
from abl.decide.readers.obuchowski_rockette import obuchowski_rockette
from abl.decide.readers.rater_estimates import COVARIANCE_METHODS, rater_estimates

SEPARATION = 1.5  # of the classes' means, in standard deviations of a case
BETTER = 2.0  # of the second treatment, where there is a difference to cover
CUTOFF = 0.75  # of answers
SIZES = ((5, 100), (9, 200))
METHODS = COVARIANCE_METHODS
# of studies: equal treatments called different, means and differences that are covered
COUNTED = ("null", *MEAN_SCALES, "apart")


@dataclass(frozen=True)
class Structure:
    """Variances: of a case, a case in a treatment, reader x case, the rest; and of a reader."""

    name: str
    case: float
    treatment_case: float
    reader_case: float
    rest: float
    reader: float  # in all treatments, and once more in each


STRUCTURES = (
    Structure("HL", 0.3, 0.3, 0.2, 0.2, 0.0055),
    Structure("LL", 0.1, 0.1, 0.2, 0.6, 0.0055),
    Structure("HH", 0.3, 0.3, 0.2, 0.2, 0.03),
    Structure("LH", 0.1, 0.1, 0.2, 0.6, 0.03),
)


def readings(
    draw: np.random.Generator, of: Structure, readers: int, cases: int, apart: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """(treatments, readers, cases) scores and (cases,) truth, half of them positive."""
    truth = np.arange(cases) % 2
    treatments = len(apart)

    def normal(variance: float, *shape: int) -> np.ndarray:
        return draw.normal(0.0, math.sqrt(variance), shape)

    of_reader = normal(of.reader, 1, readers, 2) + normal(of.reader, treatments, readers, 2)
    scores = np.array(apart)[:, None, None] * truth + of_reader[:, :, truth]
    scores += normal(of.case, 1, 1, cases) + normal(of.treatment_case, treatments, 1, cases)
    scores += normal(of.reader_case, 1, readers, cases)
    return scores + normal(of.rest, treatments, readers, cases), truth


def with_algorithm(
    draw: np.random.Generator, of: Structure, readers: int, cases: int
) -> tuple[np.ndarray, np.ndarray]:
    """(1 + readers, cases) scores, the algorithm's first, and truth; all have one expected AUC."""
    truth = np.arange(cases) % 2
    shared = draw.normal(0.0, math.sqrt(of.case + of.treatment_case), cases)
    own = draw.normal(0.0, math.sqrt(of.reader_case + of.rest), (1 + readers, cases))
    of_reader = draw.normal(0.0, math.sqrt(2 * of.reader), (readers, 2))
    # a fixed rater of the readers' expected AUC
    algorithm = SEPARATION / math.sqrt(1 + 2 * of.reader) * truth
    people = SEPARATION * truth + of_reader[:, truth]
    return np.vstack([algorithm, people]) + shared + own, truth


def expected_auc(separation: float, of: Structure) -> float:
    """Over readers and cases."""
    return float(norm.cdf(separation / math.sqrt(2 + 4 * of.reader)))


def expected_sensitivity(separation: float, of: Structure) -> float:
    """Of answers at the cut-off, over readers and cases."""
    return float(norm.cdf((separation - CUTOFF) / math.sqrt(1 + 2 * of.reader)))


def covers(found: ReaderContrast, value: float) -> bool:
    """Whether the interval holds a value; a study without an interval does not."""
    return bool(found.low <= value <= found.high)


def means_covering(found: ReaderContrast, value: float) -> dict[str, bool]:
    """Whether the interval of a mean holds a value, on each scale."""
    covered = {}
    for scale in MEAN_SCALES:
        low, high = interval_ends(found.estimate, found.error, found.df, scale)
        covered[scale] = bool(low <= value <= high)
    return covered


def treatments(
    of: Structure, readers: int, cases: int, studies: int, seed: int
) -> Iterator[list[str]]:
    """Rejections of equal treatments, coverage of a mean and of a difference, by covariance."""
    draw = np.random.default_rng([seed, readers, cases])
    counts = {(method, what): 0 for method in METHODS for what in COUNTED}
    answers = dict.fromkeys(COUNTED, 0)
    shape = (2, readers)
    true_auc = [expected_auc(each, of) for each in (SEPARATION, BETTER)]
    true_sen = [expected_sensitivity(each, of) for each in (SEPARATION, BETTER)]
    for _ in range(studies):
        for kind, apart in (("null", (SEPARATION,) * 2), ("apart", (SEPARATION, BETTER))):
            scores, truth = readings(draw, of, readers, cases, apart)
            flat = scores.reshape(-1, cases)
            difference = 0.0 if kind == "null" else true_auc[0] - true_auc[1]
            for method in METHODS:
                each = rater_estimates(flat, truth, "auc", method)
                found = obuchowski_rockette(
                    each.values.reshape(shape), each.covariance.reshape(shape * 2), ("a", "b")
                )
                if kind == "null":
                    counts[method, "null"] += found.test.p < 0.05
                    for scale, held in means_covering(found.treatments[0], true_auc[0]).items():
                        counts[method, scale] += held
                else:
                    counts[method, "apart"] += covers(found.differences[0], difference)
            each = rater_estimates((flat > CUTOFF).astype(int), truth, "sen")
            found = obuchowski_rockette(
                each.values.reshape(shape), each.covariance.reshape(shape * 2), ("a", "b")
            )
            if kind == "null":
                answers["null"] += found.test.p < 0.05
                for scale, held in means_covering(found.treatments[0], true_sen[0]).items():
                    answers[scale] += held
            else:
                answers["apart"] += covers(found.differences[0], true_sen[0] - true_sen[1])
    for method in METHODS:
        yield row(of, readers, cases, f"AUC, {method}", studies, {
            what: counts[method, what] for what in COUNTED
        })  # fmt: skip
    yield row(of, readers, cases, "sensitivity", studies, answers)


def algorithms(
    of: Structure, readers: int, cases: int, studies: int, seed: int
) -> Iterator[list[str]]:
    """The same of an algorithm that is as good as readers are on average."""
    draw = np.random.default_rng([seed, readers, cases, 1])
    counts = {(method, what): 0 for method in METHODS for what in COUNTED}
    names = ["algorithm", *map(str, range(readers))]
    for _ in range(studies):
        scores, truth = with_algorithm(draw, of, readers, cases)
        for method in METHODS:
            each = rater_estimates(scores, truth, "auc", method)
            found = algorithm_against_readers(each.values, each.covariance, names)
            counts[method, "null"] += found.difference.p < 0.05
            counts[method, "apart"] += covers(found.difference, 0.0)
            for scale, held in means_covering(found.readers, expected_auc(SEPARATION, of)).items():
                counts[method, scale] += held
    for method in METHODS:
        yield row(of, readers, cases, f"algorithm, {method}", studies, {
            what: counts[method, what] for what in COUNTED
        })  # fmt: skip


def row(
    of: Structure, readers: int, cases: int, what: str, studies: int, counts: dict[str, int]
) -> list[str]:
    """One line of the table, in percent."""
    share = [f"{100 * counts[name] / studies:.1f}" for name in COUNTED]
    return [f"{readers} x {cases}", of.name, what, *share]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rows = []
    for readers, cases in SIZES:
        for number, of in enumerate(STRUCTURES):
            seed = 10 * asked.seed + number
            rows += treatments(of, readers, cases, asked.studies, seed)
            rows += algorithms(of, readers, cases, asked.studies, seed)
    print(f"{asked.studies} studies a row; nominal 5 and 95 %. {machine_line()}\n")
    means = [f"mean covered, {scale}" for scale in MEAN_SCALES]
    head = ("readers x cases", "structure", "of", "rejected", *means, "difference covered")
    print(markdown_table(head, rows))


if __name__ == "__main__":
    main()
