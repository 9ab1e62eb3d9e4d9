"""One small sweep with a search, and its trainings called by plain Optuna and by Ray Tune.

A part of search.py: each way is a process of its own, which prints what it found as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Measured, markdown_table, run_measured
from search_plain import RayOnTwoCpus, with_optuna, with_tune

FOLDS, POINTS = 5, 12
SWEEP = f"""
name: bench_search
study: hyper
data:
  phantom: {{patients: 60, size: 32, seed: 3}}
image: {{size: 32, channels: 1, normalize: half}}
splits: {{kind: kfold, folds: {FOLDS}, validation: 0.25}}
replicates: {{repeats: 1, seeds: [0]}}
train: {{network: tiny_resnet, epochs: 3, last_k: 1}}
search:
  space:
    train.optimizer.lr: {{from: 1e-4, to: 3e-2, log: true}}
    train.optimizer.name:
      choices: [adam, sgd]
      when:
        sgd: {{train.optimizer.momentum: {{from: 0.0, to: 0.95}}}}
    train.augment.flip: [true, false]
  trials: {POINTS}
  generation: 4
  prune: {{p: 0.3, after: 2}}
metrics: [f1, acc, auc]
primary: auc
resamples: 500
"""
WAYS = {
    "tune": "(a) `ray.tune`, two trials side by side",
    "optuna": "(b) Optuna, one process",
    "abl": "(c) `abl.run`, two workers",
    "local": "(c) `abl.run`, one process",
}


@dataclass
class Found:
    """What a way found.

    Attributes:
        scores: Of each point, in order: its validation AUC on every fold trained.
        trainings: Distinct ones.
        training_s: Their seconds, as recorded.
    """

    scores: list[list[float]] = field(default_factory=list)
    trainings: int = 0
    training_s: float = 0.0

    @property
    def best(self) -> float:
        return max(float(np.mean(each)) for each in self.scores if len(each) == FOLDS)

    def until(self, score: float) -> int | None:
        """Trainings, point by point, until a complete point has this mean; None if none has."""
        spent = 0
        for each in self.scores:
            spent += len(each)
            if len(each) == FOLDS and np.mean(each) >= score:
                return spent
        return None


class FoldTrainer:
    """Trains a point on folds by the code that `abl` trains with; reads validation alone."""

    def __init__(self, root: Path):
        from abl.api import load
        from abl.studies.searching.searched_arms import PointPlanner, plain_file, searched_arms
        from abl.studies.searching.searched_space import space_of
        from abl.studies.searching.tuned_study import TunedStudy

        sweep = load(root / "sweep.yaml", root=root / "mlruns")
        study, search = sweep.study, sweep.file.sweep.search
        if not isinstance(study, TunedStudy) or search is None:
            raise SystemExit("the sweep has no search")
        searched = searched_arms(sweep.file, study.axes, sweep.plan)[0]
        sweep.workspace.prepare(lambda _: None)
        self.planner = PointPlanner(study.inner, plain_file(sweep.file), sweep.workspace)
        self.store = sweep.store
        self.space = space_of(search.space, study.axes)
        self._arm, self._replicates = searched.arm, searched.replicates

    def start(self) -> dict[str, Any]:
        """The settings of the file, which `abl` tries first."""
        from abl.search.space import dimensions_of, within

        train = self.planner.file.sweep.train.model_dump(by_alias=True)
        known = {}
        for path in dimensions_of(self.space):
            value: Any = train
            for part in path.split(".")[1:]:
                value = value[part]
            known[path] = value
        point = within(self.space, known)
        if point is None:
            raise SystemExit("the file's settings lie outside of the space")
        return point

    def scores(self, point: Mapping[str, Any]) -> list[float]:
        """Validation AUC on every fold."""
        from abl.decide.metric_names import metric_named
        from abl.runner.execute import run_stage

        found = []
        for cell in self.planner.cells(self._arm, point, self._replicates):
            for stage in cell.stages.values():
                report = run_stage(self.store, stage)
                if report.status not in ("done", "reused"):
                    raise SystemExit(report.reason)
            part = self.planner.study.validated(
                self.planner.file, cell.arm, cell.cell, self.planner.workspace
            )
            found.append(float(metric_named("auc")(part.labels, part.p)))
        return found


@lru_cache(maxsize=1)
def trainer(root: str) -> FoldTrainer:
    """One a process."""
    return FoldTrainer(Path(root))


def mean_of(root: str, point: Mapping[str, Any]) -> float:
    """The objective of the plain ways: all folds, their scores written beside."""
    scores = trainer(root).scores(point)
    line = json.dumps({"point": dict(point), "scores": scores}, sort_keys=True)
    with (Path(root) / "scores.jsonl").open("a") as file:
        file.write(line + "\n")
    return float(np.mean(scores))


def run_way(way: str, root: Path) -> None:
    """One way, from nothing; prints what it found."""
    root.mkdir(parents=True)
    (root / "sweep.yaml").write_text(SWEEP)
    found = _with_abl(way, root) if way in ("abl", "local") else _plainly(way, root)
    print(json.dumps(asdict(found)))


def _plainly(way: str, root: Path) -> Found:
    mine = trainer(str(root))
    mean, start = partial(mean_of, str(root)), mine.start()
    if way == "optuna":
        with_optuna(mine.space, mean, POINTS, 0, start)
    else:
        with RayOnTwoCpus():
            with_tune(mine.space, mean, POINTS, 0, start)
    lines = (root / "scores.jsonl").read_text().splitlines()
    return _counted(mine.store, [json.loads(line)["scores"] for line in lines])


def _with_abl(way: str, root: Path) -> Found:
    from abl.api import load, run
    from abl.studies.searching.tuned_study import TunedStudy

    sweep = load(root / "sweep.yaml", root=root / "mlruns")
    run(sweep, executor="local" if way == "local" else "tune", workers=2, record=False)
    study = sweep.study
    if not isinstance(study, TunedStudy) or study.growth is None:
        raise SystemExit("the sweep has no search")
    (search,) = study.growth.searches.values()
    scores = [[each[0] for each in state.scores] for state in search.points]
    return _counted(sweep.store, scores)


def _counted(store: Any, scores: list[list[float]]) -> Found:
    done = [store.done(digest) for digest in store.digests()]
    trained = [each for each in done if each is not None and each.stage["kind"] == "train"]
    seconds = sum(float(each.facts["seconds"]) for each in trained)
    return Found(scores, len(trained), seconds)


def components(scores: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Sd of points, of folds, and of a point on a fold: a two-way table without replication."""
    table = np.array(scores)
    points, folds = table.shape
    by_point, by_fold = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    rest = table - by_point - by_fold + table.mean()
    noise = (rest**2).sum() / ((points - 1) * (folds - 1))
    of_points = max(by_point.var(ddof=1) - noise / folds, 0.0)
    of_folds = max(by_fold.var(ddof=1) - noise / points, 0.0)
    return of_points**0.5, of_folds**0.5, noise**0.5


def real_section(folder: Path, script: Path) -> str:
    """Every way in turn, and what they found."""
    every: dict[str, tuple[Found, Measured]] = {}
    for way in WAYS:
        command = [sys.executable, str(script), "--way", way, "--root", str(folder / way)]
        measured = run_measured(command)
        last = measured.output.strip().splitlines()[-1]
        every[way] = Found(**json.loads(last)), measured
        print(f"{way}: {measured.seconds:.0f} s", file=sys.stderr)
    plain = every["optuna"][0]
    firsts = {way: found.scores[0] for way, (found, _) in every.items() if way != "tune"}
    same = all(each == firsts["optuna"][: len(each)] for each in firsts.values())
    same &= firsts["optuna"] in every["tune"][0].scores
    of_points, of_folds, noise = components(plain.scores)
    rows = [
        (
            WAYS[way],
            found.trainings,
            f"{plain.trainings / found.trainings:.2f}",
            f"{found.best:.3f}",
            found.until(plain.best - 0.002) or "never",
            f"{measured.seconds:.0f}",
            f"{found.training_s:.0f}",
            f"{measured.peak_mib:.0f}",
        )
        for way, (found, measured) in every.items()
    ]
    head = [
        "way", "trainings", "(b) over it", "best validation AUC", "trainings until (b)'s best",
        "wall, s", "trainings added up, s", "peak memory, MiB",
    ]  # fmt: skip
    return "\n".join(
        [
            "### A small real search\n",
            f"60 phantom patients of 32 px, tiny_resnet, 3 epochs, {FOLDS} folds, {POINTS} points, "
            "the first with the settings of the file, one seed. (a) and (b) train in their "
            "objective by `abl`'s own code and train every fold; (c) has generations of 4 and "
            "p 0.3 after 2. Each way is a process from nothing, without MLflow; (c) also scores "
            "its winner on test and draws its figures and report.\n",
            markdown_table(head, rows),
            f"\nAll ways give the file's settings the same scores, bit for bit: "
            f"{'yes' if same else '**no**'}. Sd of the {plain.trainings} scores of (b): "
            f"{of_points:.3f} between points, {of_folds:.3f} between folds, {noise:.3f} of a "
            "point on a fold. With one seed, which way has the better winner is chance.",
        ]
    )
