"""Figures of a reader study: readers on the ROC of the arms, ROC of ratings, differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from sklearn.metrics import roc_curve

from abl.data.annotations.mask_names import natural_order
from abl.report.figures.style import (
    BLACK,
    BLUE,
    COLOURS,
    MARKERS,
    VERMILION,
    caption,
    grid_of_panels,
    label_below,
    new_figure,
    own_style,
    unit_square,
    wrapped,
)
from abl.studies.readers.agreeing import ALL
from abl.studies.readers.findings import ARM, READER
from abl.studies.readers.tables import NAMES

MOST_ARMS, MOST_RATERS = 8, 16


def readers_on_roc_figure(
    raters: pd.DataFrame, answers: pd.DataFrame, first: str | None = None, ranked: bool = False
) -> Figure | None:
    """A panel a treatment: the arms' ROC, and each reader as a point with its intervals.

    Args:
        raters: As ReaderFindings.
        answers: As Compared.together: case, reader, treatment, truth, rating.
        first: The treatment that was read first, which is shown first.
        ranked: Whether scores of arms are ranks within their networks' test images.
    """
    readers = raters[(raters["kind"] == READER).to_numpy() & raters["sen"].notna().to_numpy()]
    arms = raters[(raters["kind"] == ARM).to_numpy()]["rater"].tolist()
    if readers.empty or not arms:
        return None
    treatments = treatments_in_order(readers["treatment"], first)
    names = sorted(readers["rater"].unique(), key=natural_order)
    with own_style():
        figure, grid = grid_of_panels(
            len(treatments), columns=2, width_in=3.9, height_in=3.9, margins_in=(0.7, 1.6)
        )
        for place, treatment in zip(grid, treatments, strict=True):
            for at, arm in enumerate(arms[:MOST_ARMS]):
                _draw_roc(place, answers[(answers["reader"] == arm).to_numpy()], COLOURS[at])
            part = readers[(readers["treatment"] == treatment).to_numpy()]
            for row in part.to_dict("records"):
                _draw_reader(place, row, MARKERS[names.index(row["rater"]) % len(MARKERS)])
            place.plot([0, 1], [0, 1], color="0.8", lw=0.8, ls=":")
            if treatment:
                place.set_title(str(treatment), fontsize=9)
        unit_square(grid)
        label_below(grid, "1 − specificity", "sensitivity")
        handles = [
            Line2D([], [], color=COLOURS[at], lw=1.6, label=wrapped(arm, 40))
            for at, arm in enumerate(arms[:MOST_ARMS])
        ]
        handles += [
            Line2D(
                [],
                [],
                color=BLACK,
                ls="",
                marker=MARKERS[at % len(MARKERS)],
                ms=5,
                mfc="white",
                mew=1.1,
                label=name,
            )
            for at, name in enumerate(names)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
        cut = f"{MOST_ARMS} of {len(arms)} arms" if len(arms) > MOST_ARMS else ""
        text = (
            "ROC of the arms on the images that readers answered, one prediction an image; each "
            "reader at their sensitivity and specificity, with 95 % intervals by patients. A "
            "reader above a curve does better than that arm at their own point."
        )
        if ranked:
            text += " Scores of several folds' networks: by rank within each one's test images."
        caption(figure, "Readers on the ROC of the arms", text, cut)
    return figure


def ratings_roc_figure(
    raters: pd.DataFrame, answers: pd.DataFrame, first: str | None = None
) -> Figure | None:
    """A panel a reader: empirical ROC of their ratings, a line a treatment."""
    rated = raters[(raters["kind"] == READER).to_numpy() & raters["auc"].notna().to_numpy()]
    if rated.empty:
        return None
    names = sorted(rated["rater"].unique(), key=natural_order)[:MOST_RATERS]
    treatments = treatments_in_order(rated["treatment"], first)
    with own_style():
        figure, grid = grid_of_panels(len(names))
        for place, name in zip(grid, names, strict=True):
            place.plot([0, 1], [0, 1], color="0.8", lw=0.8, ls=":")
            own = rated[(rated["rater"] == name).to_numpy()].set_index("treatment")
            lines = []
            for at, treatment in enumerate(treatments):
                if treatment not in own.index:
                    continue
                is_own = (answers["reader"] == name) & (answers["treatment"] == treatment)
                _draw_roc(place, answers[is_own.to_numpy()], COLOURS[at])
                auc = own.loc[treatment, ["auc", "auc_low", "auc_high"]].to_numpy(float)
                word = f"{treatment} " if treatment else ""
                lines.append(f"{word}{auc[0]:.2f} [{auc[1]:.2f}, {auc[2]:.2f}]")
            place.set_title(wrapped(name, 26), fontsize=8.5)
            place.text(0.97, 0.04, "\n".join(lines), ha="right", va="bottom", fontsize=7,
                       transform=place.transAxes)  # fmt: skip
        unit_square(grid)
        label_below(grid, "1 − specificity", "sensitivity")
        if any(treatments):
            handles = [
                Line2D([], [], color=COLOURS[at], lw=1.6, label=str(name))
                for at, name in enumerate(treatments)
            ]
            figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
        total = rated["rater"].nunique()
        cut = f"{len(names)} of {total} readers" if total > len(names) else ""
        text = (
            "Empirical ROC of each reader's ratings, joined by straight lines, with the AUC and "
            "its 95 % interval."
        )
        caption(figure, "ROC of the readers' ratings", text, cut)
    return figure


def treatments_in_order(treatments: pd.Series, first: str | None) -> list[str]:
    """The treatments that there are, the one that was read first at the start."""
    return sorted(treatments.unique(), key=lambda name: (name != first, natural_order(name)))


def _draw_roc(place: Axes, rows: pd.DataFrame, colour: str) -> None:
    known = rows.dropna(subset=["rating"])
    if known["truth"].nunique() < 2:
        return
    fpr, tpr, _ = roc_curve(known["truth"], known["rating"], drop_intermediate=True)
    place.plot(fpr, tpr, color=colour, lw=1.5)


def _draw_reader(place: Axes, row: dict, marker: str) -> None:
    x, y = 1 - row["spe"], row["sen"]
    place.hlines(y, 1 - row["spe_high"], 1 - row["spe_low"], color="0.35", lw=0.7)
    place.vlines(x, row["sen_low"], row["sen_high"], color="0.35", lw=0.7)
    place.plot([x], [y], marker, color=BLACK, ms=5, mfc="white", mew=1.1, zorder=4)


def differences_figure(
    against: pd.DataFrame, treatments: pd.DataFrame, margin: float | None
) -> Figure | None:
    """A panel a statistic: arms minus the mean of the readers, and treatments, with intervals over
    readers and cases.
    """
    rows = []
    for frame, is_arm in ((against, True), (treatments, False)):
        if frame.empty:
            continue
        part = frame[((frame["effects"] == "random") & (frame["group"] == ALL)).to_numpy()]
        for row in part.to_dict("records"):
            if is_arm:
                label = f"{row['arm']} − readers"
                label += f" ({row['treatment']})" if row["treatment"] else ""
            else:
                label = f"{row['first']} − {row['second']}"
            rows.append({**row, "label": label, "is_arm": is_arm})
    shown = pd.DataFrame(rows)
    if shown.empty:
        return None
    statistics = [name for name in NAMES if (shown["statistic"] == name).any()]
    labels = list(dict.fromkeys(shown["label"]))[:MOST_RATERS]
    with own_style():
        # no narrower than its legend
        width = max(2.0 + 1.9 * len(statistics), 6.5)
        figure = new_figure(width, 1.9 + 0.38 * len(labels))
        grid = figure.subplots(1, len(statistics), sharey=True, squeeze=False)[0]
        for place, statistic in zip(grid, statistics, strict=True):
            place.axvline(0, color="0.4", lw=0.9)
            if margin is not None:
                place.axvline(-margin, color=VERMILION, lw=0.9, ls=":")
            part = shown[(shown["statistic"] == statistic).to_numpy()].set_index("label")
            for at, label in enumerate(labels):
                if label not in part.index:
                    continue
                row = part.loc[label]
                colour = BLUE if row["is_arm"] else BLACK
                if not np.isnan(row["low"]):
                    place.hlines(at, row["low"], row["high"], color=colour, lw=1.4)
                place.plot([row["difference"]], [at], "o", color=colour, ms=4.5)
            place.set_title(NAMES[statistic], fontsize=9)
            place.set_xlabel(f"difference in {NAMES[statistic]}", fontsize=8)
            place.grid(visible=False, axis="y")
            place.tick_params(axis="x", labelsize=7.5)
        grid[0].set_yticks(range(len(labels)), [wrapped(each, 20) for each in labels])
        grid[0].tick_params(axis="y", labelsize=7.5)
        grid[0].set_ylim(len(labels) - 0.5, -0.5)
        handles = [
            Line2D([], [], color=colour, marker="o", ms=4.5, lw=1.4, label=label)
            for is_arm, colour, label in (
                (True, BLUE, "arm − mean of the readers, 95 % interval"),
                (False, BLACK, "between treatments, 95 % interval"),
            )
            if (shown["is_arm"] == is_arm).any()
        ]
        if margin is not None:
            label = f"margin of non-inferiority, −{margin:g}"
            handles.append(Line2D([], [], color=VERMILION, lw=0.9, ls=":", label=label))
        figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8)
        text = (
            "Differences with 95 % intervals over samples of readers and of cases (Obuchowski, "
            "Rockette; Hillis): arms minus the mean of the readers (blue), treatments (black)."
        )
        if margin is not None:
            text += f" Dotted: the margin of non-inferiority, −{margin:g}."
        distinct = shown["label"].nunique()
        cut = f"{len(labels)} of {distinct} differences" if distinct > len(labels) else ""
        leave_room(figure)
        caption(figure, "Arms against readers, and treatments", text, cut)
    return figure


def leave_room(figure: Figure) -> None:
    """On the left and below: names of raters are drawn wider than the layout measures them."""
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0.03, 0.02, 0.96, 0.97))
