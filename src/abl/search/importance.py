"""How much each setting explains of the scores: functional ANOVA, with its spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from abl.search.generations import distributions_of
from abl.search.samplers import quiet
from abl.search.space import Point, Space

TREES = 64


@dataclass(frozen=True)
class Importance:
    """Share of the variance that a setting explains alone: mean and sd over replicates."""

    name: str
    mean: float
    sd: float


def importance_of(
    space: Space, points: Sequence[Point], scores: Sequence[Sequence[float]]
) -> list[Importance]:
    """Importance of every setting that all points have, the largest first.

    Source: Hutter, Hoos, Leyton-Brown, ICML 2014, in Optuna's implementation, on each replicate
    alone; [] with fewer than four points, or where no score differs.

    Args:
        points: Those that were scored on every replicate.
        scores: Of the first objective, one row a point, one column a replicate.
    """
    if len(points) < 4 or not scores or not scores[0]:
        return []
    import optuna
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.trial import create_trial

    by_name: dict[str, list[float]] = {}
    with quiet():
        for at in range(len(scores[0])):
            values = [float(row[at]) for row in scores]
            if max(values) == min(values):
                continue
            study = optuna.create_study()
            study.add_trials(
                [
                    create_trial(
                        params=dict(point),
                        distributions=distributions_of(space, point),
                        value=value,
                    )
                    for point, value in zip(points, values, strict=True)
                ]
            )
            evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
            for name, share in evaluator.evaluate(study).items():
                by_name.setdefault(name, []).append(float(share))
    found = [
        Importance(
            name,
            statistics.fmean(shares),
            statistics.stdev(shares) if len(shares) > 1 else float("nan"),
        )
        for name, shares in by_name.items()
    ]
    return sorted(found, key=lambda each: (-each.mean, each.name))
