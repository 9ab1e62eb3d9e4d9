"""An objective with fold noise whose values come from a table, and `abl`'s search over it."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from abl.plan.frontier import Frontier
from abl.plan.graph import Arm, PlannedCell, Replicate
from abl.plan.outcome import COMPLETE
from abl.plan.stage import Stage, canonical_json
from abl.record.store import Store
from abl.runner.protocols import Ended
from abl.search.generations import Asking
from abl.search.kept import KeptStudy
from abl.search.space import Choices, Point, Range, Space
from abl.spec.search import Objective, Prune, Search
from abl.studies.searching.search_run import SearchRun
from abl.studies.searching.searched_arms import PointCell
from abl.studies.shared.analysis import ScoredPart

SLOTS = 2  # trainings side by side
GENERATION: int = Search.model_fields["generation"].default
STEPS = 100  # images a class of the made-up predictions: an AUC is known to 1 / STEPS^2

SPACE: Space = {
    "lr": Range(1e-5, 0.3, log=True),
    "weight_decay": Range(1e-6, 0.1, log=True),
    "optimizer": Choices(("adam", "sgd"), {"sgd": {"momentum": Range(0.0, 0.99)}}),
}


def true_score(point: Mapping[str, Any]) -> float:
    """The AUC of a point over all folds there could be: smooth, 0.5 far from the optimum.

    Adam is best at a learning rate of 1e-3 (AUC 0.90); SGD at 0.1 / (1 - momentum) with momentum
    0.9, and then 0.01 better than Adam. A decade from it costs 0.08.
    """
    rate, decay = math.log10(point["lr"]), math.log10(point["weight_decay"])
    off = ((decay + 4) / 2.5) ** 2
    if point["optimizer"] == "adam":
        return 0.5 + 0.40 * math.exp(-0.5 * (off + ((rate + 3) / 1.5) ** 2))
    momentum = point["momentum"]
    effective = rate - math.log10(1 - momentum)
    off += ((effective + 1) / 1.5) ** 2 + ((momentum - 0.9) / 0.6) ** 2
    return 0.5 + 0.41 * math.exp(-0.5 * off)


BEST_SCORE = 0.91


@dataclass(frozen=True)
class Table:
    """Scores on folds: the same for a point whoever asks, and in whatever order.

    Attributes:
        fold_sd: Of what a fold adds to every point.
        noise_sd: Of what it adds to one point alone.
    """

    seed: int
    folds: int
    fold_sd: float
    noise_sd: float

    def scores(self, point: Mapping[str, Any]) -> list[float]:
        """The AUC on every fold, in steps of 1 / STEPS^2."""
        common = np.random.default_rng([self.seed, 1]).normal(0, self.fold_sd, self.folds)
        said = hashlib.sha256(canonical_json(dict(point)).encode()).digest()[:8]
        entropy = [self.seed, 2, int.from_bytes(said, "big")]
        own = np.random.default_rng(entropy).normal(0, self.noise_sd, self.folds)
        found = np.clip(true_score(point) + common + own, 0, 1)
        return [round(float(each) * STEPS**2) / STEPS**2 for each in found]

    def mean(self, point: Mapping[str, Any]) -> float:
        """Over all folds: what a search is told of a complete point."""
        return float(np.mean(self.scores(point)))


@dataclass
class Course:
    """A search after it has ended.

    Attributes:
        complete: (trainings up to then, its mean over folds, its true score) of each complete
            point, in the order in which they were complete.
        trainings: In all.
        seconds: Wall time.
    """

    complete: list[tuple[int, float, float]] = field(default_factory=list)
    trainings: int = 0
    seconds: float = 0.0

    def winners(self) -> Iterator[tuple[int, float]]:
        """(trainings up to then, true score) of the point with the best mean, as it changes."""
        most = -math.inf
        for trainings, mean, score in self.complete:
            if mean > most:
                most = mean
                yield trainings, score

    @property
    def final(self) -> float:
        """True score of the final winner."""
        return list(self.winners())[-1][1]

    def until(self, score: float) -> float:
        """Trainings until the running winner is truly as good as this; inf if it never is."""
        return next((float(n) for n, true in self.winners() if true >= score), math.inf)


def predictions_with(auc: float) -> ScoredPart:
    """Predictions on validation images that have exactly this AUC."""
    ordered = round(auc * STEPS**2)
    whole, rest = divmod(ordered, STEPS)
    negative = (np.arange(STEPS) + 0.5) / STEPS
    positive = np.zeros(STEPS)
    positive[:whole] = 1.0
    positive[whole : whole + 1] = rest / STEPS
    p = np.concatenate([negative, positive])
    names = np.array([f"image{at}" for at in range(2 * STEPS)])
    labels = np.repeat([0, 1], STEPS)
    return ScoredPart("validation", names, labels, names, np.stack([1 - p, p], axis=1))


class TableStore:
    """As much of a store as a search looks at: which stages are done."""

    def __init__(self) -> None:
        self.finished: set[str] = set()

    def has(self, digest: str) -> bool:
        """Whether this training has ended."""
        return digest in self.finished

    def done(self, digest: str) -> None:
        """No learning curves."""


def with_abl(
    table: Table, points: int, prune: Prune | None, generation: int = GENERATION
) -> Course:
    """`abl`'s search, as the runner runs it on two slots, all trainings of equal length."""
    began = time.perf_counter()
    store, course = TableStore(), Course()
    search = _search(table, points, prune, store, generation)
    frontier = Frontier({})
    frontier.extend(search.advance(Ended()).stages)
    running: list[str] = []
    noted: set[int] = set()
    while not search.ended:
        while len(running) < SLOTS and (stage := next(frontier.each_ready(), None)) is not None:
            frontier.start(stage.digest)
            running.append(stage.digest)
        digest = running.pop(0)
        store.finished.add(digest)
        frontier.finish(digest)
        course.trainings += 1
        if search.awaits(digest):
            frontier.extend(search.advance(Ended()).stages)
        for state in search.points:
            if state.state == COMPLETE and state.values and state.number not in noted:
                noted.add(state.number)
                entry = (course.trainings, state.values[0], true_score(state.point))
                course.complete.append(entry)
    course.trainings += len(running)  # released before their points were given up
    course.seconds = time.perf_counter() - began
    return course


def _search(
    table: Table, points: int, prune: Prune | None, store: TableStore, size: int
) -> SearchRun:
    given = {"space": {"lr": {"from": 1e-5, "to": 0.3}}, "trials": points, "generation": size}
    block = Search.model_validate(given)
    return SearchRun(
        block.model_copy(update={"prune": prune}),
        Asking(SPACE, ["maximize"], seed=table.seed, size=size),
        [Objective(metric="auc")],
        points,
        table.folds,
        lambda point: _cells(point, table.folds),
        lambda cell: _validated(table, cell),
        lambda _: "",
        cast(Store, store),
        KeptStudy(None, ""),
    )


def _cells(point: Point, folds: int) -> list[PointCell]:
    arm, found = Arm({}, tuned=point), []
    for fold in range(folds):
        stage = Stage("train", 1, point, reads=str(fold))
        cell = PlannedCell(0, Replicate(0, fold, 0), {"network": stage.digest})
        found.append(PointCell(arm, cell, {stage.digest: stage}))
    return found


def _validated(table: Table, cell: PointCell) -> ScoredPart:
    return predictions_with(table.scores(cell.arm.tuned)[cell.cell.replicate.fold])
