"""How well flags find labels that were flipped on purpose, inside each training part; beside them
confident learning (Northcutt, Jiang, Chuang, JAIR 2021) on the same predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.audit.appearances import appearances_of
from abl.plan.graph import Plan
from abl.spec.splits import SharedSplits
from abl.spec.sweep import Sweep
from abl.stages.flag import FLAGGED, MATCHED, inner_rows, training_part
from abl.stages.inputs import OpenData, Workspace
from abl.stages.select import SELECTION
from abl.studies.two_step.label_noise import (
    CONFIDENT,
    confident_learning_issues,
    exclusion_scores,
)

INNER = "inner Monte Carlo"


def flip_rows(plan: Plan, workspace: Workspace, sweeps: Sequence[Sweep]) -> list[dict[str, Any]]:
    """One row a (data, criterion), mean over the training parts, as noise_rows gives them; [] where
    no label was flipped.

    Args:
        sweeps: The sweep as each arm sees it, without external centres.
    """
    of_flags: dict[str, OpenData] = {}
    for cell in plan.cells:
        for digest in plan.stages[next(iter(cell.uses.values()))].inputs.values():
            if plan.stages[digest].kind == "flag" and workspace.store.has(digest):
                of_flags[digest] = workspace.data(sweeps[cell.arm].data)
    found = [
        row
        for digest, opened in of_flags.items()
        for row in _rows_of(plan, workspace, digest, opened)
    ]
    if not found:
        return []
    grouped = pd.DataFrame(found).groupby(["data", "selection", "criterion"], sort=False)
    table = grouped.mean().join(grouped.size().rename("replicates")).reset_index()
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _rows_of(
    plan: Plan, workspace: Workspace, digest: str, opened: OpenData
) -> list[Mapping[str, Any]]:
    frame, stage = opened.dataset.frame, plan.stages[digest]
    selection = pd.read_parquet(workspace.store.file(digest, SELECTION)).set_index("image")
    true = frame.set_index("image")["label"].loc[selection.index].to_numpy()
    wrong = true != selection["label"].to_numpy()
    if opened.data.phantom is None or not wrong.any():
        return []
    excluded = {name: selection[name].to_numpy(dtype=bool) for name in (FLAGGED, MATCHED)}
    place = stage.context
    split = opened.split(
        SharedSplits.model_validate(place["splits"]), int(place["repeat"]), int(place["fold"])
    )
    rows = inner_rows(workspace.store, stage, frame, split)
    judged = appearances_of(rows, training_part(frame.iloc[split.train]))
    tested = judged.times_seen > 0
    mean = np.nanmean(judged.p[tested], axis=1)  # over the networks that judged an image
    issues = confident_learning_issues(judged.labels[tested], mean, workspace.store.cache)
    if issues is not None:
        all_issues = np.zeros(len(tested), dtype=np.bool_)
        all_issues[tested] = issues
        excluded[CONFIDENT] = all_issues
    name = opened.dataset.name
    return [
        {"data": name, "selection": INNER, "criterion": each, **exclusion_scores(wrong, mask)}
        for each, mask in excluded.items()
    ]
