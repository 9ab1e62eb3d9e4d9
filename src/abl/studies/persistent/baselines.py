"""Scores of wrong labels side by side: of out-of-fold predictions, and of training dynamics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.audit.appearances import Appearances
from abl.decide.audit.dynamics import mean_scores
from abl.decide.audit.score_comparison import compared_scores
from abl.decide.check import Bools, Floats, Ints
from abl.plan.outcome import Outcome
from abl.plan.stage import DYNAMICS, DYNAMICS_IMAGES
from abl.record.store import Store
from abl.report.labels import one_line
from abl.report.named import headed
from abl.report.numbers import Scale
from abl.report.tables.model import Column, Table, item, number_column, table_from, text_column

BASELINES = "baselines"  # name of the table and of its frame
MARGIN, COUNT = "margin of the given label, out of fold", "share wrong, out of fold (F)"
AP = Scale(1.0, 3, "")
_NAN = float("nan")


def baseline_rows(
    found: Appearances,
    store: Store,
    trainings: Iterable[str],
    wrong_label: Bools | None,
    first: Mapping[str, Floats] | None = None,
) -> pd.DataFrame:
    """Each score of `compared_scores`; empty where no training keeps its dynamics.

    Args:
        trainings: Digests of the trainings whose dynamics are read, one in memory at a time.
        wrong_label: (N,) in the order of `found`, where that is known.
        first: Scores by name that come first, (N,): that of the default order, and other ones.
    """
    kept = [digest for digest in trainings if _keeps(store, digest)]
    if not kept:
        return pd.DataFrame()
    dynamics, _ = mean_scores(_read(store, kept, found), found.labels)
    scores = {**(first or {}), MARGIN: mean_margin(found), COUNT: found.share_wrong, **dynamics}
    return compared_scores(scores, found.patients.astype(str), wrong_label)


def mean_margin(found: Appearances) -> Floats:
    """(N,) largest other probability less that of the given label, mean over the networks that
    tested the image; nan of one that none did.
    """
    at = np.arange(len(found.labels))
    p = np.where(found.seen[:, :, None] > 0, found.p, np.nan)
    own = p[at, :, found.labels]
    others = p.copy()
    others[at, :, found.labels] = -np.inf
    margin = others.max(axis=2) - own
    tested = (found.seen > 0).sum(axis=1)
    mean: Floats = np.nansum(margin, axis=1) / np.where(tested, tested, np.nan)
    return mean


def _keeps(store: Store, digest: str) -> bool:
    done = store.done(digest)
    return done is not None and DYNAMICS in done.files


def _read(
    store: Store, digests: Sequence[str], found: Appearances
) -> Iterator[tuple[Ints, np.ndarray]]:
    place = pd.Index(found.images)
    for digest in digests:
        images = pd.read_parquet(store.file(digest, DYNAMICS_IMAGES))
        logits = np.load(store.file(digest, DYNAMICS), mmap_mode="r", allow_pickle=False)
        yield place.get_indexer(pd.Index(images["image"])), np.asarray(logits)


def baselines_table(outcome: Outcome, rows: pd.DataFrame) -> Table | None:
    """A row a score; None without rows."""
    if rows.empty:
        return None
    names = ("average_precision", "low", "high")

    def precision(row: Mapping[str, Any]) -> str:
        return AP.mean_and_interval(*(float(row[name]) for name in names))

    known = rows["average_precision"].notna().any()
    columns: list[Column] = [
        *([text_column("data")] if "data" in rows else []),
        text_column("score", write=one_line),
        number_column("images"),
    ]
    if known:
        raw = {name: item(name, _NAN) for name in names}
        columns.append(Column("average precision [95 %]", True, precision, raw))
        columns.append(number_column("chance", AP.number, "of a random order"))
    columns.append(number_column("rank_correlation", AP.number, "rank correlation with the first"))
    notes = [
        "Out of fold: means over the networks that tested an image. Others: of its trainings, "
        "logits after each epoch, which saw the label.",
    ]
    if known:
        notes.append(
            "Average precision: of the labels known to be wrong, in the order of a score; brackets "
            "hold 95 % of samples of patients."
        )
    else:
        notes.append("No labels are known to be wrong: no score can be called better than another.")
    title = headed(outcome, "scores of wrong labels")
    return table_from(
        f"{outcome.name}-baselines", title, columns, rows.to_dict("records"),
        axis_count=2 if "data" in rows else 1, notes=notes,
    )  # fmt: skip
