"""The columns of the ablation table: what each cell says, and what needs a note."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from abl.decide.verdicts import ONE_CLASS
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome
from abl.report.collapse import collapse_words
from abl.report.labels import (
    CHOSEN,
    chosen_label,
    has_chosen,
    label_in,
    letters,
    one_line,
    with_unit,
)
from abl.report.named import axis_in, value_in, words_of
from abl.report.numbers import NOTHING, Scale, p_label, scale_of
from abl.report.prediction_frames import one_class_note
from abl.report.replicates_said import (
    defined_of_all,
    differences_over,
    equal_seeds_note,
    partly_defined,
    spread_of,
)
from abl.report.tables.ablation_notes import cell_notes, comparison_note
from abl.report.tables.model import BOLD, DIFFERS, TIED, Column, Note, TableCell, text_column
from abl.report.tables.published import Published
from abl.report.tables.runs_column import RUNS_NOTE, runs_column

EMPTY_CELL = Cell(mean=math.nan, sd=math.nan, low=math.nan, high=math.nan, count=0)
PARTS = ("mean", "sd", "low", "high")


class TableLayout:
    """Columns of one outcome, and the notes that their cells give rise to."""

    def __init__(
        self,
        outcome: Outcome,
        *,
        per_cent: bool,
        decimals: int | None,
        spread: bool = False,
        intervals: bool = False,
        runs: bool = False,
        published: Published | None = None,
    ):
        self._outcome = outcome
        # what a cell holds beside its mean: the interval, or the sd with the interval as asked
        self._spread, self._intervals = spread, spread and intervals
        self._published, self._runs = published, runs
        self._scales: dict[str, Scale] = {}
        for metric in outcome.metrics:
            means = [arm.cells[metric].mean for arm in outcome.arms if metric in arm.cells]
            self._scales[metric] = scale_of(metric, means, per_cent=per_cent, decimals=decimals)
        self._letters: dict[str, str] = {}
        self._controls = outcome.facts.controls
        self._compared = [arm.comparison for arm in outcome.arms if arm.comparison is not None]
        self._one_base = len({comparison.base for comparison in self._compared}) == 1
        words = {arm.key: words_of(arm, outcome) for arm in outcome.arms}
        # a comparison names its base by key, or as the plan does
        self._arm_labels = {outcome.title_of(arm): words[arm.key] for arm in outcome.arms} | words
        self._one_class_bases = {
            name: said
            for arm in outcome.arms
            if (said := one_class_note(outcome, arm))
            for name in (arm.key, outcome.title_of(arm))
        }

    def columns(self) -> list[Column]:
        """The arm, the primary metric, how it compares; then the value of the curve axis, the other
        metrics, and what a search chose. CSV, which programs read, has axes, metrics, comparison
        and marks in the order of the file.
        """
        outcome = self._outcome
        lead = [self._arm_column()] if outcome.axes else []
        metrics = {name: self.metric_columns(name) for name in self._scales}
        compared = self._comparison_columns() if self._compared else []
        chosen, settings = list[Column](), list[Column]()
        if has_chosen(outcome):
            label = f"{label_in(outcome, outcome.curve_axis)} chosen"
            chosen.append(Column(label, True, lambda arm: chosen_label(arm, outcome.curve_axis)))
        if any(arm.params.get(CHOSEN) for arm in outcome.arms):
            settings.append(text_column(CHOSEN, value=_param(CHOSEN)))
        first = metrics.get(outcome.primary, [])
        others = [c for name in metrics if name != outcome.primary for c in metrics[name]]
        shown = [*lead, *first, *compared, *chosen, *others, *settings]
        every = [column for of_metric in metrics.values() for column in of_metric]
        in_file = [*lead, *every, *self._in_file(compared), *settings]
        marks = [
            Column(name, False, raw={name: attrgetter(name)})
            for name in ("best", "tied", "failed", "key")
        ]
        return [
            *self.with_failures([replace(each, raw={}) for each in shown], len(lead)),
            *(replace(each, cell=None) for each in in_file if each.raw),
            *marks,
        ]

    @staticmethod
    def _in_file(compared: Sequence[Column]) -> list[Column]:
        """The columns of the comparison in the order that CSV has: base first, verdict last."""
        by_name = {next(iter(each.raw)): each for each in compared}
        return [by_name[name] for name in ("base", "difference", "p", "verdict") if name in by_name]

    def unit(self, metric: str) -> str:
        """ "%", or "" for what is not shown in per cent."""
        return self._scales[metric].unit

    def metric_columns(self, metric: str, label: str = "") -> list[Column]:
        """An arm's metric with its marks: mean and interval, or mean ± sd; its published value."""
        scale = self._scales[metric]
        shown = f"{label}," if label else label_in(self._outcome, metric)
        columns = [
            Column(
                label or with_unit(shown, scale.unit),
                True,
                lambda arm: self._metric_cell(arm, metric),
                {f"{metric}_{part}": _cell_raw(metric, part) for part in (*PARTS, *_COUNTS)},
            )
        ]

        def interval(arm: ArmOutcome) -> str:
            return scale.interval(*_ends(arm.cells.get(metric, EMPTY_CELL)))

        if self._intervals:
            columns.append(Column(f"{shown} 95 % interval", True, interval))
        if self._runs:
            columns.append(runs_column(metric, f"{shown} over runs", scale))
        if self._published is not None and metric in self._published.metrics:
            columns.append(self._published_column(self._published, metric, f"{shown} published"))
        return columns

    def with_failures(self, columns: Sequence[Column], lead: int = 0) -> list[Column]:
        """The columns as an arm without numbers shows them: `failed` with its mark behind the first
        `lead`, then nothing. Where nothing is behind them the mark goes to the last word."""
        shown = [at for at, column in enumerate(columns) if column.cell is not None]
        place = min(lead, len(shown) - 1)

        def guarded(cell: Callable[[ArmOutcome], TableCell | str], at: int) -> Any:
            def shows(arm: ArmOutcome) -> TableCell | str:
                if not arm.failed or at < place:
                    return cell(arm)
                if at > place:
                    return ""
                word = cell(arm) if at < lead else "failed"
                text = word.text if isinstance(word, TableCell) else word
                return TableCell(text, (self._letter(f"failed: {one_line(arm.failed)}"),))

            return shows

        return [
            column
            if column.cell is None
            else replace(column, cell=guarded(column.cell, shown.index(at)))
            for at, column in enumerate(columns)
        ]

    def notes(self) -> list[Note]:
        """General notes first, then one for each mark in use."""
        arms = [arm for arm in self._outcome.arms if not arm.failed]
        primary = label_in(self._outcome, self._outcome.primary)
        cells = [arm.cells[name] for arm in arms for name in self._scales if name in arm.cells]
        word = self._outcome.facts.clusters or "patient"
        said = cell_notes(
            arms, cells, spread=self._spread, intervals=self._intervals, clusters=f"{word}s"
        )
        if self._compared:
            base = self._base_label(self._compared[0].base) if self._one_base else ""
            margin, scale = self._outcome.facts.margin, self._primary_scale()
            said.append(comparison_note(primary, base, self._compared, margin, scale))
        if alike := self._same_in_all():
            said.append(alike)
        if self._runs:
            said.append(RUNS_NOTE)
        notes = [Note("", text) for text in said]
        if any(self._is_best(arm) for arm in arms):
            notes.append(Note(BOLD, f"best arm on {primary}"))
        if any(arm.tied and not arm.best for arm in arms):
            text = f"may be the best, too: not shown to be below any arm on {primary}"
            notes.append(Note(TIED, f"{text}, all pairs corrected for; that shows no equality"))
        if self._published is not None:
            notes += [Note("", text) for text in self._published.sentences()]
        return notes + [Note(letter, text) for text, letter in self._letters.items()]

    def _metric_cell(self, arm: ArmOutcome, metric: str) -> TableCell:
        cell = arm.cells.get(metric, EMPTY_CELL)
        primary, best = metric == self._outcome.primary, self._is_best(arm)
        marks = [TIED] if primary and arm.tied and not best else []
        if primary and (why := self._controls.get(arm.key)):
            marks.append(self._letter(f"a control, never the best: {why}"))
        if primary and (trainings := self._outcome.facts.trainings.get(arm.key)):
            marks.append(self._letter(equal_seeds_note(arm, trainings, spread=self._spread)))
        text, scale = self._cell_text(arm, metric, cell), self._scales[metric]
        if cell.undefined and math.isnan(cell.mean):
            text = f"{scale.number(cell.mean)} ({defined_of_all(arm, metric, cell)})"
        elif cell.undefined:
            marks.append(self._letter(partly_defined(defined_of_all(arm, metric, cell))))
        if primary and (said := one_class_note(self._outcome, arm)):
            marks.append(self._letter(said))
        # a, b, ..., z, aa, after the mark of ties
        marks.sort(key=lambda mark: (mark != TIED, len(mark), mark))
        return TableCell(text, tuple(marks), bold=primary and best)

    def _cell_text(self, arm: ArmOutcome, metric: str, cell: Cell) -> str:
        scale = self._scales[metric]
        if not self._spread:
            return scale.mean_and_interval(cell.mean, cell.low, cell.high)
        trainings = self._outcome.facts.trainings.get(arm.key, len(arm.replicates))
        return scale.mean_and_sd(cell.mean, spread_of(arm, metric, cell, trainings))

    def _is_best(self, arm: ArmOutcome) -> bool:
        return arm.best and arm.key not in self._controls

    def _arm_column(self) -> Column:
        """What tells an arm from the others, the best one in bold; a control is named as one."""
        outcome, told = self._outcome, self._outcome.told_apart
        alone = told[0] if len(told) == 1 else ""

        def cell(arm: ArmOutcome) -> TableCell:
            text = self._arm_labels[arm.key]
            if alone and arm.params.get(alone, "") != "":
                text = value_in(outcome, alone, arm.params[alone])
            if arm.key in self._controls:
                text += " (control)"
            return TableCell(text, bold=self._is_best(arm))

        label = axis_in(outcome, alone) if alone else "arm"
        return Column(label, False, cell, {axis: _param(axis) for axis in outcome.axes})

    def _published_column(self, published: Published, metric: str, heading: str) -> Column:
        """What a file states of an arm's metric, beside ours."""

        def cell(arm: ArmOutcome) -> TableCell:
            value = published.values.get((arm.key, metric))
            if value is None:
                return TableCell("")
            several = len(published.sources) > 1 and value.source
            marks = (self._letter(f"published: {value.source}"),) if several else ()
            if published.differs(arm.key, metric):
                marks = (DIFFERS, *marks)
            return TableCell(value.shown(self._scales[metric]), marks)

        def raw(part: str) -> Callable[[ArmOutcome], Any]:
            return lambda arm: getattr(published.values.get((arm.key, metric)), part, "")

        raws: dict[str, Any] = {f"{metric}_{n}": raw(p) for n, p in _STATED.items()}
        raws[f"{metric}_published_z"] = lambda arm: published.apart.get((arm.key, metric), "")
        return Column(heading, True, cell, raws)

    def _comparison_columns(self) -> list[Column]:
        """The base where there are several, difference, P and verdict; empty for a base."""
        scale, differences = self._primary_scale(), differences_over(self._outcome)

        def difference(arm: ArmOutcome) -> TableCell | str:
            if (found := arm.comparison) is None:
                return ""
            text = scale.difference(found.difference)
            interval = scale.interval(*_ends(found))
            over = differences.get(arm.key, "")
            marks = (self._letter(partly_defined(over)),) if over else ()
            return TableCell(text if interval == NOTHING else f"{text} {interval}", marks)

        def compared(shown: Callable[[Comparison], Any]) -> Callable[[ArmOutcome], Any]:
            return lambda arm: "" if arm.comparison is None else shown(arm.comparison)

        def raw(*names: str) -> dict[str, Callable[[ArmOutcome], Any]]:
            return {name: compared(attrgetter(name.removeprefix("difference_"))) for name in names}

        base = None if self._one_base else compared(lambda found: self._base_label(found.base))
        points = "points" if scale.unit else ""
        label = with_unit(f"Δ {label_in(self._outcome, self._outcome.primary)}", points)
        # a P beside a verdict that is withheld, as networks have not learned, would be read as one
        corrected = compared(
            lambda found: NOTHING if found.verdict == ONE_CLASS else p_label(found.p_corrected)
        )
        ends = ("difference_low", "difference_high")
        return [
            Column(label, True, difference, raw("difference", *ends)),
            Column("verdict", False, self._verdict_cell, raw("verdict")),
            Column("corrected P", True, corrected, raw("p", "p_corrected")),
            Column("base", False, base, raw("base")),
        ]

    def _verdict_cell(self, arm: ArmOutcome) -> TableCell | str:
        """The verdict with what must be said beside it: arms that say one class to all, and what
        collapsed while the primary metric rose."""
        if arm.comparison is None:
            return ""
        collapsed = self._outcome.facts.collapsed.get(arm.key, ())
        found = [collapse_words(self._outcome, arm, row) for row in collapsed]
        if arm.comparison.verdict in _EASY or arm.comparison.verdict.endswith("one class only"):
            own = one_class_note(self._outcome, arm)
            base = self._one_class_bases.get(arm.comparison.base)
            found = ([own] if own else []) + ([f"the base {base}"] if base else []) + found
        return TableCell(arm.comparison.verdict, tuple(self._letter(said) for said in found))

    def _same_in_all(self) -> str:
        """The axes that tell no arms apart, with their value."""
        outcome = self._outcome
        alike = [axis for axis in outcome.axes if axis not in outcome.told_apart]
        named = [
            f"{axis_in(outcome, axis)} {value_in(outcome, axis, outcome.arms[0].params[axis])}"
            for axis in alike
            if outcome.arms and outcome.arms[0].params.get(axis, "") != ""
        ]
        return f"The same in all arms: {', '.join(named)}." if named else ""

    def _base_label(self, base: str) -> str:
        return self._arm_labels.get(base) or one_line(base)

    def _primary_scale(self) -> Scale:
        return self._scales.get(self._outcome.primary, Scale(1.0, 3, ""))

    def _letter(self, text: str) -> str:
        return self._letters.setdefault(text, letters(len(self._letters)))


_COUNTS = ("count", "undefined")
_STATED = {
    "published": "mean", "published_sd": "sd", "published_low": "low", "published_high": "high",
    "source": "source",
}  # fmt: skip
# verdicts that two arms which both say one class to all come by without merit
_EASY = ("equivalent", "same predictions")
_ends = attrgetter("low", "high")


def _param(name: str) -> Callable[[ArmOutcome], str | int | float]:
    return lambda arm: arm.params.get(name, "")


def _cell_raw(metric: str, part: str) -> Callable[[ArmOutcome], Any]:
    return lambda arm: getattr(arm.cells.get(metric, EMPTY_CELL), part)
