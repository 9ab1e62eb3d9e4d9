"""Scores of a sweep's arms on its external sets, made when everything is decided.

Every replicate's network sees the same units; their metrics are averaged, or that of the mean of
their probabilities is given, where the file asks for an ensemble. A class is called where its
own probability is highest: no cut-off is fitted to a set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from abl.decide.check import Floats
from abl.decide.intervals import external_cells
from abl.decide.replicates import Scores
from abl.plan.graph import Plan, PlannedCell
from abl.plan.outcome import Outcome
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.studies.shared.analysis import ScoredArm, Units, no_result_of, units_of
from abl.studies.shared.external import external_name, why_unscored

# position of an arm, its cell, role -> digest of the predictions on a set (that each of the cell's
# networks has), the set's units -> final probabilities (U, K)
Decided = Callable[[int, PlannedCell, Mapping[str, str], Units], Floats]


def external_rows(
    sweep: Sweep,
    plan: Plan,
    workspace: Workspace,
    arms: Sequence[Sweep],
    scored: Sequence[ScoredArm],
    outcome: Outcome,
    decided: Decided,
) -> list[dict[str, Any]]:
    """One row an external set, JSON-able: what it is, and the metrics of every arm on it.

    Args:
        arms: The sweep as each arm sees it, without external centres.
        scored: The arms on the internal test sets.
        outcome: The table of them.
        decided: What an arm says of a set's units on a replicate.

    Returns:
        name, source, unit, how (averaged, ensemble); images, units, patients, classes (units of
        each), prevalence, internal_prevalence (mean over the internal test sets; of two classes),
        internal_shares (of each class, likewise); arms: key of an
        arm -> metric -> mean, sd, low, high, count, undefined; missing: key of an arm -> why it
        has none.
    """
    tests = [cell.test for arm in scored for cell in arm.cells]
    classes = sweep.data.classes
    of_tests = [
        np.bincount(each.labels, minlength=len(classes)) / len(each.labels) for each in tests
    ]
    shares = np.mean(of_tests, axis=0) if tests else np.full(len(classes), np.nan)
    two = len(classes) == 2
    rows = []
    for block in sweep.external:
        row: dict[str, Any] = {
            "name": block.name,
            "source": block.source,
            "how": block.how,
            **({"internal_prevalence": float(shares[1])} if two else {}),
            "internal_shares": dict(zip(classes, shares.tolist(), strict=True)),
            "arms": {},
            "missing": {},
        }
        for at, cells in enumerate(plan.cells_by_arm()):
            key = outcome.arms[at].key
            if outcome.arms[at].failed:
                row["missing"][key] = outcome.arms[at].failed
                continue
            opened, name = workspace.data(block.data_for(arms[at].data)), external_name(block.name)
            # a selection of training images has nothing beside it
            digests = [
                {role: beside for role, each in cell.uses.items()
                 if (beside := plan.beside_of(name, each))}
                for cell in cells
            ]  # fmt: skip
            why = why_unscored(arms[at], opened)
            asked = dict.fromkeys(digest for each in digests for digest in each.values())
            if not why and (lost := [each for each in asked if not workspace.store.has(each)]):
                why = no_result_of(plan, lost)
            if why:
                row["missing"][key] = why
                continue
            frame, unit = opened.dataset.frame, opened.data.unit
            units = units_of(frame, np.arange(len(frame)), unit)
            found = [
                Scores(
                    **vars(cell.replicate), labels=units.labels, patients=units.patients,
                    p=decided(at, cell, each, units),
                )
                for cell, each in zip(cells, digests, strict=True)
            ]  # fmt: skip
            metrics = list(dict.fromkeys([*sweep.metrics, sweep.primary]))
            draws = sweep.resamples // 5
            measured = external_cells(found, metrics, how=block.how, resamples=draws)
            row["arms"][key] = {name: asdict(cell) for name, cell in measured.items()}
            # of arms that see both modalities as samples, images are twice as many
            if "images" not in row or len(frame) < row["images"]:
                row |= _sizes(units, len(frame), unit, opened.dataset.classes)
        rows.append(row)
    return rows


def external_note(rows: Sequence[dict[str, Any]]) -> str:
    """The sentence under the ablation table that says what was scored beside it."""
    named = ", ".join(f"{row['name']} ({row.get('patients', 0)} patients)" for row in rows)
    return f"Scored on external sets too, which decided nothing: {named}; see --show external."


def _sizes(units: Units, images: int, unit: str, classes: Sequence[str]) -> dict[str, Any]:
    counts = np.bincount(units.labels, minlength=len(classes))
    return {
        "unit": unit,
        "images": images,
        "units": len(units.names),
        "patients": len(np.unique(units.patients.astype(str))),
        "classes": {name: int(count) for name, count in zip(classes, counts, strict=True)},
        **({"prevalence": float((units.labels > 0).mean())} if len(classes) == 2 else {}),
    }
