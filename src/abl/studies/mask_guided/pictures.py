"""The images of a mask_guided sweep that its figure shows: chosen ones, and the worst ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.data.masks.mask_sets import open_masks
from abl.data.views import open_view
from abl.plan.graph import Plan, PlannedCell
from abl.plan.outcome import ArmOutcome, Outcome
from abl.plan.stage import PREDICTIONS
from abl.record.store import Store
from abl.report.figures.arms import best_of
from abl.report.named import words_of
from abl.report.pictures import Pictures
from abl.report.prediction_frames import probabilities_of
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.studies.shared.activations import ACTIVATIONS, KeptMaps, pictured

MOST_ROWS, MOST_COLUMNS = 6, 8
CONTROLS = ("random", "full", "true", "ellipse")  # masks, those first that are shown before others
_LEAST_P = 1e-12
_OF_COLUMNS = {"variant", "placement", "mask"}  # axes that say which arm of a variant is shown


@dataclass(frozen=True, eq=False)
class Seen:
    """An arm whose networks have maps.

    Attributes:
        sweep: As the arm sees it.
        cells: Its replicates, each with the digest of its training.
    """

    row: ArmOutcome
    sweep: Sweep
    cells: tuple[tuple[PlannedCell, str], ...]


def pictures_of(
    outcome: Outcome, plan: Plan, workspace: Workspace, seen: Sequence[Seen], show: Sequence[str]
) -> Pictures | None:
    """Rows for the images of `show`, then for those that the best arm gets most wrong.

    Each is looked at in the first replicate that tests it. Columns are the arms of `columns_of`.
    None if there are no maps or no images. `seen` are the arms with maps, in the table's order.
    """
    if not seen:
        return None
    # the best arm of the table or, if it has no maps, the best that has
    # arms that are all controls have no best one
    row = best_of(outcome, [each.row for each in seen]) or seen[0].row
    best = next(each for each in seen if each.row is row)
    opened = workspace.data(best.sweep.data)
    key = workspace.view(opened, best.sweep.image)
    # a map can be laid on the pixels that its network saw, not on others
    alike = [
        each
        for each in seen
        if workspace.view(workspace.data(each.sweep.data), each.sweep.image) == key
    ]
    arms = columns_of(alike, best)
    store, view = workspace.store, open_view(workspace.store.cache, key)
    maps = [
        [KeptMaps(store, plan.beside_of(ACTIVATIONS, digest)) for _, digest in each.cells]
        for each in arms
    ]
    tested = [set(each.images) for each in maps[0]]
    labels = view.frame.set_index("image")["label"]
    wanted = [(name, "chosen") for name in dict.fromkeys(show)]
    wanted += [(name, "worst") for name in _worst(store, best, labels) if name not in show]
    wanted = [(name, why) for name, why in wanted if any(name in each for each in tested)]
    masks = open_masks(store.cache / workspace.masks(opened, best.sweep.image))
    place = {name: at for at, name in enumerate(view.frame["image"])}
    rows = []
    for name, why in wanted[:MOST_ROWS]:
        replicate = next(number for number, each in enumerate(tested) if name in each)
        tiles = tuple(each[replicate].of(name) for each in maps)
        rows.append(pictured(view, masks, place[name], why, int(labels[name]), tiles))
    if not rows:
        return None
    worst_of = words_of(best.row, outcome) if any(row.why == "worst" for row in rows) else ""
    cut = _cut(arms, len(seen), show, [row.name for row in rows])
    return Pictures(tuple(words_of(each.row, outcome) for each in arms), worst_of, tuple(rows), cut)


def columns_of(seen: Sequence[Seen], best: Seen) -> list[Seen]:
    """One arm a variant and one a control mask, in the order of the table, MOST_COLUMNS at most.

    Of a variant's arms the one with modules at all points, a predicted mask, and everything else
    as the best arm has it; so that columns differ by the variant alone. Of a control mask's arms
    likewise, with the best arm's variant or, if that looks at no mask, the first that does.
    """
    found: dict[str, list[Seen]] = {}
    for each in seen:
        found.setdefault(each.sweep.train.attention.variant, []).append(each)
    arms = [min(alike, key=lambda each: _rank(each, best)) for alike in found.values()]
    guided = [each for each in (best, *arms) if each.sweep.train.attention.is_guided]
    like = next(iter(guided), best)
    controls = []
    for mask in CONTROLS:
        if mask in map(_control, arms):
            continue
        having = [each for each in seen if _control(each) == mask]
        if having:
            controls.append(min(having, key=lambda each: (_differs(each, like), _rank(each, best))))
    wanted = sorted([*arms, *controls], key=lambda each: _importance(each, best))[:MOST_COLUMNS]
    return [each for each in seen if each in wanted]


def _control(each: Seen) -> str:
    """The mask that stands in place of a predicted one, "" if none does."""
    attention = each.sweep.train.attention
    return attention.mask if attention.is_guided and not attention.is_predicted else ""


def _differs(each: Seen, other: Seen) -> bool:
    return each.sweep.train.attention.variant != other.sweep.train.attention.variant


def _importance(each: Seen, best: Seen) -> int:
    """Where an arm stands in the choice of columns, if they are too many."""
    attention, control = each.sweep.train.attention, _control(each)
    if attention.variant == "none":
        return 0
    if control in CONTROLS:
        return 3 + CONTROLS.index(control) // 2 * 2
    if not _differs(each, best):
        return 1
    return 2 if attention.is_guided else 4


def _rank(each: Seen, best: Seen) -> tuple[int, bool, bool]:
    own, theirs = each.row.params, best.row.params
    others = {*own, *theirs} - _OF_COLUMNS
    attention = each.sweep.train.attention
    is_given = attention.is_guided and not attention.is_predicted
    differ = sum(own.get(axis) != theirs.get(axis) for axis in others)
    return differ, attention.points != "all", is_given


def _worst(store: Store, best: Seen, labels: pd.Series) -> list[str]:
    """Test images of the first replicate by their cross-entropy, the largest first."""
    frame = pd.read_parquet(store.file(best.cells[0][1], PREDICTIONS))
    frame = frame[frame["role"] == "test"]
    p = probabilities_of(frame)
    true = labels.loc[frame["image"]].to_numpy(np.int64)
    loss = -np.log(np.maximum(p[np.arange(len(p)), true], _LEAST_P))
    order = np.lexsort((frame["image"].to_numpy(str), -loss))
    return [str(name) for name in frame["image"].to_numpy()[order][:MOST_ROWS]]


def _cut(shown: Sequence[Seen], arms: int, show: Sequence[str], rows: Sequence[str]) -> str:
    parts = []
    if len(shown) < arms:
        attention = [each.sweep.train.attention for each in shown]
        everywhere = all(each.variant == "none" or each.points == "all" for each in attention)
        where = ", with modules at all points" if everywhere else ""
        controls = [control for each in shown if (control := _control(each))]
        beside = f"; control masks {', '.join(dict.fromkeys(controls))}" if controls else ""
        parts.append(f"{len(shown)} of {arms} arms, one a variant{where}{beside}")
    if lost := [name for name in show if name not in rows]:
        parts.append(f"{len(show) - len(lost)} of {len(show)} chosen images, as no more fit or "
                     "the others are in no test set")  # fmt: skip
    return "; ".join(parts)
