"""Are verdicts true? Simulated sweeps through the public functions; the truth is the recipe.

    python benchmarks/verdicts.py                     # all parts, an hour of one core
    python benchmarks/verdicts.py --part equivalence --sweeps 400
    python benchmarks/verdicts.py --quick             # a minute; exits with 1 if a bar is missed

Seeds are drawn afresh with --seed. A rate is held against its bar with two standard errors.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from measuring import machine_line, markdown_table
from simulated_sweeps import MEASURED, SweepDesign, drawn, signs_p, truth

from abl.decide.comparison import Contrast, best_and_tied, comparisons
from abl.decide.intervals import patient_interval

METRICS = ("acc", "sen", "auc", "f1")
MARGIN, FLIPS = 0.02, 1999
FALSE_EQUIVALENT, FALSE_CLAIM, COVERED = 0.025, 0.05, (0.93, 0.97)
LEAST_POWER = 0.8  # of the first version's
LUCKS: tuple[dict[str, float], ...] = ({}, MEASURED)

EQUAL = [
    SweepDesign(patients, splits=splits, seeds=seeds, **luck)
    for patients in (12, 35, 100, 300)
    for splits, seeds in ((1, 1), (1, 3), (3, 2), (5, 3))
    if patients >= 10 * splits
    for luck in LUCKS
] + [
    replace(each, **luck)
    for each in (
        SweepDesign(35, images=7),
        SweepDesign(100, images=(1, 1, 2, 3, 8)),
        SweepDesign(100, positive=0.2),
        SweepDesign(90, classes=3, splits=3),
        SweepDesign(100, splits=5, seeds=1),
    )
    for luck in LUCKS
]  # fmt: skip
NEARLY = {"patient": 1.0, "image": 0.6, "recipe": 0.05, "network": 0.05}
# recipes that truly differ by more than the margin, whose networks rarely disagree on an image
APART = [
    (SweepDesign(12, skill=3.2, gain=-0.7, **NEARLY), "acc"),
    (SweepDesign(35, skill=4.2, moved=-0.35, **NEARLY), "sen"),
    (SweepDesign(50, positive=0.3, skill=3.6, moved=-0.4, **NEARLY), "sen"),
    (SweepDesign(72, skill=4.0, moved=-0.35, **NEARLY), "sen"),
    (SweepDesign(100, positive=0.82, skill=3.8, moved=0.4, **NEARLY), "spe"),
    (SweepDesign(35, skill=3.0, gain=-0.5, **NEARLY), "auc"),
    (SweepDesign(100, skill=2.6, gain=-0.35, **NEARLY), "auc"),
    (SweepDesign(100, skill=3.6, gain=-0.4, **NEARLY), "f1"),
    (SweepDesign(35, images=7, skill=3.6, gain=-0.5, **NEARLY), "acc"),
    (SweepDesign(100, skill=3.6, gain=-0.4, **NEARLY), "acc"),
]
BETTER = [
    SweepDesign(patients, splits=splits, seeds=seeds, gain=gain)
    for patients, gain in ((100, 1.2), (300, 0.6))
    for splits, seeds in ((1, 3), (3, 2), (5, 3))
]

Row = tuple[str, ...]


def held(rate: float, count: int, low: float, high: float) -> str:
    """Whether a rate lies between its bars, two standard errors allowed for."""
    error = 2 * math.sqrt(max(rate * (1 - rate), 0.25 / count) / count)
    if rate > high + error and (low, high) == COVERED:
        return "wider"  # than it must be, of few and discrete outcomes
    return "held" if low - error <= rate <= high + error else "**missed**"


def per_cent(rate: float) -> str:
    return f"{100 * rate:.1f}"


def equal_recipes(design: SweepDesign, sweeps: int, seed: int) -> list[Row]:
    """False claims, and coverage of differences and cells, of two equal recipes."""
    rng = np.random.default_rng([seed, 1])
    trainings = design.splits * design.seeds
    of_recipes = trainings > 2 and design.seeds > 1
    metrics = METRICS if design.classes == 2 else ("acc", "balanced_acc", "auc", "f1")
    seen = {metric: Counter[str]() for metric in metrics}
    for _ in range(sweeps):
        found = drawn(design, rng)
        for metric in metrics:
            count = seen[metric]
            (said,) = comparisons([Contrast("base", *found.arms)], metric, margin=MARGIN)
            count[said.verdict] += 1
            true = 0.0
            if not of_recipes and found.networks[0]:
                true = found.networks[0][metric] - found.networks[1][metric]
            if not math.isnan(said.difference):
                count["pairs"] += 1
                count["covered"] += said.low - 1e-12 <= true <= said.high + 1e-12
                count["outside"] += not said.low <= said.difference <= said.high
                count["torn"] += (said.p < 0.05) != (said.low > 0 or said.high < 0)
            if design.classes == 2:
                of_cell = truth(design, metric) if trainings > 2 else found.networks[1][metric]
                cell = patient_interval(found.arms[1], metric)
                count["cell"] += cell.low <= of_cell <= cell.high
                count["cells"] += not math.isnan(cell.low)
    rows = []
    for metric, count in seen.items():
        claims = sum(n for word, n in count.items() if word.startswith(("better", "worse")))
        pairs, cells = max(count["pairs"], 1), max(count["cells"], 1)
        if count["outside"] or count["torn"]:
            raise SystemExit(f"{design.name}, {metric}: an interval and its P disagree")
        claimed = claims / sweeps
        # a verdict on networks is false where the interval misses what those networks are worth
        false = claimed if of_recipes else 1 - count["covered"] / pairs
        ends = held(count["covered"] / pairs, pairs, *COVERED)
        of_cells = held(count["cell"] / cells, cells, *COVERED)
        rows.append(
            (
                design.name, metric, "recipes" if of_recipes else "networks",
                per_cent(false), held(false, sweeps, 0, FALSE_CLAIM),
                per_cent(count["covered"] / pairs), ends,
                per_cent(count["cell"] / cells) if count["cells"] else "",
                of_cells if count["cells"] else "",
            )
        )  # fmt: skip
    return rows


def recipes_apart(design: SweepDesign, metric: str, sweeps: int, seed: int) -> list[Row]:
    """False equivalence of recipes that differ by more than the margin."""
    rng, rows = np.random.default_rng([seed, 2]), []
    for seeds, luck in ((1, {}), (3, {}), (3, MEASURED)):
        each = replace(design, seeds=seeds, **luck)
        apart = truth(each, metric, 0) - truth(each, metric, 1)
        equivalent = 0
        for _ in range(sweeps):
            contrast = Contrast("base", *drawn(each, rng).arms)
            (said,) = comparisons([contrast], metric, margin=MARGIN)
            equivalent += said.verdict == "equivalent"
        rate = equivalent / sweeps
        bar = held(rate, sweeps, 0, FALSE_EQUIVALENT)
        rows.append((each.name, metric, f"{100 * apart:+.1f}", per_cent(rate), bar))
    return rows


def better_recipe(design: SweepDesign, sweeps: int, seed: int) -> list[Row]:
    """Power, beside that of the first version's sign flips, without any luck of trainings."""
    rng, rows = np.random.default_rng([seed, 3]), []
    flips = np.random.default_rng(0).choice([-1.0, 1.0], size=(FLIPS, design.patients))
    metrics = ("acc", "auc")
    seen = {metric: Counter[str]() for metric in metrics}
    for _ in range(sweeps):
        arm, base = drawn(design, rng).arms
        for metric in metrics:
            (said,) = comparisons([Contrast("base", arm, base)], metric, margin=MARGIN)
            seen[metric]["now"] += said.verdict.startswith("better")
            seen[metric]["first"] += signs_p(arm, base, metric, flips) < 0.05
    for metric, count in seen.items():
        now, first = count["now"] / sweeps, count["first"] / sweeps
        bar = held(now, sweeps, LEAST_POWER * first, 1)
        rows.append((design.name, metric, per_cent(first), per_cent(now), bar))
    return rows


def families(sweeps: int, seed: int, arms: int = 21) -> Iterator[list[Row]]:
    """Equal arms: any false claim of the family, and whether all are marked as possibly best."""
    rng = np.random.default_rng([seed, 4])
    for splits, luck in ((1, {}), (1, MEASURED), (3, MEASURED)):
        design = SweepDesign(100, splits=splits, **luck)
        for metric in ("acc", "auc"):
            claimed = unmarked = 0
            for _ in range(sweeps):
                found = drawn(design, rng, arms).arms
                said = comparisons(
                    [Contrast("base", each, found[0]) for each in found[1:]],
                    metric, margin=MARGIN, permutations=2000,
                )  # fmt: skip
                claimed += any(each.verdict.startswith(("better", "worse")) for each in said)
                _, tied = best_and_tied({str(k): a for k, a in enumerate(found)}, metric)
                unmarked += len(tied) < arms - 1
            claim, lost = claimed / sweeps, unmarked / sweeps
            bars = held(claim, sweeps, 0, FALSE_CLAIM), held(lost, sweeps, 0, FALSE_CLAIM)
            yield [(design.name, metric, per_cent(claim), bars[0], per_cent(lost), bars[1])]


EQUAL_HEAD = ("patients, splits x seeds", "metric", "verdicts on", "false claims, %", "at most 5",
              "difference covered, %", "93-97", "cell covered, %", "93-97")  # fmt: skip
APART_HEAD = (
    "patients, splits x seeds",
    "metric",
    "true difference",
    "equivalent, %",
    "at most 2.5",
)
BETTER_HEAD = ("patients, splits x seeds", "metric", "sign flips, %", "now, %", "at least 4/5")
FAMILY_HEAD = ("patients, splits x seeds", "metric", "any false claim, %", "at most 5",
               "a best arm unmarked, %", "at most 5")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few designs and sweeps")
    parser.add_argument("--part", choices=("equal", "equivalence", "power", "families"))
    parser.add_argument("--sweeps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=2026)
    given = parser.parse_args()
    sweeps = 60 if given.quick else given.sweeps
    equal = [EQUAL[4], EQUAL[5], EQUAL[-10]] if given.quick else EQUAL
    apart = APART[::4] if given.quick else APART
    better = BETTER[:1] if given.quick else BETTER
    parts: dict[str, tuple[str, Row, Iterable[list[Row]]]] = {
        "equivalence": (
            "Recipes apart by more than the margin of 2 points",
            APART_HEAD,
            (recipes_apart(design, metric, sweeps, given.seed) for design, metric in apart),
        ),
        "equal": (
            "Equal recipes",
            EQUAL_HEAD,
            (equal_recipes(design, sweeps, given.seed) for design in equal),
        ),
        "power": (
            "A better recipe, trainings alike",
            BETTER_HEAD,
            (better_recipe(design, sweeps, given.seed) for design in better),
        ),
        "families": (
            "Families of equal arms, each against the first",
            FAMILY_HEAD,
            families(sweeps // 2, given.seed, 6 if given.quick else 21),
        ),
    }
    print(f"## Verdicts\n\n{machine_line()}; {sweeps} sweeps a row\n", flush=True)
    missed = 0
    for name, (title, head, found) in parts.items():
        if given.part not in (None, name):
            continue
        print(f"{title}\n\n{markdown_table(head, [])}", flush=True)
        for rows in found:
            for row in rows:
                print(f"| {' | '.join(row)} |", flush=True)
                missed += "**missed**" in row
        print()
    if given.quick and missed:
        raise SystemExit(f"{missed} bars missed")


if __name__ == "__main__":
    main()
