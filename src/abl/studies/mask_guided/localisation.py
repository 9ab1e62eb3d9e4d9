"""Class activation maps in a sweep: what the table says of them and of masks.

They decide nothing and are never tested: their numbers are added when the table is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
import pandas as pd

from abl.data.masks.mask_sets import MASK_SCORES
from abl.decide.check import Floats, Ints
from abl.decide.intervals import cell_of, patient_interval
from abl.decide.metric_registry import SHARE, Metric
from abl.decide.replicates import KEYS, Scores
from abl.plan.graph import Plan, PlannedCell
from abl.plan.outcome import Cell, Outcome
from abl.record.store import Store
from abl.report.labels import counted, metric_label
from abl.stages.activation import ACTIVATION
from abl.studies.shared.activations import ACTIVATIONS, BARE, INSIDE, maps_of_nodules

OF_MASKS = ("dice", "iou")


@dataclass(frozen=True, eq=False)
class Looked:
    """What is known of an arm's maps and masks on its test images.

    Attributes:
        cells: inside, dice, iou: those that there are.
        replicates: Columns repeat, fold, seed, and one a cell.
        area: Mean share of the image that the nodules take: `inside` of a flat map. nan if unknown.
        images, empty, ellipses: Images with a nodule at a known place, over all replicates; of
            these, maps of zeros, and nodules known by their box alone.
        bare: Images whose mask holds no nodule, over all replicates, which are none of these.
        masks, masks_bare, left_out: Of the scores of predicted masks: images over all replicates;
            of these, those without a nodule in their mask, and those without a score.
    """

    cells: Mapping[str, Cell]
    replicates: pd.DataFrame
    area: float
    images: int
    empty: int
    ellipses: int
    bare: int
    masks: int
    masks_bare: int
    left_out: int


def looked_at(
    store: Store,
    plan: Plan,
    cells: Sequence[tuple[PlannedCell, str]],
    frame: pd.DataFrame,
    resamples: int,
) -> Looked:
    """Numbers of one arm.

    Args:
        cells: Each with the digest of its training.
        frame: Rows of the arm's data set, for patients and, as strata of the resamples, labels.
        resamples: Of the intervals.
    """
    known = frame.set_index("image")[["label", "patient"]]
    values: dict[str, list[tuple[PlannedCell, pd.Series]]] = {}
    maps, masks = [], []
    for cell, training in cells:
        digest = plan.beside_of(ACTIVATIONS, training)
        if digest and store.has(digest):
            maps.append(maps_of_nodules(pd.read_parquet(store.file(digest, ACTIVATION))))
            values.setdefault(INSIDE, []).append((cell, maps[-1][INSIDE]))
        done = store.done(training)
        if done is not None and MASK_SCORES in done.files:
            scores = _of_test_masks(pd.read_parquet(store.file(training, MASK_SCORES)))
            masks.append(scores)
            for name in OF_MASKS if len(scores) else ():
                values.setdefault(name, []).append((cell, scores[name]))
    table = pd.DataFrame([astuple(cell.replicate) for cell, _ in cells], columns=KEYS)
    found = {}
    for name, each in values.items():
        means = [(*astuple(cell.replicate), series.mean()) for cell, series in each]
        column = pd.DataFrame(means, columns=[*KEYS, name])
        table = table.merge(column, on=KEYS, how="left")
        kept = [(cell, series.dropna()) for cell, series in each]
        present = [_shares(cell, series, known) for cell, series in kept if len(series)]
        ends: dict[str, float] = {}
        if present:
            interval = patient_interval(present, _SHARE, resamples=resamples)
            ends = {"low": interval.low, "high": interval.high}
        found[name] = cell_of(table[KEYS].assign(value=table[name]), **ends)
    every = pd.concat(maps) if maps else pd.DataFrame(columns=["area", INSIDE, "source"])
    bare = int((every["source"] == BARE).sum())
    every = every[~every["source"].isin(["none", BARE])]
    of_masks = pd.concat(masks) if masks else pd.DataFrame(columns=["dice", "nodule"])
    return Looked(
        found,
        table,
        float(every["area"].mean()),
        len(every),
        int(every[INSIDE].isna().sum()),
        int((every["source"] == "ellipse").sum()),
        bare,
        len(of_masks),
        int((of_masks["nodule"] == 0).sum()),
        int(of_masks["dice"].isna().sum()),
    )


def _of_test_masks(frame: pd.DataFrame) -> pd.DataFrame:
    """Scores by image of the test images."""
    frame = frame[frame["role"] == "test"].set_index("image")
    # version 0.1 called nothing found in nothing a Dice of 1, and kept no area of true masks
    is_both_empty = (frame["area"] == 0) & (frame["dice"] == 1)
    frame = frame.assign(**{name: frame[name].mask(is_both_empty) for name in OF_MASKS})
    if "nodule" not in frame:
        frame["nodule"] = np.where(frame["dice"].isna(), 0.0, np.nan)
    return frame


def with_looked(outcome: Outcome, looked: Mapping[int, Looked]) -> Outcome:
    """The table with the numbers of arms, by position, beside their metrics, and their meaning."""
    rows = list(outcome.arms)
    for at, each in looked.items():
        if each.cells:
            table = rows[at].replicates.merge(each.replicates, on=KEYS, how="left")
            rows[at] = replace(rows[at], cells={**rows[at].cells, **each.cells}, replicates=table)
    names = [n for n in (INSIDE, *OF_MASKS) if any(n in row.cells for row in rows)]
    facts = outcome.facts
    mapped = {at: each for at, each in looked.items() if INSIDE in each.cells}
    if mapped:
        areas = {rows[at].key: e.area for at, e in mapped.items() if not np.isnan(e.area)}
        facts = replace(facts, activation={"area": areas})
    return replace(
        outcome,
        arms=tuple(rows),
        metrics=(*outcome.metrics, *names),
        notes=(*outcome.notes, *_notes(names, list(mapped.values()), list(looked.values()))),
        facts=facts,
    )


def _notes(names: Sequence[str], mapped: Sequence[Looked], looked: Sequence[Looked]) -> list[str]:
    notes = []
    if mapped:
        areas = [100 * each.area for each in mapped if not np.isnan(each.area)]
        flat = f"; a flat map has {np.mean(areas):.1f} %" if areas else ""
        text = (
            f"{metric_label(INSIDE)}: share of the class activation map (Grad-CAM) that lies in "
            f"the nodule, mean over test images{flat}. It is not tested and decides nothing."
        )
        first = mapped[0]
        if first.ellipses:
            which = "the" if first.ellipses == first.images else f"{first.ellipses} of the"
            what = f"{which} {counted(first.images, 'map')} of an arm"
            text += f" Of {what} the nodule is the ellipse in its box."
        most = max(mapped, key=lambda each: each.empty / max(each.images, 1))
        if most.empty:
            many = f"{most.empty} of {most.images} of an arm"
            if most.empty == most.images:
                many = f"all {most.images} of an arm, which then has no value"
            text += f" Maps in which nothing speaks for the class are left out: at most {many}."
        if first.bare:
            left = "is" if first.bare == 1 else "are"
            text += f" {counted(first.bare, 'image')} without a nodule in the mask {left} left out."
        notes.append(text)
    if "dice" in names:
        text = "Dice, IoU: predicted masks against true ones, mean over test images."
        bare = max((each for each in looked if each.masks), key=lambda each: each.left_out)
        if bare.masks_bare:
            which = f"{bare.masks_bare} of {bare.masks} images"
            text += (
                f" Masks of {which} show no nodule: where none is found either, the image is left "
                f"out (at most {bare.left_out} of an arm), else it counts as 0."
            )
        notes.append(text)
    return notes


def _shares(cell: PlannedCell, values: pd.Series, known: pd.DataFrame) -> Scores:
    """Values in [0, 1] of images as the statistics take them: column 1."""
    rows, share = known.loc[values.index], np.clip(values.to_numpy(np.float64), 0, 1)
    labels, patients = rows["label"].to_numpy(np.int64), rows["patient"].to_numpy()
    p = np.column_stack([1 - share, share])
    return Scores(**vars(cell.replicate), labels=labels, patients=patients, p=p)


def _mean_share(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
    if weights is not None and not weights.sum() > 0:
        return float("nan")
    return float(np.average(p[:, 1], weights=weights))


_SHARE = Metric(
    "share", "share", _mean_share, False, None, "Mean of a share of each image.", bounds=SHARE
)
