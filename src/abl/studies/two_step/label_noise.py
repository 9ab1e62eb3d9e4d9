"""What consensus selection does to wrong labels, where it is known which labels are wrong.

In a generated set with flipped labels (`flip`), the flipped ones should be the ones excluded from
True-N. Beside it stands confident learning (Northcutt, Jiang, Chuang, JAIR 2021) as cleanlab has
it, on the same panel's predictions.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abl.data.cache_folders import folder_key, folder_once
from abl.decide.check import Bools, Floats, Ints
from abl.decide.consensus import true_set
from abl.plan.graph import Plan
from abl.record.store import Store
from abl.stages.select import SELECTION
from abl.studies.two_step.judgements import Judged, judgements, judges_out_of_fold

CONFIDENT = "confident learning"
_ISSUES = "issues.npy"


def noise_rows(plan: Plan, store: Store, judged: Mapping[str, Judged]) -> list[dict[str, Any]]:
    """One row a (data, way of selection, criterion), mean over replicates; [] if no label is wrong.

    Args:
        judged: Digest of a select stage -> what it judged.

    Returns:
        data, selection (in_sample or out_of_fold), criterion (True-N or confident learning),
        images, flipped (share in the whole training set), kept (share of images), flipped_kept
        (share of wrong labels among those kept), precision and recall of `excluded` as a sign of
        `flipped`, replicates.
    """
    found: list[dict[str, Any]] = []
    for digest, part in judged.items():
        if not store.has(digest):
            continue
        selection = pd.read_parquet(store.file(digest, SELECTION)).set_index("image")
        labels = part.opened.dataset.frame.set_index("image")["label"]
        seen = selection["label"].to_numpy()
        wrong = labels.loc[selection.index].to_numpy() != seen
        if not wrong.any():
            continue
        stage, panel = plan.stages[digest], part.panel
        how = "out_of_fold" if judges_out_of_fold(stage) else "in_sample"
        counts = selection["correct"].to_numpy()
        kept = {f"True-{n}": true_set(counts, n, panel) for n in range(1, panel + 1)}
        p = np.mean([said for _, said in judgements(store, part, stage, selection.index)], axis=0)
        issues = confident_learning_issues(seen, p, store.cache)
        if issues is not None:
            kept[CONFIDENT] = ~issues
        for criterion, mask in kept.items():
            row = {"data": part.name, "selection": how, "criterion": criterion}
            found.append(row | exclusion_scores(wrong, ~mask))
    if not found:
        return []
    grouped = pd.DataFrame(found).groupby(["data", "selection", "criterion"], sort=False)
    table = grouped.mean().join(grouped.size().rename("replicates")).reset_index()
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def exclusion_scores(wrong: Bools, excluded: Bools) -> dict[str, float]:
    """How well exclusion finds wrong labels, of (N,) bool each; nan where undefined."""
    hits = int((wrong & excluded).sum())
    kept = int((~excluded).sum())
    return {
        "images": float(len(wrong)),
        "flipped": float(wrong.mean()),
        "kept": kept / len(wrong),
        "flipped_kept": float(wrong[~excluded].mean()) if kept else np.nan,
        "precision": hits / int(excluded.sum()) if excluded.any() else np.nan,
        "recall": hits / int(wrong.sum()) if wrong.any() else np.nan,
    }


def confident_learning_issues(labels: Ints, p: Floats, cache: Path) -> Bools | None:
    """(N,) bool: labels that confident learning holds for wrong; None without cleanlab.

    Args:
        labels: int64 (N,).
        p: float64 (N, classes).
        cache: The store's. Found once: loading cleanlab takes longer than a table that is made
            again with nothing trained.
    """
    if importlib.util.find_spec("cleanlab") is None:
        return None

    def write(folder: Path) -> None:
        from cleanlab.filter import find_label_issues

        issues = find_label_issues(labels, p, filter_by="prune_by_noise_rate", n_jobs=1)
        np.save(folder / _ISSUES, np.asarray(issues, np.bool_))

    given = [
        hashlib.sha256(np.ascontiguousarray(each).tobytes()).hexdigest() for each in (labels, p)
    ]
    key = folder_key(CONFIDENT, version("cleanlab"), *given)
    found: Bools = np.load(folder_once(cache, f"confident-{key}", write) / _ISSUES)
    return found
