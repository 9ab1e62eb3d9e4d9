"""What the report's figures that answer to the hand need beside predictions: curves and pictures.

Both are kept as frames of the outcome, so that a page is drawn again without data and networks.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pandas as pd

from abl.app.image_pages.sweep_images import jpeg_uri
from abl.app.loaded import LoadedSweep
from abl.data.arrays import image_array
from abl.data.dataset import unit_names
from abl.data.images import reduced
from abl.errors import DamagedError, InputError, StageError
from abl.plan.stage import HISTORY
from abl.report.figures.arms import few_of
from abl.report.page.closer import CURVE_COLUMNS, LEARNING, MOST_THUMBNAILS, THUMBNAILS
from abl.report.prediction_frames import probability_columns
from abl.studies.shared.analysis import Analysis

MOST_CURVES = 12  # arms
SIDE = 72
QUALITY = 60


def with_closer_look(sweep: LoadedSweep, analysis: Analysis) -> Analysis:
    """The analysis with learning curves of a few arms, and small pictures of test images."""
    found = {LEARNING: _learning(sweep, analysis), THUMBNAILS: _thumbnails(sweep, analysis)}
    kept = {name: frame for name, frame in found.items() if len(frame)}
    return replace(analysis, own={**analysis.own, **kept})


def _learning(sweep: LoadedSweep, analysis: Analysis) -> pd.DataFrame:
    """One row an epoch of a training: arm, role, repeat, fold, seed, epoch, CURVE_COLUMNS."""
    outcome, plan, store = analysis.outcome, sweep.plan, sweep.store
    own = list(zip(outcome.arms, plan.cells_by_arm(), strict=False))
    chosen, _ = few_of(outcome, [arm for arm, _ in own if not arm.failed], MOST_CURVES)
    keys = {arm.key for arm in chosen}
    parts = []
    for arm, cells in own:
        for cell in cells if arm.key in keys else ():
            for role, digest in cell.uses.items():
                done = store.done(digest)
                if done is None or HISTORY not in done.files:
                    continue
                try:
                    history = pd.read_parquet(store.file(digest, HISTORY))
                except DamagedError:
                    # the table needs no curve: `abl store verify` tells it, and computes it again
                    continue
                names = [name for name in ("epoch", *CURVE_COLUMNS) if name in history]
                at = cell.replicate
                where = {"repeat": at.repeat, "fold": at.fold, "seed": at.seed}
                parts.append(history[names].assign(arm=arm.key, role=role, **where))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _thumbnails(sweep: LoadedSweep, analysis: Analysis) -> pd.DataFrame:
    """unit, jpeg (bytes), of the test units on which arms differ most; none where not asked for."""
    predictions = analysis.predictions
    if not sweep.file.sweep.pictures or predictions.empty:
        return pd.DataFrame()
    tests = predictions[(predictions["role"] == "test").to_numpy()]
    last = probability_columns(tests)[-1]
    means = tests.groupby(["unit", "arm"], observed=True)[last].mean()
    spread = means.groupby("unit", observed=True).std().fillna(0.0)
    wanted = spread.sort_values(ascending=False, kind="stable").index[:MOST_THUMBNAILS]
    # a page that has no room for all of them takes the first
    rows = list(_pictures(sweep, list(map(str, wanted))))
    return pd.DataFrame(rows, columns=["unit", "jpeg"])


def _pictures(sweep: LoadedSweep, units: list[str]) -> Iterator[tuple[str, bytes]]:
    with suppress(InputError, StageError, OSError):  # a report without pictures is one
        dataset = sweep.workspace.opened()[0].dataset
        names = unit_names(dataset.frame, sweep.file.sweep.data.unit).tolist()
        first = {name: at for at, name in reversed(list(enumerate(names)))}
        side = sweep.file.sweep.data.longest_side
        array = image_array(dataset.without_boxes(), sweep.store.cache, longest_side=side)
        for unit in units:
            if unit in first:
                picture = reduced(np.squeeze(array.image(first[unit])), SIDE)
                coded = jpeg_uri(picture, QUALITY).partition(",")[2]
                yield unit, base64.b64decode(coded)
