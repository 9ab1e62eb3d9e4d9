"""A search whose trainings are numbers: points score what a formula says, at once."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from abl.errors import InputError
from abl.plan.graph import Arm, PlannedCell, Replicate
from abl.plan.stage import Stage
from abl.runner.protocols import Ended, Failure
from abl.search.generations import Asking
from abl.search.kept import KeptStudy
from abl.search.space import Choices, Range
from abl.spec.search import Objective, Search
from abl.studies.searching.search_run import SearchRun
from abl.studies.searching.searched_arms import PointCell
from abl.studies.shared.analysis import ScoredPart

SPACE = {
    "lr": Range(1e-4, 1e-1, log=True),
    "optimizer": Choices(("adam", "sgd"), {"sgd": {"momentum": Range(0.0, 0.99)}}),
}
IMAGES = 2000


class Finished:
    """What a search asks a store: which stages are done. Their histories are in no file."""

    def __init__(self) -> None:
        self.digests: set[str] = set()

    def has(self, digest: str) -> bool:
        return digest in self.digests

    def done(self, digest: str) -> None:
        return None


def noise(*parts: Any) -> float:
    """The same normal number for the same words."""
    return float(np.random.default_rng(zlib.crc32(repr(parts).encode())).normal())


def accuracy(point: Mapping[str, Any], fold: int) -> float:
    """Best at lr 3e-3 with sgd; folds differ, and points a little by fold."""
    away = abs(np.log10(point["lr"]) + 2.5) / 3 + 0.1 * (point["optimizer"] == "adam")
    value = (
        0.9 - 0.3 * away + 0.03 * noise("fold", fold) + 0.01 * noise(sorted(point.items()), fold)
    )
    return float(np.clip(value, 0, 1))


def part_of(share: float) -> ScoredPart:
    """Predictions of which so many are right."""
    labels = np.arange(IMAGES) % 2
    right = np.arange(IMAGES) < round(share * IMAGES)
    p = np.where((labels == 1) == right, 0.9, 0.1)
    names = np.arange(IMAGES).astype(str)
    return ScoredPart("validation", names, labels, names, np.stack([1 - p, p], axis=1))


def cells_of(point: Mapping[str, Any], folds: int) -> list[PointCell]:
    if point["lr"] > 0.09:
        raise InputError("does not fit")
    found = []
    for fold in range(folds):
        front = Stage("front", 1, {"optimizer": point["optimizer"]})
        stage = Stage("train", 1, {**point, "fold": fold}, {"front": front.digest})
        cell = PlannedCell(0, Replicate(0, fold, 0), {"original": stage.digest})
        found.append(PointCell(Arm({}, ()), cell, {front.digest: front, stage.digest: stage}))
    return found


def search_of(
    store: Finished,
    *,
    folds: int = 6,
    score: Callable[[Mapping[str, Any], int], float] = accuracy,
    kept: KeptStudy | None = None,
    **block: Any,
) -> SearchRun:
    search = Search.model_validate(
        {"space": {"x": [1]}, "trials": 16, "generation": 4, "prune": {"p": 0.2}, **block}
    )
    points: dict[str, tuple[Mapping[str, Any], int]] = {}

    def cells(point):
        made = cells_of(point, folds)
        for cell in made:
            points[cell.cell.uses["original"]] = (point, cell.cell.replicate.fold)
        return made

    asking = Asking(
        SPACE, ["maximize"], sampler=search.sampler, seed=search.seed, size=search.generation
    )
    return SearchRun(
        search,
        asking,
        (Objective(metric="acc"),),
        search.trials,
        folds,
        cells,
        lambda cell: part_of(score(*points[cell.cell.uses["original"]])),
        lambda asked: "",
        store,  # type: ignore[arg-type]
        kept or KeptStudy(None, "key"),
    )


def run(
    search: SearchRun,
    store: Finished,
    pick: Callable[[list[str]], str],
    *,
    fails: Callable[[Stage, int], Failure | None] = lambda stage, times: None,
    most: int = 10_000,
) -> list[str]:
    """Runs whatever a search asks for, one stage at a time in the order picked; what was run."""
    waiting: dict[str, Stage] = {}
    failed: dict[str, Failure] = {}
    tried: dict[str, int] = {}
    ran: list[str] = []
    while len(ran) < most:
        change = search.advance(Ended(failed))
        waiting |= {d: s for d, s in change.stages.items() if not store.has(d)}
        for digest in change.again:
            failed.pop(digest, None)
        ready = [
            digest
            for digest, stage in waiting.items()
            if not store.has(digest)
            and digest not in failed
            and all(store.has(source) for source in stage.sources)
        ]
        if not ready:
            return ran
        chosen = pick(ready)
        tried[chosen] = tried.get(chosen, 0) + 1
        failure = fails(waiting[chosen], tried[chosen])
        if failure is not None:
            failed[chosen] = failure
        else:
            store.digests.add(chosen)
        ran.append(chosen)
    return ran


def told(search: SearchRun) -> list[tuple[Any, ...]]:
    """Everything that must not depend on the order in which stages end."""
    return [(p.number, p.state, sorted(p.point.items()), p.scores, p.reason) for p in search.points]
