"""Made outcomes of the frozen and fusion studies with their predictions, without any training."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from abl.decide.intervals import cell_of, patient_interval
from abl.decide.replicates import replicate_scores
from abl.plan.facts import Facts
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import replicates_in

METRIC_NAMES = ("acc", "sen", "spe", "auc")
MODES = ("bmode", "elasticity", "mixed", "early", "late", "gated", "cross_attention")
CONTROLS = ({"mode": "late", "second": "first"}, {"mode": "late", "second": "shuffled"})
Params = dict[str, str | int | float]


@dataclass(frozen=True)
class Made:
    """An outcome and the predictions kept beside it."""

    outcome: Outcome
    predictions: pd.DataFrame


def frozen_sweep(
    values: Sequence[str | int] = tuple(range(14)),
    *,
    weights: Sequence[str] = ("imagenet", "none"),
    skill: Callable[[Params], float] | None = None,
    facts: Mapping[str, object] | None = None,
    **size: int,
) -> Made:
    """Every n with every start; the best n is the seventh unless `skill` says otherwise."""
    order = list(values)

    def rise_and_fall(params: Params) -> float:
        far = abs(order.index(params["frozen"]) - 6)
        return 1.5 - 0.08 * far - 0.25 * (params.get("weights") == "none")

    params: list[Params] = [{"weights": w, "frozen": n} for w in weights for n in order]
    axes = ("weights", "frozen") if len(weights) > 1 else ("frozen",)
    params = [{axis: each[axis] for axis in axes} for each in params]
    of = skill or rise_and_fall
    return _made("frozen", axes, params, lambda each: (of(each), 0.0), facts or {}, **size)


def fusion_sweep(
    modes: Sequence[str] = MODES,
    *,
    heads: Sequence[str] = ("fc", "spp", "gap"),
    controls: Sequence[Mapping[str, str]] = CONTROLS,
    names: tuple[str, str] = ("bmode", "elasticity"),
    **size: int,
) -> Made:
    """Every mode with every head, and controls; fusion sees both modalities."""
    rows: list[dict[str, str]] = [{"mode": mode, "second": "own"} for mode in modes]
    rows += [dict(each) for each in controls]
    params: list[Params] = [
        {"mode": each["mode"], "head": head, "second": each["second"]}
        for each, head in itertools.product(rows, heads)
    ]

    def skills(each: Params) -> tuple[float, float]:
        gain = 0.15 * list(heads).index(str(each["head"]))
        if each["mode"] == names[0]:
            return 1.0 + gain, 0.0
        if each["mode"] == names[1]:
            return 0.0, 1.1 + gain
        second = 0.9 if each["second"] == "own" else 0.0
        return 1.0 + gain - 0.1 * (each["mode"] in {"early", "mixed"}), second

    facts = {"modalities": list(names), "classes": ["benign", "malignant"], "unit": "image"}
    return _made("fusion", ("mode", "head", "second"), params, skills, facts, **size)


def _made(
    study: str,
    axes: tuple[str, ...],
    params: Sequence[Params],
    skills: Callable[[Params], tuple[float, float]],
    facts: Mapping[str, object],
    *,
    patients: int = 60,
    seeds: int = 2,
    folds: int = 1,
) -> Made:
    rows, frames = [], []
    for at, each in enumerate(params):
        key = f"arm{at:013d}"
        frame = _predictions(each, skills(each), patients, seeds, folds).assign(arm=key)
        rows.append(_arm(key, each, frame))
        frames.append(frame)
    best = max(range(len(rows)), key=lambda at: rows[at].cells["acc"].mean)
    rows[best] = replace(rows[best], best=True)
    outcome = Outcome(
        study, "f" * 64, study, study.capitalize(), axes, METRIC_NAMES, "acc", "", tuple(rows),
        facts=Facts.from_flat(facts),
    )  # fmt: skip
    return Made(outcome, pd.concat(frames, ignore_index=True))


def _predictions(
    params: Params, skills: tuple[float, float], patients: int, seeds: int, folds: int
) -> pd.DataFrame:
    """Two units a patient; each modality has cases that it alone finds hard."""
    unit = np.arange(2 * patients)
    patient, label = unit // 2, unit // 2 % 2
    side = 2 * label - 1
    hard = np.random.default_rng(patients).normal(size=(2, len(unit)))
    first, second = skills
    signal = first * side + 0.8 * hard[0] * (first > 0)
    signal = signal + second * side + 0.8 * hard[1] * (second > 0)
    frames = []
    for fold in range(folds):
        mine = patient // 2 % folds == fold
        for seed in range(seeds):
            noise = np.random.default_rng([seed, fold, *repr(params).encode()])
            p = 1 / (1 + np.exp(-(signal + 0.7 * noise.normal(size=len(unit)))))
            name = "single" if params.get("mode") == "mixed" else "pair"
            frame = pd.DataFrame(
                {
                    "repeat": 0,
                    "fold": fold,
                    "seed": seed,
                    "role": "test",
                    "unit": [f"{name}{at:03d}" for at in unit],
                    "label": label,
                    "patient": [f"patient{at:03d}" for at in patient],
                    "p_0": 1 - p,
                    "p_1": p,
                }
            )
            frames.append(frame[mine])
    return pd.concat(frames, ignore_index=True)


def _arm(key: str, params: Params, frame: pd.DataFrame) -> ArmOutcome:
    scores = replicates_in(frame)
    table = replicate_scores(scores, METRIC_NAMES)
    cells = {}
    for name in METRIC_NAMES:
        interval = patient_interval(scores, name, resamples=50)
        values = table[["repeat", "fold", "seed"]].assign(value=table[name])
        cells[name] = cell_of(values, low=interval.low, high=interval.high)
    return ArmOutcome(key, params, cells, table)
