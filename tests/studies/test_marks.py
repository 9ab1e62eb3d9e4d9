"""Which arms of a table may be the best."""

from __future__ import annotations

import numpy as np

from abl.decide.replicates import Scores
from abl.spec.sweep import Sweep
from abl.studies.shared.contrasts import Contender, family_of, marks


def contender(title: str, skill: float, **more: bool) -> Contender:
    labels, names = np.arange(120) % 2, np.array([f"p{at}" for at in range(120)])
    rng = np.random.default_rng(len(title))
    scores = []
    for seed in range(3):
        p = 1 / (1 + np.exp(-(skill * (2 * labels - 1) + rng.normal(size=120))))
        scores.append(Scores(0, 0, seed, labels, names, np.column_stack([1 - p, p])))
    return Contender(title, scores, "the same", **more)


SWEEP = Sweep.model_construct(primary="acc", resamples=1000, margin=0.02)


def test_controls_and_what_is_not_out_of_fold_are_never_the_best() -> None:
    arms = [
        contender("base", 0.5),
        contender("better", 1.2),
        contender("shuffled", 4.0),
        contender("their forest", 5.0, out_of_fold=False),
    ]
    assert marks(SWEEP, arms)[0] == 2
    best, tied = marks(SWEEP, arms, controls={2})
    assert best == 1
    assert not tied & {2, 3}
    assert marks(SWEEP, arms, controls={0, 1, 2}) == (None, set())
    family = family_of(SWEEP, arms, [(1, 0), (2, 0), (3, 0)])
    said = [found.verdict for found in family.values()]
    assert said[0].startswith("better")
    assert said[1] == "better by more than the margin"
    assert said[2] == "no verdict: not out of fold"


def test_an_arm_that_calls_everything_one_class_is_never_the_best() -> None:
    ranks_well = contender("gave up", 4.0)
    for each in ranks_well.scores:  # in the same order, every image below one half
        each.p[:, 1] *= 0.4
        each.p[:, 0] = 1 - each.p[:, 1]
    arms = [contender("base", 0.5), contender("better", 1.2), ranks_well]
    by_auc = SWEEP.model_copy(update={"primary": "auc"})
    best, tied = marks(by_auc, arms)
    assert best == 1
    assert 2 not in tied
    assert marks(by_auc, [ranks_well, ranks_well]) == (None, set())
