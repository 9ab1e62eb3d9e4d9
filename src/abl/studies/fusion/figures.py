"""The modes of a fusion sweep against each other: values, ROC, sensitivity and specificity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import (
    ShownArm,
    frames_by,
    interval_text,
    replicates_in,
    shown_metric,
    table_value,
)
from abl.report.figures.data import mean_roc
from abl.report.figures.over_axis import Ends, Series, Value, row_figure, series_over
from abl.report.figures.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
    DrawnFigure,
    caption,
    grid_of_panels,
    own_style,
    unit_square,
    wrapped,
)
from abl.report.labels import label_in, metric_label
from abl.report.named import headed

MODE, SECOND, MIXED, OWN = "mode", "second", "mixed", "own"
MODALITIES = ("bmode", "elasticity")
OTHER_UNITS = (
    "other units: single images of either modality instead of pairs; not paired with the others"
)
# one colour a mode in every figure; the two modalities come first, whatever their names are
_FUSION_COLOURS = {
    MIXED: GREY, "early": GREEN, "late": VERMILION, "late_shared": PINK, "gated": SKY,
    "cross_attention": BLACK,
}  # fmt: skip
_CONTROL_LINES = ("--", ":", "-.")


@dataclass(frozen=True, eq=False)
class Modes:
    """The arms of a fusion sweep: a row a mode, each before its controls, and a series a head.

    Attributes:
        modalities: Names of the two, the first of a pair first.
        series: By the settings that are no mode.
        cut: Says which are left out, or "".
        tests: Key of an arm -> its test predictions.
        label_of: What a metric is called.
        by_image: Whether single images are scored; else nodules or patients, which mixed has too.
    """

    modalities: tuple[str, str]
    series: Sequence[Series]
    cut: str
    tests: Mapping[str, pd.DataFrame]
    by_image: bool = True
    label_of: Callable[[str], str] = metric_label

    @property
    def arms(self) -> dict[Value, ArmOutcome]:
        """Row -> the first arm that has it, in the order of the rows."""
        every = [item for each in self.series for item in each.arms.items()]
        first = dict(reversed(every))
        return {row: first[row] for row in ordered_rows(every, self.modalities)}

    @property
    def mixed(self) -> bool:
        """Whether an arm is scored on single images instead of pairs."""
        return self.by_image and any(arm.params[MODE] == MIXED for arm in self.arms.values())

    @property
    def note(self) -> str:
        """What a caption says of it."""
        return f" Mixed has {OTHER_UNITS}." if self.mixed else ""

    def name(self, row: Value) -> str:
        """The row as figures call it."""
        return f"{row} †" if row == MIXED and self.mixed else str(row)

    def value(self, arm: ArmOutcome, metric: str) -> Ends:
        """Mean and 95 % interval of a metric: the table's, else of the predictions, else nan."""
        if arm.key not in self.tests:
            return table_value(arm, metric)
        scores = replicates_in(self.tests[arm.key])
        return shown_metric(ShownArm(arm, "", scores, base=False, best=arm.best), metric)

    def look(self, row: Value) -> tuple[str, str]:
        """Colour and line of a row: colour by mode, broken lines for controls and mixed."""
        arms = self.arms
        mode, second = str(arms[row].params[MODE]), second_of(arms[row])
        colours = dict(zip(self.modalities, (BLUE, ORANGE), strict=True)) | _FUSION_COLOURS
        others = [str(arm.params[MODE]) for arm in arms.values()]
        others = [each for each in dict.fromkeys(others) if each not in colours]
        colour = colours.get(mode) or COLOURS[others.index(mode) % len(COLOURS)]
        if mode == MIXED and self.by_image:
            return colour, "--"
        controls = list(dict.fromkeys(filter(None, map(second_of, arms.values()))))
        return colour, _CONTROL_LINES[controls.index(second) % 3] if second else "-"


def modes_of(outcome: Outcome, predictions: pd.DataFrame) -> Modes:
    """The arms that name a mode and did not fail; of their other settings the six best."""
    given = outcome.facts.study.get("modalities")
    pair = given if isinstance(given, Sequence) and len(given) == 2 else MODALITIES
    modalities = (str(pair[0]), str(pair[1]))

    def order(rows: Iterable[Value]) -> list[Value]:
        named = {row_named(arm): arm for arm in outcome.arms if arm.params.get(MODE)}
        return ordered_rows([(row, named[str(row)]) for row in rows], modalities)

    def row(arm: ArmOutcome) -> str | None:
        return row_named(arm) if arm.params.get(MODE) else None

    series, cut = series_over(outcome, [MODE, SECOND], row, order, fewest=1, word="settings")
    by_image = outcome.facts.unit in ("", "image")
    tests, label_of = frames_by(predictions, "arm", "test"), partial(label_in, outcome)
    return Modes(modalities, series, cut, tests, by_image, label_of)


def row_named(arm: ArmOutcome) -> str:
    """An arm's mode, and its control, as figures name them."""
    name, second = str(arm.params[MODE]).replace("_", " "), second_of(arm)
    return f"{name} (second: {second})" if second else name


def second_of(arm: ArmOutcome) -> str:
    """What the second branch of a control sees; "" if it is its own modality."""
    second = str(arm.params.get(SECOND, ""))
    return "" if second == OWN else second


def ordered_rows(
    rows: Iterable[tuple[Value, ArmOutcome]], modalities: tuple[str, str]
) -> list[Value]:
    """Rows by mode, modalities first, in the order given within a mode but for its controls."""
    given = dict(rows)
    modes = {row: str(arm.params[MODE]) for row, arm in given.items()}
    order = list(dict.fromkeys([*modalities, *_FUSION_COLOURS, *modes.values()]))
    return sorted(given, key=lambda row: (order.index(modes[row]), bool(second_of(given[row]))))


def modes_figure(outcome: Outcome, modes: Modes) -> Figure | None:
    """The primary metric by mode, a point a head. None for a single mode."""
    figure = _rows_of(modes, [outcome.primary], table_value)
    if figure is None:
        return None
    text = (
        f"{label_in(outcome, outcome.primary)} on the test sets "
        f"by mode of fusion: mean over replicates "
        f"and 95 % interval over patients.{modes.note}"
    )
    title = headed(outcome, "modes")
    caption(figure, title, text, modes.cut, heading="Modes and heads")
    return figure


def operating_figure(modes: Modes) -> Figure | None:
    """Sensitivity (left) and specificity (right) of each mode at the final class, a point a head.

    None for a single mode, or where neither metric is known.
    """
    figure = _rows_of(modes, ["sen", "spe"], modes.value)
    if figure is None:
        return None
    text = (
        "Sensitivity and specificity on the test sets where the final class is the more "
        "probable one (cut-off 0.5): mean over replicates and 95 % interval over patients, "
        f"each alone.{modes.note}"
    )
    title = "Sensitivity and specificity of the modes"
    caption(figure, title, text, modes.cut, heading=title)
    return figure


def _rows_of(
    modes: Modes, metrics: Sequence[str], value_of: Callable[[ArmOutcome, str], Ends]
) -> DrawnFigure | None:
    arms = [arm for each in modes.series for arm in each.arms.values()]
    found = {(arm.key, metric): value_of(arm, metric) for arm in arms for metric in metrics}
    if len(modes.arms) < 2 or all(math.isnan(mean) for mean, _, _ in found.values()):
        return None
    return row_figure(
        modes.series, metrics, list(modes.arms), names=modes.name,
        value_of=lambda arm, metric: found[arm.key, metric],
        note=f"†{OTHER_UNITS}" if modes.mixed else "", label_of=modes.label_of,
    )  # fmt: skip


def roc_modes_figure(modes: Modes) -> Figure | None:
    """One panel a head, one ROC a mode, AUC with its interval below. None for a single curve."""
    shown = []
    for each in modes.series:
        known = {row: arm for row, arm in each.arms.items() if arm.key in modes.tests}
        shown += [(each.label, known)] if known else []
    if len({row for _, arms in shown for row in arms}) < 2:
        return None
    most = max(len(arms) for _, arms in shown)
    broken = any(modes.look(row)[1] != "-" for row in modes.arms)
    with own_style():
        figure, grid = grid_of_panels(
            len(shown), columns=3, width_in=3.0, height_in=3.5 + 0.165 * most,
            margins_in=(0.5, 0.7), share=False,
        )  # fmt: skip
        for place, (label, arms) in zip(grid, shown, strict=True):
            place.plot([0, 1], [0, 1], color="0.8", lw=0.8, ls=":")
            for row, arm in arms.items():
                curve = mean_roc(replicates_in(modes.tests[arm.key]), 1)
                colour, line = modes.look(row)
                place.plot(
                    curve["fpr"], curve["tpr"], color=colour, ls=line, lw=2.0 if arm.best else 1.3,
                    label=f"{modes.name(row)}  {interval_text(*modes.value(arm, 'auc'))}",
                )  # fmt: skip
            place.set_title(wrapped(label, 34), fontsize=9)
            place.set_xlabel("1 − specificity", fontsize=9)
            place.set_ylabel("sensitivity", fontsize=9)
            place.legend(
                loc="upper center", bbox_to_anchor=(0.45, -0.18), fontsize=7.5, title="AUC",
                title_fontsize=8,
            )  # fmt: skip
        # a panel that kept its square would not make room for the legend below it
        unit_square(grid, equal=False)
        if modes.mixed:
            note = wrapped(f"†{OTHER_UNITS}", int(figure.get_figwidth() * 13.5))
            figure.legend(handles=[], title=note, title_fontsize=7.5, loc="outside lower center")
    text = (
        "Sensitivity over 1 − specificity on the test sets, averaged over replicates at equal "
        "specificity, with the mean AUC and its 95 % interval over patients."
        f"{' Broken lines: controls and modes with other units.' if broken else ''}{modes.note}"
    )
    title = "ROC of the modes on the test sets"
    caption(figure, title, text, modes.cut, heading="ROC of the modes")
    return figure
