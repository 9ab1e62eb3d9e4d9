"""From an Outcome to a Table: which columns there are, what each cell says, what needs a note."""

from __future__ import annotations

import math
from collections.abc import Sequence

from abl.plan.outcome import ArmOutcome, Comparison, Outcome
from abl.report.imported.family import plan_title
from abl.report.labels import (
    NOTHING,
    Scale,
    arm_label,
    letters,
    metric_label,
    one_line,
    p_label,
    scale_of,
    value_label,
    with_unit,
)
from abl.report.one_class import one_class_note
from abl.report.setting_words import CHOSEN
from abl.report.tables.cell_words import (
    EMPTY_CELL,
    chosen_label,
    has_chosen,
    mean_and_sd,
    undefined_note,
)
from abl.report.tables.model import BOLD, TIED, Column, Note, TableCell
from abl.report.tables.published import Published


class TableLayout:
    """Columns of one outcome, and the notes that its rows give rise to."""

    def __init__(
        self,
        outcome: Outcome,
        *,
        per_cent: bool,
        decimals: int | None,
        intervals: bool,
        published: Published | None = None,
    ):
        self._outcome = outcome
        self._intervals = intervals
        self._published = published
        self._published_metrics = published.metrics if published else frozenset[str]()
        self._scales: dict[str, Scale] = {}
        for metric in outcome.metrics:
            means = [arm.cells[metric].mean for arm in outcome.arms if metric in arm.cells]
            self._scales[metric] = scale_of(metric, means, per_cent=per_cent, decimals=decimals)
        self._letters: dict[str, str] = {}
        self._chosen = has_chosen(outcome)
        self._searched = any(arm.params.get(CHOSEN) for arm in outcome.arms)
        self._compared = any(arm.comparison is not None for arm in outcome.arms)
        bases = {arm.comparison.base for arm in outcome.arms if arm.comparison is not None}
        self._one_base = len(bases) == 1
        self._arm_labels = {arm.key: arm_label(arm.params, outcome.axes) for arm in outcome.arms}
        self._one_class_bases = {
            name: said
            for arm in outcome.arms
            if (said := one_class_note(outcome, arm))
            for name in (arm.key, plan_title(arm, outcome))
        }
        self._width = len(self.columns())

    def columns(self) -> tuple[Column, ...]:
        """Axes, metrics with their intervals, the chosen value of the curve axis, comparison, and
        last the settings that a search chose."""
        columns = [Column(one_line(axis), False) for axis in self._outcome.axes]
        if self._chosen:
            columns.append(Column(f"{metric_label(self._outcome.curve_axis)} chosen", True))
        for metric in self._scales:
            columns.extend(self.metric_columns(metric))
        if self._compared:
            if not self._one_base:
                columns.append(Column("base", False))
            unit = "points" if self._primary_scale().unit else ""
            difference = f"Δ {metric_label(self._outcome.primary)}"
            columns.append(Column(with_unit(difference, unit), True))
            columns.append(Column("corrected P", True))
            columns.append(Column("verdict", False))
        if self._searched:
            columns.append(Column(CHOSEN, False))
        return tuple(columns)

    def unit(self, metric: str) -> str:
        """ "%", or "" for what is not shown in per cent."""
        return self._scales[metric].unit

    def metric_columns(self, metric: str, label: str = "") -> list[Column]:
        """Headings over metric_cells: by default the metric's name and unit."""
        scale = self._scales[metric]
        shown = f"{label}," if label else metric_label(metric)
        columns = [Column(label or with_unit(shown, scale.unit), True)]
        if self._intervals:
            columns.append(Column(f"{shown} 95 % interval", True))
        if metric in self._published_metrics:
            columns.append(Column(f"{shown} published", True))
        return columns

    def metric_cells(self, arm: ArmOutcome, metric: str) -> list[TableCell]:
        """An arm's metric: mean ± sd with its marks, its interval, its published value."""
        scale = self._scales[metric]
        cell = arm.cells.get(metric, EMPTY_CELL)
        primary = metric == self._outcome.primary
        marks = [TIED] if primary and arm.tied and not arm.best else []
        if cell.undefined:
            marks.append(self._letter(undefined_note(cell)))
        if primary and (said := one_class_note(self._outcome, arm)):
            marks.append(self._letter(said))
        bold = primary and arm.best
        cells = [TableCell(mean_and_sd(cell.mean, cell.sd, scale), tuple(marks), bold=bold)]
        if self._intervals:
            cells.append(TableCell(scale.interval(cell.low, cell.high)))
        if metric in self._published_metrics:
            cells.append(self._published_cell(arm, metric, scale))
        return cells

    def failed_cell(self, reason: str) -> TableCell:
        """What stands where a failed arm has no number."""
        return TableCell("failed", (self._failure_mark(reason),))

    def row(self, arm: ArmOutcome) -> tuple[TableCell, ...]:
        """The arm's cells, in the order of the columns."""
        outcome = self._outcome
        cells = [
            TableCell(value_label(arm.params.get(axis, "")), bold=arm.best) for axis in outcome.axes
        ]
        if arm.failed:
            if self._chosen:
                cells.append(TableCell(""))
            if len(cells) == self._width:
                # no column of numbers: the mark goes to the arm's last word
                mark = self._failure_mark(arm.failed)
                return (*cells[:-1], TableCell(cells[-1].text, (mark,)))
            cells.append(self.failed_cell(arm.failed))
            return tuple(cells + [TableCell("")] * (self._width - len(cells)))
        if self._chosen:
            cells.append(TableCell(chosen_label(arm, outcome.curve_axis)))
        for metric in self._scales:
            cells.extend(self.metric_cells(arm, metric))
        if self._compared:
            cells.extend(self._comparison(arm))
        if self._searched:
            cells.append(TableCell(one_line(str(arm.params.get(CHOSEN, "")))))
        return tuple(cells)

    def notes(self) -> list[Note]:
        """General notes first, then one for each mark in use."""
        arms = [arm for arm in self._outcome.arms if not arm.failed]
        primary = metric_label(self._outcome.primary)
        notes = [Note("", text) for text in self._replicate_notes(arms)]
        if self._intervals:
            notes.append(Note("", "95 % intervals by resampling patients."))
        if self._compared:
            notes.append(Note("", self._comparison_note(primary)))
        if any(arm.best for arm in arms):
            notes.append(Note(BOLD, f"best arm on {primary}"))
        if any(arm.tied and not arm.best for arm in arms):
            text = (
                f"not distinguishable from the best arm on {primary}; not shown to be equal to it"
            )
            notes.append(Note(TIED, text))
        if self._published is not None:
            notes.extend(Note("", text) for text in _published_notes(self._published))
        notes.extend(Note(letter, text) for text, letter in self._letters.items())
        return notes

    def _replicate_notes(self, arms: Sequence[ArmOutcome]) -> list[str]:
        cells = [arm.cells[name] for arm in arms for name in self._scales if name in arm.cells]
        totals = {cell.count + cell.undefined for cell in cells}
        shown = [cell for cell in cells if not math.isnan(cell.mean)]
        if shown and all(math.isnan(cell.sd) for cell in shown):
            return ["A single replicate: no standard deviation can be shown."]
        if not shown:
            return []
        count = f"; {totals.pop()} replicates an arm" if len(totals) == 1 else ""
        notes = [f"Mean ± standard deviation over replicates, seeds averaged first{count}."]
        if any(math.isnan(cell.sd) for cell in shown):
            notes.append("Without ±: a single replicate has a value.")
        return notes

    def _comparison(self, arm: ArmOutcome) -> list[TableCell]:
        comparison = arm.comparison
        if comparison is None:
            return [TableCell("")] * (3 if self._one_base else 4)
        scale = self._primary_scale()
        difference = scale.difference(comparison.difference)
        interval = scale.interval(comparison.low, comparison.high)
        cells = [] if self._one_base else [TableCell(self._base_label(comparison.base))]
        return [
            *cells,
            TableCell(difference if interval == NOTHING else f"{difference} {interval}"),
            TableCell(p_label(comparison.p_corrected)),
            TableCell(one_line(comparison.verdict), self._verdict_marks(arm, comparison)),
        ]

    def _verdict_marks(self, arm: ArmOutcome, comparison: Comparison) -> tuple[str, ...]:
        """Two arms that both say one class to all are easily equal: that must be said there."""
        if comparison.verdict != "equivalent":
            return ()
        own, of_base = one_class_note(self._outcome, arm), self._one_class_bases
        found = [own] if own else []
        found += [f"the base {of_base[comparison.base]}"] if comparison.base in of_base else []
        return tuple(self._letter(said) for said in found)

    def _comparison_note(self, primary: str) -> str:
        compared = [arm.comparison for arm in self._outcome.arms if arm.comparison is not None]
        base = f" ({self._base_label(compared[0].base)})" if self._one_base else ""
        text = f"Δ {primary}: difference to the base{base} with its 95 % interval"
        margin = self._outcome.facts.get("margin")
        if isinstance(margin, float) and not math.isnan(margin):
            unit = " points" if self._primary_scale().unit else ""
            text += f"; margin {self._primary_scale().number(margin)}{unit}"
        if any(comparison.verdict == "undecided" for comparison in compared):
            text += "; undecided: the data show neither a difference nor its absence"
        return text + "."

    def _published_cell(self, arm: ArmOutcome, metric: str, scale: Scale) -> TableCell:
        published = self._published
        value = published.values.get((arm.key, metric)) if published else None
        if published is None or value is None:
            return TableCell("")
        several = len(published.sources) > 1 and value.source
        marks = (self._letter(f"published: {value.source}"),) if several else ()
        return TableCell(mean_and_sd(value.mean, value.sd, scale), marks)

    def _failure_mark(self, reason: str) -> str:
        return self._letter(f"failed: {one_line(reason)}")

    def _base_label(self, base: str) -> str:
        return self._arm_labels.get(base) or one_line(base)

    def _primary_scale(self) -> Scale:
        return self._scales.get(self._outcome.primary, Scale(1.0, 3, ""))

    def _letter(self, text: str) -> str:
        if text not in self._letters:
            self._letters[text] = letters(len(self._letters))
        return self._letters[text]


def _published_notes(published: Published) -> list[str]:
    sources = published.sources
    stated = f" ({sources[0]})" if len(sources) == 1 else ""
    first = f"Published: as stated in {one_line(published.file)}{stated}; not computed here, and no"
    notes = [f"{first} test compares it with ours."] if published.values else []
    return [*notes, *published.notes]
