"""What giving up points after some replicates saves a search, beside Optuna and Ray Tune.

    python benchmarks/search.py                  # about eight minutes
    python benchmarks/search.py --real           # and a small search of real trainings, four more
    python benchmarks/search.py --quick

Prints a section for docs/benchmarks.md. Trainings are counted, not done: a point's score on a fold
comes from a table, the same for every way. With --real, see search_real.py.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from measuring import machine_line, markdown_table
from search_plain import RayOnTwoCpus, with_optuna, with_tune
from search_real import real_section, run_way
from search_table import BEST_SCORE, GENERATION, SPACE, Course, Table, true_score, with_abl

from abl.spec.search import Prune

CLOSE = 0.002  # true scores closer than this are equal
BAR = 1.5
UNPRUNED, DEFAULT = "no pruning", f"p {Prune().p:g} (default)"
# n folds reach 1 / 2^n: with p 0.1 and 0.2 nothing ends before 4 and 3, whatever `after` says
PRUNES: dict[str, tuple[Prune | None, int]] = {
    UNPRUNED: (None, GENERATION),
    DEFAULT: (Prune(), GENERATION),
    "p 0.1": (Prune(p=0.1), GENERATION),
    "p 0.3": (Prune(p=0.3), GENERATION),
    f"p {Prune().p:g}, generations of 8": (Prune(), 8),
}
TUNE, OPTUNA = "(a) `ray.tune`, OptunaSearch", "(b) Optuna, TPE"
AGAIN = "(b) again, other sampler seeds"


@dataclass(frozen=True)
class Level:
    """How noisy folds are, and where that was recorded."""

    name: str
    fold_sd: float
    noise_sd: float


LEVELS = (Level("Little noise", 0.05, 0.025), Level("Much noise", 0.065, 0.05))


def course_of(ended: Sequence[tuple[Mapping[str, Any], float]], folds: int, took: float) -> Course:
    """A search that trained every fold of every point."""
    complete = [
        ((at + 1) * folds, mean, true_score(point)) for at, (point, mean) in enumerate(ended)
    ]
    return Course(complete, folds * len(ended), took)


def plainly(table: Table, points: int, other: int = 0) -> Course:
    """(b); `other` is added to the sampler's seed."""
    return course_of(
        *_with_folds(with_optuna(SPACE, table.mean, points, table.seed + other), table)
    )


def tuned(table: Table, points: int) -> Course:
    """(a); Ray must run."""
    return course_of(*_with_folds(with_tune(SPACE, table.mean, points, table.seed), table))


def _with_folds(found: tuple[Any, float], table: Table) -> tuple[Any, int, float]:
    return found[0], table.folds, found[1]


def courses(table: Table, points: int) -> dict[str, Course]:
    """(b), and (c) with every pruning."""
    found = {OPTUNA: plainly(table, points), AGAIN: plainly(table, points, 1000)}
    return found | {name: with_abl(table, points, *how) for name, how in PRUNES.items()}


@dataclass(frozen=True)
class Compared:
    """A way against (b) over the seeds that both have.

    Attributes:
        ways: Of the way, by seed.
        plain: Of (b), by seed.
    """

    ways: Sequence[Course]
    plain: Sequence[Course]

    @property
    def trainings(self) -> float:
        return statistics.median(each.trainings for each in self.ways)

    @property
    def fewer(self) -> float:
        """Trainings of (b) over those of the way."""
        pairs = zip(self.ways, self.plain, strict=True)
        return statistics.median(plain.trainings / way.trainings for way, plain in pairs)

    @property
    def _until(self) -> list[tuple[float, float]]:
        """Trainings of the way and of (b) until the winner is as good as that of (b)."""
        pairs = zip(self.ways, self.plain, strict=True)
        return [
            (way.until(plain.final - CLOSE), plain.until(plain.final - CLOSE))
            for way, plain in pairs
        ]

    @property
    def until(self) -> float:
        return statistics.median(way for way, _ in self._until)

    @property
    def sooner(self) -> float:
        """Ratio (b) over the way of trainings until then; 0 where the way never is."""
        return statistics.median(plain / way for way, plain in self._until)

    @property
    def reached(self) -> int:
        return sum(math.isfinite(way) for way, _ in self._until)

    @property
    def _same(self) -> list[tuple[float, float]]:
        """The same until both have a winner as good as the worse one of their final winners."""
        found = []
        for way, plain in zip(self.ways, self.plain, strict=True):
            score = min(way.final, plain.final)
            found.append((way.until(score), plain.until(score)))
        return found

    @property
    def same(self) -> float:
        return statistics.median(way for way, _ in self._same)

    @property
    def same_sooner(self) -> float:
        return statistics.median(plain / way for way, plain in self._same)

    @property
    def final(self) -> float:
        return statistics.median(each.final for each in self.ways)

    @property
    def plain_final(self) -> float:
        return statistics.median(each.final for each in self.plain)

    @property
    def gain(self) -> tuple[float, float]:
        """Mean and standard error of the true scores of the winners, the way's less (b)'s."""
        gains = [w.final - p.final for w, p in zip(self.ways, self.plain, strict=True)]
        error = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan
        return statistics.fmean(gains), error

    @property
    def seconds(self) -> float:
        return statistics.median(each.seconds for each in self.ways)

    @property
    def seeds(self) -> int:
        return len(self.ways)


def figure(value: float) -> str:
    """A count, which may be half of one; "never" if it is infinite."""
    return f"{value:g}" if math.isfinite(value) else "never"


def ways_table(every: Mapping[str, Compared]) -> str:
    """Each way beside (b)."""
    rows = [
        (
            name,
            figure(each.trainings),
            f"{each.fewer:.2f}",
            figure(each.same),
            f"{each.same_sooner:.2f}",
            figure(each.until),
            f"{each.sooner:.2f}",
            f"{each.reached} of {each.seeds}",
            f"{each.final:.4f}",
            f"{each.gain[0]:+.4f} ± {each.gain[1]:.4f}",
            f"{each.seconds:.1f}",
        )
        for name, each in every.items()
    ]
    head = [
        "way", "trainings", "(b) over it", "to the same best", "(b) over it", "to (b)'s best",
        "(b) over it", "reached", "true score of the winner", "less that of (b), mean ± s.e.",
        "own time, s",
    ]  # fmt: skip
    return markdown_table(head, rows)


def verdict(each: Compared, again: Compared) -> str:
    """Whether the bar is held, by each way of counting; `again` is a search equal to (b)."""
    as_good = each.final >= each.plain_final - CLOSE
    counted = [
        ("trainings in all", each.fewer, again.fewer),
        ("to (b)'s best", each.sooner, again.sooner),
        ("to the same best", each.same_sooner, again.same_sooner),
    ]
    rows = [
        (name, f"{ratio:.2f}", f"{null:.2f}", "held" if ratio >= BAR and as_good else "**missed**")
        for name, ratio, null in counted
    ]
    table = markdown_table(["(b) over (c), default", "measured", "(b) again", "bar"], rows)
    return (
        f"{table}\n\nBar: at least {BAR} times fewer trainings, and a winner whose true score is "
        f"no worse by more than {CLOSE}: {each.final:.4f} against {each.plain_final:.4f}, "
        f"{'held' if as_good else '**missed**'}."
    )


def definition(points: int, folds: int) -> str:
    """What is measured."""
    return f"""\
{points} points, {folds} folds; learning rate and weight decay by their logarithms, Adam or SGD,
momentum where it is SGD. A point's score on a fold is its true AUC (smooth, {BEST_SCORE} at best),
plus what the fold adds to every point, plus what it adds to this point alone; the table is the same
for every way. A training is one point on one fold.

- (a) `ray.tune` with OptunaSearch, two trials side by side, all folds in a trial.
- (b) Optuna's TPE, all folds in the objective. Both with Optuna's defaults and the same seeds.
- (c) `abl`'s search (generations of {GENERATION}, TPE, WilcoxonPruner over the folds), run as its
  runner runs it on two slots; {DEFAULT}.

The *running winner* is the complete point with the best mean over folds so far; what counts is its
true score. Trainings are counted until it is as good as

- *(b)'s best*: (b)'s final winner less {CLOSE}. Only (b) must reach that, so that the ratio of an
  equal search is below 1: the line "(b) again" shows by how much. A way that never does counts as
  infinitely many trainings.
- *the same best*: the worse one of the final winners of the way and of (b). Both reach it, and
  equal searches have a ratio of 1; it says nothing of a way whose final winner is worse.

Trainings and scores are medians over seeds, ratios are medians of the ratios of single seeds. *Own
time* is the search's, with trainings that take none.
"""


SIZES = """\
The sizes are those of validation AUCs recorded in the sweeps of docs/results, as components of
the table arms x replicates. Little noise: the phantom (label noise, 20 x 3: 0.025 for an arm on a
replicate; others 0.010 to 0.025), with 0.05 a fold assumed: those sweeps have seeds, not folds.
Much noise: BUS-UCLM and DDTI, whose validation parts have 50 and 66 cases (thresholds, 21 x 4
and 17 x 4: 0.053 and 0.054, a fold's 0.063 and 0.069).
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="of (a), (b), (c)")
    parser.add_argument("--more-seeds", type=int, default=16, help="of the prunings")
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--real", action="store_true", help="real trainings too")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        run_way(given.way, given.root)
        return
    if given.quick:
        given.seeds, given.more_seeds, given.points = 1, 2, 12
    print("## A search with replicates\n")
    print(f"{machine_line()}\n")
    print(f"{definition(given.points, given.folds)}\n{SIZES}")
    many: dict[Level, list[dict[str, Course]]] = {}
    run = partial(courses, points=given.points)
    # not forked: Ray's threads would not live through that
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for level in LEVELS:
            tables = [_table(level, seed, given.folds) for seed in range(given.more_seeds)]
            many[level] = list((map if given.quick else pool.map)(run, tables))
    with RayOnTwoCpus() as start_s:
        tables = [_table(LEVELS[0], seed, given.folds) for seed in range(given.seeds)]
        slow = [tuned(table, given.points) for table in tables]
    for level in LEVELS:
        print(f"### {level.name}: {level.fold_sd} a fold, {level.noise_sd} a point on a fold\n")
        _print_level(many[level], slow if level is LEVELS[0] else [], given.seeds)
    print(
        "(a) was run with little noise alone; it asks as (b) does. "
        f"Ray's start, {start_s:.1f} s, is in no figure.\n"
    )
    if given.real:
        with tempfile.TemporaryDirectory() as folder:
            print(real_section(Path(folder), Path(__file__)))
    sys.stdout.flush()


def _table(level: Level, seed: int, folds: int) -> Table:
    return Table(seed, folds, level.fold_sd, level.noise_sd)


def _print_level(many: Sequence[Mapping[str, Course]], slow: Sequence[Course], seeds: int) -> None:
    plain = [each[OPTUNA] for each in many]
    compared = {TUNE: Compared(slow, plain[:seeds])} if slow else {}
    for way, name in (
        (OPTUNA, OPTUNA),
        (AGAIN, AGAIN),
        ("(c) `abl`, " + UNPRUNED, UNPRUNED),
        ("(c) `abl`, default", DEFAULT),
    ):
        compared[way] = Compared([each[name] for each in many[:seeds]], plain[:seeds])
    print(f"{seeds} seeds:\n\n{ways_table(compared)}\n")
    print(f"{verdict(compared['(c) `abl`, default'], compared[AGAIN])}\n")
    prunings = {
        name: Compared([each[name] for each in many], plain) for name in (OPTUNA, AGAIN, *PRUNES)
    }
    print(f"(c) with other prunings, {len(many)} seeds:\n\n{ways_table(prunings)}\n")


if __name__ == "__main__":
    main()
