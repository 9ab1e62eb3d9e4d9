"""Cases that only one of two modalities gets right, and what fusion makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.decide.check import Floats, Ints, largest_class
from abl.decide.confusion import confusion_matrix
from abl.decide.intervals import patient_interval
from abl.decide.metric_registry import SHARE, Metric
from abl.decide.replicates import KEYS
from abl.report.figures.over_axis import Series
from abl.report.figures.style import MARKERS, caption, new_figure, own_style, wrapped
from abl.report.prediction_frames import probabilities_of, scored_replicates
from abl.studies.fusion.figures import MIXED, MODE, Modes

DRAWS = 1000


@dataclass(frozen=True, eq=False)
class OnlyOne:
    """How two modalities agree on the test units that both have, seeds averaged.

    Attributes:
        head: The other settings of both arms.
        shares: (C + 1, 4, 3) share, low, high of both right, only the first, only the second,
            neither; by true class, last over all of them. Means over replicates.
        counts: (4,) units in each group, mean over replicates.
        fused: Mode -> (4,) share of each group that it gets right; nan of an empty group.
    """

    head: str
    shares: Floats
    counts: Floats
    fused: dict[str, Floats]
    patients: int


def only_one_figure(modes: Modes, classes: Sequence[str] = ()) -> Figure | None:
    """A row of panels a head: shares of the four groups (left), who gets each right (right).

    None unless both modalities were run with the same other settings on common units.
    """
    found = [each for one in modes.series if (each := only_one(modes, one)) is not None]
    if not found:
        return None
    fused = list(dict.fromkeys(row for each in found for row in each.fused))
    count = len(found[0].shares) - 1
    numbered = [f"class {at}" for at in range(count)]
    names = [*(classes if len(classes) == count else numbered), "all"]
    first, second = modes.modalities
    with own_style():
        wide = max(0.82 * len(fused), 2.2) if fused else 0.0
        figure = new_figure(max(4.6 + wide, 6.0), 1.7 + 1.75 * len(found))
        grid = figure.subplots(
            len(found), 2 if fused else 1, squeeze=False, sharey="row",
            gridspec_kw={"width_ratios": [2.6, wide]} if fused else None,
        )  # fmt: skip
        for at, (places, each) in enumerate(zip(grid, found, strict=True)):
            _draw_shares(places[0], each, (first, second), len(names))
            last = at == len(found) - 1
            if last:
                places[0].set_xlabel("share of the true class (mean, 95 % interval)", fontsize=9)
            if each.head:
                places[0].set_title(wrapped(each.head, 40), fontsize=9)
            if fused:
                _draw_fused(places[1], each, fused, named=last)
                if at == 0:
                    places[1].set_title("share that each mode gets right", fontsize=9)
        handles = [
            Line2D([], [], color=_colour(at, len(names)), marker=MARKERS[at], ms=5, label=name)
            for at, name in enumerate(names)
        ]
        ncols = min(len(handles), 4)
        figure.legend(handles=handles, loc="outside lower center", ncols=ncols, fontsize=8)
    words = (
        " Right: share of the units of each group that a mode with both modalities gets right, "
        "all replicates together, pale where it gets few."
    )
    text = (
        f"Test units by whether {first} alone and {second} alone get them right, by true "
        "class: shares averaged over replicates, with 95 % intervals over "
        f"{found[0].patients} patients, and mean number of units of a replicate."
        f"{words if fused else ''}"
    )
    title = f"What only {first} or only {second} gets right"
    caption(figure, title, text, modes.cut, heading="What only one modality gets right")
    return figure


def only_one(modes: Modes, series: Series) -> OnlyOne | None:
    """The groups of one head; None if a modality is missing or they have no unit in common."""
    frames = {
        row: modes.tests[arm.key] for row, arm in series.arms.items() if arm.key in modes.tests
    }
    alone = [name.replace("_", " ") for name in modes.modalities]
    if not set(alone) <= set(frames):
        return None
    first, second = (_right(frames[row]) for row in alone)
    both = first.join(second["right"].rename("second"), how="inner")
    if both.empty:
        return None
    # 0 both, 1 only the first, 2 only the second, 3 neither
    wrong = ~both[["right", "second"]].to_numpy(bool)
    both = both.assign(group=wrong @ np.array([2, 1]))
    counts = np.bincount(both["group"], minlength=4) / both.groupby(KEYS).ngroups
    fused: dict[str, Floats] = {}
    for row, frame in frames.items():
        # a mixed set of single images sees no pairs
        if series.arms[row].params[MODE] in (*modes.modalities, MIXED):
            continue
        right = _right(frame)["right"].reindex(both.index)
        # an arm with other units is not paired with the modalities
        if not right.isna().any():
            of_group = right.astype(float).groupby(both["group"]).mean()
            fused[str(row)] = np.array(of_group.reindex(range(4)), dtype=np.float64)
    return OnlyOne(series.label, _shares(both), counts, fused, both["patient"].nunique())


def _right(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a (replicate, unit): right, label, patient."""
    labels = frame["label"].to_numpy(np.int64)
    right = largest_class(probabilities_of(frame)) == labels
    words = {name: frame[name].astype(str) for name in ("unit", "patient")}
    made = frame[KEYS].assign(**words, right=right, label=labels)
    return made.set_index([*KEYS, "unit"]).sort_index()


def _shares(both: pd.DataFrame) -> Floats:
    """(C + 1, 4, 3), see OnlyOne: of groups as answers, intervals are those of any metric."""
    classes = int(both["label"].max()) + 1
    size = max(classes, 4)
    groups = {f"p_{group}": (both["group"] == group).astype(float) for group in range(size)}
    arm = scored_replicates(both.assign(**groups).reset_index())
    made = np.full((classes + 1, 4, 3), np.nan)
    for row, group in np.ndindex(classes + 1, 4):
        rows = slice(row, row + 1) if row < classes else slice(None)
        found = patient_interval(arm, _share(rows, group, size), resamples=DRAWS)
        ends = np.clip((found.low, found.high), 0, 1)
        made[row, group] = found.estimate, *ends
    return made


def _share(rows: slice, group: int, size: int) -> Metric:
    """Share of a group among the units of some true classes."""

    def of_confusion(confusion: Floats) -> Floats:
        counts = confusion[..., rows, :].sum(axis=-2)
        total = counts.sum(axis=-1)
        share = np.full(np.shape(total), np.nan)
        return np.divide(counts[..., group], total, out=share, where=total > 0)

    def of_units(labels: Ints, p: Floats, weights: Floats | None = None) -> float:
        return float(of_confusion(confusion_matrix(labels, largest_class(p), size, weights)))

    return Metric("share", "share", of_units, False, None, "", of_confusion, bounds=SHARE)


def _draw_shares(place: Axes, found: OnlyOne, names: tuple[str, str], kinds: int) -> None:
    step = 0.66 / kinds
    for at, of_class in enumerate(found.shares):
        colour = _colour(at, kinds)
        for group, (share, low, high) in enumerate(of_class):
            y = group + step * (at - (kinds - 1) / 2)
            place.plot([low, high], [y, y], color=colour, lw=1.4)
            place.plot(share, y, marker=MARKERS[at], ms=4.5, color=colour)
    words = ["both right", f"only {names[0]} right", f"only {names[1]} right", "neither right"]
    labels = [
        f"{wrapped(word, 26)} ({count:.1f})".replace(".0)", ")")
        for word, count in zip(words, found.counts, strict=True)
    ]
    place.set_yticks(range(4), labels, fontsize=8)
    place.set_ylim(3.5, -0.5)
    place.set_xlim(-0.02, 1.02)
    place.grid(visible=False, axis="y")
    for edge in (0.5, 1.5, 2.5):
        place.axhline(edge, color="0.9", lw=0.6, zorder=1)


def _draw_fused(place: Axes, found: OnlyOne, rows: Sequence[str], *, named: bool) -> None:
    missing = np.full(4, np.nan)
    heat = np.stack([found.fused.get(row, missing) for row in rows], axis=1)
    place.imshow(heat, aspect="auto", cmap="Blues", vmin=0, vmax=1)
    place.grid(visible=False)
    for (group, column), share in np.ndenumerate(heat):
        text = "–" if np.isnan(share) else f"{100 * share:.0f} %"
        colour = "w" if share > 0.6 else "k"
        place.text(column, group, text, ha="center", va="center", color=colour, fontsize=8)
    labels = [wrapped(row, 11, lines=4) if named else "" for row in rows]
    place.set_xticks(range(len(rows)), labels, fontsize=8)
    place.tick_params(length=0)
    for side in ("left", "bottom"):
        place.spines[side].set_color("none")


def _colour(at: int, kinds: int) -> str:
    """Grey for classes and black for all; colours are those of the modes."""
    return f"{0.7 * (1 - at / (kinds - 1)):.2f}"
