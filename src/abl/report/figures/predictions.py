"""Figures of the arms' predictions on the test sets: ROC, reliability, confusion, risk-coverage.

Nothing is chosen from them: each shows the predictions that the one reading of the test set gave.
"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from abl.decide.check import Floats, largest_class
from abl.decide.confusion import confusion_matrix
from abl.report.figures.arms import DRAWS, Shown, ShownArm, interval_text, mean_metric, shown_metric
from abl.report.figures.data import COVERAGE_GRID, mean_roc, reliability_bins, risk_over_coverage
from abl.report.figures.style import (
    BLUE,
    COLOURS,
    MARKERS,
    VERMILION,
    caption,
    grid_of_panels,
    label_below,
    own_style,
    unit_square,
    wrapped,
)
from abl.report.numbers import MINUS

MOST_CLASSES_WITH_NUMBERS = 6
MOST_MATRICES = 12  # of those without counts, which are smaller


def roc_figure(shown: Shown) -> Figure:
    """One panel an arm: mean ROC with its band, the base in grey behind it."""
    base = shown.base
    arms = [arm for arm in shown.arms if arm is not base] or list(shown.arms)
    behind = mean_roc(base.scores, 1) if base is not None and base not in arms else None
    with own_style():
        # room for three lines of a legend, and for two of a title
        figure, grid = grid_of_panels(len(arms), margins_in=(0.8, 1.75))
        for place, arm in zip(grid, arms, strict=True):
            curve = mean_roc(arm.scores, DRAWS)
            colour = VERMILION if arm.best else BLUE
            place.plot([0, 1], [0, 1], color="0.8", lw=0.8, ls=":")
            if behind is not None:
                place.plot(behind["fpr"], behind["tpr"], color="0.45", lw=1.1, ls="--")
            place.fill_between(
                curve["fpr"], curve["low"], curve["high"], color=colour, alpha=0.18, lw=0
            )
            place.plot(curve["fpr"], curve["tpr"], color=colour, lw=1.6)
            place.set_title(wrapped(arm.label_and_role, 28), fontsize=8)
            _write(place, f"AUC {interval_text(*shown_metric(arm, 'auc'))}")
        unit_square(grid, equal=False)  # an aspect that is kept moves panels under their legend
        label_below(grid, "1 − specificity")
        figure.supylabel("sensitivity", fontsize=9)
        handles = []
        if any(not arm.best for arm in arms):
            handles.append(Line2D([], [], color=BLUE, lw=1.6, label="mean, 95 % band"))
        if any(arm.best for arm in arms):
            label = "best arm" if handles else "best arm: mean, 95 % band"
            handles.append(Line2D([], [], color=VERMILION, lw=1.6, label=label))
        if base is not None and behind is not None:
            auc = interval_text(*shown_metric(base, "auc"))
            label = f"base: {wrapped(base.label, 40)}, AUC {auc}"
            handles.append(Line2D([], [], color="0.45", lw=1.1, ls="--", label=label))
        figure.legend(handles=handles, loc="outside lower center", ncols=1, fontsize=8)
        several = arms[0].scores[0].p.shape[1] > 2
        of_classes = " and over the classes, each against the rest" if several else ""
        text = (
            "Sensitivity over 1 − specificity on the test sets, averaged over replicates at equal "
            f"specificity{of_classes}. Bands: 95 % of {DRAWS} samples of patients, at each point "
            "alone."
        )
        caption(figure, "ROC on the test sets", text, shown.cut)
    return figure


def reliability_figure(shown: Shown, names: tuple[str, ...] = ()) -> Figure:
    """One panel an arm: observed over predicted frequency in ten bins, and calibration error."""
    classes = shown.arms[0].scores[0].p.shape[1]
    with own_style():
        figure, grid = grid_of_panels(len(shown.arms))
        for place, arm in zip(grid, shown.arms, strict=True):
            bins = reliability_bins(arm.scores, DRAWS)
            colour = VERMILION if arm.best else BLUE
            centres = (np.arange(len(bins)) + 0.5) / len(bins)
            place.bar(centres, bins["share"], width=0.9 / len(bins), color="0.85", zorder=1)
            place.plot([0, 1], [0, 1], color="0.6", lw=0.8, ls=":")
            place.vlines(bins["predicted"], bins["low"], bins["high"], color=colour, lw=1.2)
            known = bins.dropna(subset=["observed"])
            place.plot(known["predicted"], known["observed"], "o-", ms=4, lw=1, color=colour)
            title = f"{wrapped(arm.label_and_role, 28)}\n{_calibration_text(arm)}"
            place.set_title(title, fontsize=7.5)
        unit_square(grid)
        positive = names[1] if len(names) == 2 else "class 1"
        what = f"of {positive}" if classes == 2 else "of the final class"
        figure.supxlabel(f"predicted probability {what}", fontsize=9)
        figure.supylabel("observed frequency", fontsize=9)
        text = (
            "Observed against predicted frequency in ten equal bins, cases of all replicates "
            "together; bars: 95 % interval over patients, too short or none where a bin has few "
            "cases; grey: share of the cases in each bin. "
            "ECE: expected calibration error, mean over replicates."
        )
        if classes == 2:
            text += (
                " Slope and intercept of the logistic regression of the class on the log odds, "
                "means over replicates: 1 and 0 are calibrated; the intercept is that at slope 1."
            )
        caption(figure, "Reliability on the test sets", text, shown.cut)
    return figure


def confusion_figure(shown: Shown, classes: tuple[str, ...], *, counts: bool = True) -> Figure:
    """One panel an arm: per cent of each true class by final class, and mean counts.

    Without `counts` panels are smaller, for many arms.
    """
    size = shown.arms[0].scores[0].p.shape[1]
    names = list(classes) if len(classes) == size else [str(at) for at in range(size)]
    width, height, letters, font = (2.4, 2.3, 12, 8.0) if counts else (1.9, 1.95, 10, 7.5)
    names = [wrapped(name, letters) for name in names]
    with own_style():
        figure, grid = grid_of_panels(len(shown.arms), width_in=width, height_in=height)
        for place, arm in zip(grid, shown.arms, strict=True):
            cases = mean_confusion(arm)
            total = cases.sum(axis=1, keepdims=True)
            shares = np.divide(100 * cases, total, out=np.zeros_like(cases), where=total > 0)
            place.imshow(shares, cmap="Blues", vmin=0, vmax=100)
            place.grid(visible=False)
            for row, column in np.ndindex(*shares.shape):
                if size > MOST_CLASSES_WITH_NUMBERS:
                    break
                number = f"\n{cases[row, column]:.1f}".removesuffix(".0") if counts else ""
                place.text(
                    column, row, f"{shares[row, column]:.0f} %{number}", ha="center", va="center",
                    color="w" if shares[row, column] > 55 else "k", fontsize=8,
                )  # fmt: skip
            place.set_title(wrapped(arm.label_and_role, 28), fontsize=8)
            place.set_xticks(range(size), names, fontsize=font)
            place.set_yticks(range(size), names, fontsize=font, rotation=90, va="center")
            place.tick_params(length=0)
        figure.supxlabel("final class", fontsize=9)
        figure.supylabel("true class", fontsize=9)
        what = " in per cent of each true class"
        if counts:
            what = ": share of each true class, and below it the number of cases"
        text = f"Confusion matrices on the test sets{what}, averaged over replicates."
        caption(figure, "Confusion matrices on the test sets", text, shown.cut)
    return figure


def risk_coverage_figure(shown: Shown) -> Figure:
    """Error rate among the most confident share of cases, a line an arm, with its area."""
    with own_style():
        figure, (place,) = grid_of_panels(1, width_in=5.6, height_in=3.4)
        for index, arm in enumerate(shown.arms):
            found = [risk_over_coverage(each) for each in arm.scores if len(each.labels)]
            if not found:
                continue
            risk = np.mean([curve for curve, _ in found], axis=0)
            area = float(np.mean([area for _, area in found]))
            colour = COLOURS[index % len(COLOURS)]
            place.plot(
                COVERAGE_GRID, risk, color=colour, lw=2.0 if arm.best else 1.2,
                ls="--" if arm.base else "-", marker=MARKERS[index % len(MARKERS)],
                markevery=(3 + 2 * index, 24), ms=5, mfc="w",
                label=f"{_number(area)}  {wrapped(arm.label_and_role, 30)}",
            )  # fmt: skip
        place.set(xlim=(0, 1.01), ylim=(0, None))
        place.set_xlabel("coverage: share of cases decided, the most confident first")
        place.set_ylabel("risk: error rate among them")
        figure.legend(loc="outside right center", title="AURC", fontsize=8)
        text = (
            "Error rate on the test sets if only the most confident share of cases is decided, "
            "averaged over replicates. AURC is the mean over all coverages; less is better. At "
            "low coverage a curve rests on few cases."
        )
        caption(figure, "Risk and coverage on the test sets", text, shown.cut)
    return figure


def mean_confusion(arm: ShownArm) -> Floats:
    """(K, K) cases by true class (row) and final class (column), mean over replicates."""
    size = arm.scores[0].p.shape[1]
    matrices = [confusion_matrix(s.labels, largest_class(s.p), size) for s in arm.scores]
    return np.asarray(np.mean(matrices, axis=0), dtype=np.float64)


def _calibration_text(arm: ShownArm) -> str:
    lines = [f"ECE {_number(mean_metric(arm, 'ece'))}"]
    if arm.scores[0].p.shape[1] == 2:
        lines.append(f"slope {_number(mean_metric(arm, 'calibration_slope'), 2)}")
        lines.append(f"intercept {_number(mean_metric(arm, 'calibration_intercept'), 2)}")
    return ", ".join(lines)


def _write(place: Axes, text: str, *, high: bool = False) -> None:
    at, side = ((0.04, 0.97), "left") if high else ((0.97, 0.04), "right")
    place.annotate(
        text, at, xycoords="axes fraction", ha=side, va="top" if high else "bottom", fontsize=8
    )


def _number(value: float, decimals: int = 3) -> str:
    if math.isnan(value):
        return "undefined"
    rounded = round(value, decimals) + 0.0  # no minus before zero
    return f"{rounded:.{decimals}f}".replace("-", MINUS)
