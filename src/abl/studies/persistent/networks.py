"""What three meanings of "after" do to the AUC of each network, with the control of images left out
at random.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.audit.appearances import PROBABILITY
from abl.decide.audit.exclusion_path import BAND, DRAWS
from abl.decide.audit.kept_auc import KeptAuc
from abl.decide.check import Bools, Floats
from abl.decide.metric_names import metric_named
from abl.stages.flag import FLAGGED
from abl.studies.persistent.judged import ArmRows, PlainArms
from abl.studies.persistent.options import Options


def network_rows(
    rows: ArmRows,
    arms: Sequence[int],
    plain: PlainArms,
    images: np.ndarray,
    flagged: Mapping[str, Bools],
    options: Options,
) -> list[dict[str, Any]]:
    """One row a network, JSON-able.

    arm (its key), network, runs, auc, sd, low, high (mean, sd, smallest and largest of its runs),
    after and improvement (flagged images left out of the test sets), excluded (how many), random,
    random_low, random_high (as many at random); of arms that leave flagged images out of training
    `training`, the mean AUC on whole test sets, and `training_and_test`.

    Args:
        images: (N,) names.
        flagged: Network -> (N,) bool.
    """
    without = {rows.network(at): at for at in arms if rows.excluded(at) == FLAGGED}
    table = []
    for at, name in plain.networks.items():
        own = plain.rows[(plain.rows["network"] == name).to_numpy()]
        leaving, auc = images[flagged[name]], run_aucs(own)
        row: dict[str, Any] = {
            "arm": rows.key(at),
            "network": name,
            "runs": len(auc),
            "auc": float(np.nanmean(auc)),
            "sd": float(np.nanstd(auc, ddof=1)) if len(auc) > 1 else math.nan,
            "low": float(np.nanmin(auc)),
            "high": float(np.nanmax(auc)),
            "excluded": len(leaving),
            "after": mean_auc_without(own, leaving),
        }
        row["improvement"] = row["after"] - row["auc"]
        row |= random_control(own, images, len(leaving))
        if name in without:
            retrained = rows.of(without[name])
            row["training"] = float(np.nanmean(run_aucs(retrained)))
            if options.training_and_test:
                row["training_and_test"] = mean_auc_without(retrained, leaving)
        table.append(row)
    return table


def mean_auc_without(rows: pd.DataFrame, leaving: np.ndarray) -> float:
    """Mean AUC over the runs of one network, some images left out of its test sets."""
    return float(np.nanmean(run_aucs(rows[~rows["image"].isin(leaving).to_numpy()])))


def random_control(
    rows: pd.DataFrame, images: np.ndarray, count: int, draws: int = DRAWS
) -> dict[str, float]:
    """Mean AUC of a network with as many of its tested images left out at random: mean over the
    draws, and the band of 95 % of them; a run that loses a class is left out of its mean.
    """
    random = np.random.default_rng(0)
    tested = np.flatnonzero(np.isin(images, rows["image"].unique()))
    kept = np.ones((draws, len(images)), dtype=np.bool_)
    for row in kept:
        row[random.choice(tested, size=min(count, len(tested)), replace=False)] = False
    place = pd.Index(images).get_indexer(rows["image"].to_numpy())
    p = rows.filter(regex=PROBABILITY).to_numpy(dtype=np.float64)
    labels = rows["label"].to_numpy(dtype=np.int64)
    runs = rows.groupby("run", sort=False).indices.values()
    means = np.nanmean([KeptAuc(labels[at], p[at]).of(kept[:, place[at]]) for at in runs], axis=0)
    low, high = np.percentile(means, BAND)
    return {"random": float(means.mean()), "random_low": float(low), "random_high": float(high)}


def run_aucs(rows: pd.DataFrame) -> Floats:
    """(R,) AUC of each run of one network, by the labels of the rows; nan where undefined."""
    auc = metric_named("auc")
    p = rows.filter(regex=PROBABILITY).to_numpy(dtype=np.float64)
    labels = rows["label"].to_numpy(dtype=np.int64)
    groups = rows.groupby("run", sort=False).indices.values()
    return np.array([auc(labels[at], p[at]) for at in groups])
