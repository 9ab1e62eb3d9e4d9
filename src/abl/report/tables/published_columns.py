"""Columns of a file of published values: which holds what, and the values of a metric in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from abl.data.tables.rows import Rows
from abl.decide.stated_errors import sampling_error
from abl.errors import Problem, nearest, raise_if_any
from abl.plan.outcome import Outcome
from abl.report.labels import is_metric, metric_label, one_line
from abl.report.numbers import scale_of
from abl.report.tables.published import PublishedValue, Z
from abl.report.tables.stated_tables import BESIDE, COUNTS, DESCRIBING, StatedTables, in_rows

UNITS = {"%": 0.01, "per cent": 0.01, "percent": 0.01, "fraction": 1.0}
_OWN_COLUMNS = ("source", "unit")
ROUNDING = 0.006  # of a share that counts give, to whole per cents


class StatedColumns:
    """The columns of a file, and every fault that is met in them.

    Attributes:
        rows: One for each value of an axis that has columns of its own.
        axes, labels: Columns that say which arm a row is of.
        means: Metric -> column.
        elsewhere: Metrics that the sweep does not measure.
        texts: Column -> its fields as text.
        problems: Faults of fields.

    Raises:
        InputError: Columns that are nothing known, no metric, nothing that tells arms apart.
    """

    def __init__(self, rows: Rows, outcome: Outcome, stated: StatedTables):
        self.outcome, self.stated = outcome, stated
        self.own_metrics = {each.lower(): each for each in outcome.metrics}
        self.own_metrics |= {metric_label(each).lower(): each for each in outcome.metrics}
        self.rows = in_rows(rows, outcome, stated, self.own_metrics)
        self.axes: list[str] = []
        self.labels: list[str] = []
        self.means: dict[str, str] = {}
        self.beside: dict[str, dict[str, str]] = {part: {} for part in BESIDE.values()}
        self.elsewhere: list[str] = []
        self.problems: list[Problem] = []
        self._find_columns()
        self.texts = {str(name): self.rows.text(name) for name in self.rows.frame.columns}

    def _find_columns(self) -> None:
        name, metrics = self.outcome.name, self.outcome.metrics
        axes = (*self.outcome.axes, *self.stated.fixed)
        faults = []
        for column in map(str, self.rows.frame.columns):
            word = column.strip().lower()
            part = next((each for each in BESIDE if word.endswith(each)), "")
            base = word.removesuffix(part)
            if column in axes:
                self.axes.append(column)
            elif column in self.stated.label_columns:
                self.labels.append(column)
            elif base in self.own_metrics:
                of_part = self.beside[BESIDE[part]] if part else self.means
                if (first := of_part.get(self.own_metrics[base])) is not None:
                    faults.append(f"columns '{first}' and '{column}' are of one value: keep one")
                of_part[self.own_metrics[base]] = column
            elif is_metric(base):
                self.elsewhere += [] if part else [base]
            elif word not in (*_OWN_COLUMNS, *COUNTS, *DESCRIBING):
                known = [*axes, *self.stated.label_columns, *metrics, *_OWN_COLUMNS, *DESCRIBING]
                said = f"column '{column}' is no axis and no metric of {name}: take it out, or "
                faults.append(f"{said}rename it; {nearest(column, known)}")
        if not faults and not self.means:
            faults.append(f"no metric of {name} among its columns; valid: {', '.join(metrics)}")
        if not faults and self.outcome.axes and not self.axes and not self.labels:
            valid = ", ".join(self.outcome.axes)
            faults.append(f"no axis of {name} among its columns; valid: {valid}")
        for metric in self.means:
            ends = [self.beside[end].get(metric) for end in ("low", "high")]
            if ends.count(None) == 1:
                (given,) = [each for each in ends if each is not None]
                faults.append(f"column '{given}' is one end of an interval: give both, or none")
        if not faults and not len(self.rows.frame):
            faults.append("no rows below its header")
        raise_if_any([Problem(said, file=self.rows.file, line=1) for said in faults])

    def values(self, metric: str) -> Iterator[tuple[int, PublishedValue]]:
        """A metric's values, without their errors, with the positions of their rows."""
        means = self._numbers(self.means[metric])
        beside = {
            part: self._numbers(columns[metric])
            for part, columns in self.beside.items()
            if metric in columns
        }
        frame = self.rows.frame
        sources = [""] * len(frame)
        if "source" in frame:
            sources = self.rows.text("source")
        elif "table" in frame:
            sources = [f"table {each}" if each else "" for each in self.rows.text("table")]
        ours = [arm.cells[metric].mean for arm in self.outcome.arms if metric in arm.cells]
        is_share = scale_of(metric, ours, per_cent=True).unit == "%"
        factors = self._factors(metric, means) if is_share else [1.0] * len(means)
        for at, (mean, factor) in enumerate(zip(means, factors, strict=True)):
            if is_share and not (math.isnan(mean) or 0 <= mean * factor <= 1):
                self.fault(at, f"{metric}: {mean:g} is no share in this unit")
            beside_it = {part: values[at] for part, values in beside.items()}
            if said := _misfit(mean, beside_it):
                self.fault(at, f"{metric}: {said}")
            elif metric == "acc" and not math.isnan(mean):
                self._held_against_counts(at, mean, factor)
            if not math.isnan(mean):
                parts = {part: factor * values[at] for part, values in beside.items()}
                sd, source = parts.pop("sd", math.nan), one_line(sources[at])
                yield at, PublishedValue(mean * factor, sd, source, **parts)

    def error(
        self, at: int, metric: str, value: PublishedValue, others: Mapping[str, float]
    ) -> float:
        """The largest standard error that follows from what is stated; nan if none does."""
        negatives, positives = self._tested(at)
        found = [
            sampling_error(metric, value.mean, negatives, positives, others),
            (value.high - value.low) / (2 * Z),
            value.sd,
        ]
        return max((each for each in found if not math.isnan(each)), default=math.nan)

    def _held_against_counts(self, at: int, mean: float, factor: float) -> None:
        names = ("tp", "fn", "fp", "tn")
        if any(name not in self.texts for name in names):
            return
        tp, fn, fp, tn = (self._number(name, at) for name in names)
        found = (tp + tn) / all_ if (all_ := tp + fn + fp + tn) > 0 else math.nan
        if abs(found - mean * factor) > ROUNDING:
            said = f"acc: {mean:g} is not what tp, fn, fp and tn say, {found / factor:.4g}"
            self.fault(at, said)

    def _tested(self, at: int) -> tuple[float, float]:
        """Images of class 0 and 1 of a row, from its counts or by what the study knows."""
        counts = {name: self._number(name, at) for name in COUNTS if name in self.texts}
        if {"negatives", "positives"} <= counts.keys():
            return counts["negatives"], counts["positives"]
        if {"tp", "fn", "fp", "tn"} <= counts.keys():
            return counts["fp"] + counts["tn"], counts["tp"] + counts["fn"]
        row = {name: texts[at] for name, texts in self.texts.items()}
        tested = self.stated.tested.get(Path(self.rows.file).name, lambda row: None)
        return tested(row) or (math.nan, math.nan)

    def _number(self, column: str, at: int) -> float:
        """Of a column of counts."""
        text = self.texts[column][at]
        try:
            number = float(text) if text else math.nan
        except ValueError:
            number = -1.0
        if number < 0 or not (math.isnan(number) or number.is_integer()):
            self.fault(at, f"{column}: '{text}' is no number of images")
            return math.nan
        return number

    def _numbers(self, column: str) -> list[float]:
        """The numbers of a column, nan where a field is empty."""
        numbers = []
        for at, text in enumerate(self.rows.text(column)):
            try:
                number = float(text) if text else math.nan
            except ValueError:
                number = math.inf
            if math.isinf(number):
                self.fault(at, f"{column}: '{text}' is no number")
                number = math.nan
            numbers.append(number)
        return numbers

    def _factors(self, metric: str, means: list[float]) -> list[float]:
        """What brings each row's share to a fraction."""
        if "unit" in self.rows.frame:
            units = [text.lower() for text in self.rows.text("unit")]
            for at, text in enumerate(self.rows.text("unit")):
                problem = self.rows.problem(at, f"unit '{text}': {nearest(text, UNITS)}")
                if units[at] not in UNITS and problem not in self.problems:
                    self.problems.append(problem)
            return [UNITS.get(unit, 1.0) for unit in units]
        above = any(abs(mean) > 1 for mean in means)
        below = [at for at, mean in enumerate(means) if 0 < abs(mean) < 1]
        if above and below:
            said = f"{metric}: {means[below[0]]:g} beside values above 1; add a column 'unit'"
            self.fault(below[0], said)
        return [0.01 if above else 1.0] * len(means)

    def fault(self, at: int, message: str) -> None:
        problem = self.rows.problem(at, message)
        self.problems += [] if problem in self.problems else [problem]


def _misfit(mean: float, beside: Mapping[str, float]) -> str:
    """What of the values beside a mean cannot be, "" if all can."""
    nothing = math.nan
    sd, low, high = (beside.get(part, nothing) for part in ("sd", "low", "high"))
    if sd < 0:
        return f"sd {sd:g} is below 0"
    for named, (least, most) in {
        "interval": (low, high),
        "range": (beside.get("smallest", nothing), beside.get("largest", nothing)),
    }.items():
        if least > most:
            return f"{named} {least:g} to {most:g} ends below its beginning"
        if mean < least or mean > most:
            return f"{mean:g} is outside its {named} {least:g} to {most:g}"
    return ""
