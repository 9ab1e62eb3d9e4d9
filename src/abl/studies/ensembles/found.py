"""What an ensembles sweep found beside its table: widths, gains over single networks, choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.comparison import Contrast, comparisons
from abl.decide.gains import gains_of
from abl.decide.replicates import Scores
from abl.errors import InputError
from abl.plan.graph import Plan
from abl.plan.outcome import ArmOutcome, Outcome
from abl.record.store import Store
from abl.report.figures.arms import frames_by, replicates_in
from abl.spec.sweep import Sweep
from abl.stages.combine import CHOSEN, MEAN
from abl.studies.ensembles.options import Options
from abl.studies.ensembles.sets import OWN, candidate_names, classifiers_of, sets_of
from abl.studies.shared.single_network import ROLE

GAINS, WIDTHS, CHOICES = "gains", "widths", "choices"
_OWN_AXES = ("networks", "classifier", "ensemble")


@dataclass(frozen=True)
class ArmPlace:
    """An arm of the table as this study reads it.

    Attributes:
        params: With defaults.
        others: Axes beside networks, classifier and ensemble: arms are held against arms of these.
    """

    row: ArmOutcome
    params: Mapping[str, Any]
    others: tuple[tuple[str, str], ...]


def places_of_arms(plan: Plan, outcome: Outcome) -> list[ArmPlace]:
    """Arms that were scored, in the order of the table."""
    return [
        ArmPlace(
            row,
            arm.params,
            tuple(sorted((k, str(v)) for k, v in arm.params.items() if k not in _OWN_AXES)),
        )
        for arm, row in zip(plan.arms, outcome.arms, strict=True)
        if not row.failed
    ]


def width_of(plan: Plan, store: Store, digest: str) -> int:
    """Number of features that a fit, or each of the fits behind an ensemble, is fitted to."""
    stage = plan.stages[digest]
    if stage.kind == "embed":
        done = store.done(digest)
        return 0 if done is None else int(done.facts["width"])
    if stage.kind == "kernels":
        return width_of(plan, store, stage.inputs["features_0"])
    if stage.kind == "combine" and stage.settings["how"] == CHOSEN:
        return 0  # another one in each replicate
    first = {  # of a fit one a network, of an ensemble one a set; copies have the same columns
        "fit": [d for role, d in stage.inputs.items() if role.endswith("_0")],
        "combine": [d for role, d in stage.inputs.items() if role.endswith("_0")],
    }
    return sum(width_of(plan, store, each) for each in first.get(stage.kind, []))


def width_rows(
    plan: Plan, store: Store, outcome: Outcome, panel: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One row an arm of one network: what features, how many, and the primary metric."""
    by_arm = plan.cells_by_arm()
    rows = []
    for at, (arm, row) in enumerate(zip(plan.arms, outcome.arms, strict=True)):
        name = str(arm.params["networks"])
        if row.failed or name not in panel or arm.params["classifier"] == CHOSEN:
            continue
        digest = by_arm[at][0].uses[ROLE]
        layer, tuned = _layer_of(plan, digest)
        cell = row.cells[outcome.primary]
        rows.append(
            {
                "arm": row.key,
                "networks": name,
                "network": panel[name].network,
                "layer": layer,
                "fine_tuned": tuned,
                "features": width_of(plan, store, digest),
                "classifier": str(arm.params["classifier"]),
                "value": cell.mean,
                "low": cell.low,
                "high": cell.high,
            }
        )
    return rows


def _layer_of(plan: Plan, digest: str) -> tuple[str, bool]:
    """The layer behind a fit of one network, and whether that was fine-tuned."""
    stage = plan.stages[digest]
    if stage.kind == "embed":
        return str(stage.settings["layer"]), "network" in stage.inputs
    if stage.kind == "train":
        return "", True
    return _layer_of(plan, next(iter(stage.inputs.values())))


def gain_rows(
    outcome: Outcome, arms: Sequence[ArmPlace], predictions: pd.DataFrame, sweep: Sweep
) -> list[dict[str, Any]]:
    """J and J-hat of every combination whose members stand alone in the sweep, for every metric.

    P of the primary metric is corrected over all of them.
    """
    frames = frames_by(predictions, "arm", "test")
    scores: dict[str, list[Scores]] = {}
    rows: list[dict[str, Any]] = []
    for others in dict.fromkeys(each.others for each in arms):
        group = [each for each in arms if each.others == others]
        members = members_alone(group)
        used = dict.fromkeys([*members, *(key for of in members.values() for key in of)])
        scores |= {key: replicates_in(frames[key]) for key in used if key not in scores}
        by_key = {each.row.key: each for each in group}
        for metric in dict.fromkeys([sweep.primary, *sweep.metrics]):
            try:
                found = gains_of(scores, members, metric)
            except InputError:  # other tests, or a metric of one's own that fails
                continue
            for gain in found:
                params = by_key[gain.combined].params
                sets = sets_of(str(params["networks"]), ())
                rows.append(
                    {
                        **asdict(gain),
                        "metric": metric,
                        "networks": str(params["networks"]),
                        "classifier": str(params["classifier"]),
                        "ensemble": str(params.get("ensemble", MEAN)),
                        "others": ", ".join(f"{k} {v}" for k, v in others),
                        "size": len({name for each in sets for name in each}),
                        "best_networks": str(by_key[gain.best].params["networks"]),
                        "best_classifier": str(by_key[gain.best].params["classifier"]),
                        "members": " ".join(members[gain.combined]),
                    }
                )
    return _with_family(rows, scores, sweep)


def _with_family(
    rows: list[dict[str, Any]], scores: Mapping[str, list[Scores]], sweep: Sweep
) -> list[dict[str, Any]]:
    """Adds P of the primary metric, corrected over every combination shown."""
    primary = [row for row in rows if row["metric"] == sweep.primary]
    try:
        family = comparisons(
            [Contrast(r["best"], scores[r["combined"]], scores[r["best"]]) for r in primary],
            sweep.primary,
            resamples=sweep.resamples // 5,
            permutations=sweep.resamples,
        )
    except InputError:
        family = []
    for row, found in zip(primary, family, strict=False):
        row |= {"p": found.p, "p_corrected": found.p_corrected, "verdict": found.verdict}
    return rows


def members_alone(arms: Sequence[ArmPlace]) -> dict[str, list[str]]:
    """Key of a combination -> keys of its networks alone, with each of its classifiers."""
    alone = {
        (str(each.params["networks"]), str(each.params["classifier"])): each.row.key
        for each in arms
    }
    found: dict[str, list[str]] = {}
    for each in arms:
        value, word = str(each.params["networks"]), str(each.params["classifier"])
        if CHOSEN in (value, word) or OWN in classifiers_of(word):
            continue
        names = {name for one in sets_of(value, ()) for name in one}
        classifiers = classifiers_of(word)
        if len(names) == 1 and len(classifiers) == 1:
            continue
        keys = [alone.get((name, one)) for name in sorted(names) for one in classifiers]
        if all(keys):
            found[each.row.key] = [key for key in keys if key is not None]
    return found


def choice_rows(
    plan: Plan, store: Store, outcome: Outcome, options: Options
) -> list[dict[str, Any]]:
    """One row a replicate of each arm that chooses: what it chose, and what that came to."""
    rows = []
    for at, cells in enumerate(plan.cells_by_arm()):
        arm, row = plan.arms[at], outcome.arms[at]
        value, word = str(arm.params["networks"]), str(arm.params["classifier"])
        if row.failed or CHOSEN not in (value, word):
            continue
        names = candidate_names(value, word, options)
        for cell in cells:
            done, key = store.done(cell.uses[ROLE]), cell.replicate
            if done is None:
                continue
            chosen = names[int(done.facts[CHOSEN])]
            table = row.replicates
            of_cell = np.logical_and.reduce(
                [table[name] == value for name, value in vars(key).items()]
            )
            rows.append(
                {
                    "arm": row.key,
                    **vars(key),
                    "networks": chosen[0],
                    "classifier": chosen[1],
                    "candidates": len(names),
                    "validation": float(done.facts["validation"]),
                    "test": float(table.loc[of_cell, outcome.primary].iloc[0]),
                }
            )
    return rows
