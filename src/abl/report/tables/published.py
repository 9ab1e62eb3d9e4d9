"""Values that a publication states, to stand beside the arms they belong to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abl.errors import Problem, nearest, raise_if_any
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import Scale, is_metric, metric_label, one_line, scale_of, setting_label

if TYPE_CHECKING:
    from abl.data.tables.rows import Rows

UNITS = {"%": 0.01, "per cent": 0.01, "percent": 0.01, "fraction": 1.0}
_OWN_COLUMNS = ("source", "unit")
_BESIDE = ("_sd", "_min", "_max")  # how columns of a metric end that state no mean
_MOST_LISTED = 8


@dataclass(frozen=True)
class PublishedValue:
    """A stated mean, its standard deviation (nan if none), where it is stated ("" unsaid), and the
    smallest and largest value (nan if not stated).
    """

    mean: float
    sd: float
    source: str
    smallest: float = math.nan
    largest: float = math.nan

    def shown(self, scale: Scale) -> str:
        """`mean ± sd (min, max)`, or what of it is stated."""
        text = scale.mean_and_sd(self.mean, self.sd)
        if math.isnan(self.smallest) or math.isnan(self.largest):
            return text
        return f"{text} ({scale.number(self.smallest)}, {scale.number(self.largest)})"


@dataclass(frozen=True)
class Published:
    """What a file states about the arms of an outcome.

    Attributes:
        values: (key of the arm, metric) -> value, shares as fractions.
        notes: What could not be placed, a sentence each.
    """

    file: str
    values: Mapping[tuple[str, str], PublishedValue]
    notes: tuple[str, ...] = ()

    @property
    def metrics(self) -> frozenset[str]:
        """Metrics with a value beside an arm."""
        return frozenset(metric for _, metric in self.values)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that are named, in the order of the file."""
        return tuple(dict.fromkeys(value.source for value in self.values.values() if value.source))

    def sentences(self) -> list[str]:
        """What a reader of the table must know of it."""
        stated = f" ({self.sources[0]})" if len(self.sources) == 1 else ""
        first = f"Published: as stated in {one_line(self.file)}{stated}; not computed here, and no"
        notes = [f"{first} test compares it with ours."] if self.values else []
        return [*notes, *self.notes]


def read_published(path: Path, outcome: Outcome) -> Published:
    """The published values of a CSV or Parquet file, matched to arms by their axis values.

    Columns: some axes of the outcome ("" where an axis does not apply), metrics by name or label
    with optional `<metric>_sd`, `<metric>_min` and `<metric>_max`, optional `unit` (per cent or
    fraction) and `source`. Without `unit` a column of shares with a value above 1 is in per cent.

    Raises:
        InputError: Unknown columns, values that are no numbers or no shares, two rows for one arm;
            each with file and row.
    """
    from abl.data.tables.rows import read_rows

    return _PublishedFile(read_rows(Path(path)), outcome).published()


class _PublishedFile:
    """A file of published values: which column holds what, and every fault that was met."""

    def __init__(self, rows: Rows, outcome: Outcome):
        self.rows, self.outcome = rows, outcome
        self.axes: list[str] = []
        self.means: dict[str, str] = {}  # metric -> column
        self.beside: dict[str, dict[str, str]] = {part: {} for part in _BESIDE}
        self.elsewhere: list[str] = []
        self.problems: list[Problem] = []
        self._find_columns()
        texts = {axis: rows.text(axis) for axis in self.axes}
        # row -> its axis values, and the arms that have them
        self.wanted = [{axis: texts[axis][at] for axis in texts} for at in range(len(rows.frame))]
        self.matches = [[arm for arm in outcome.arms if _fits(arm, each)] for each in self.wanted]

    def published(self) -> Published:
        """Each value beside the arms of its row."""
        values: dict[tuple[str, str], PublishedValue] = {}
        stated_at: dict[tuple[str, str], int] = {}
        for metric in self.means:
            for at, value in list(self._values(metric)):
                for arm in self.matches[at]:
                    place = arm.key, metric
                    if place in values:
                        first = self.rows.numbers[stated_at[place]]
                        self._fault(at, f"row {first} gives {metric} of the same arm: keep one")
                    else:
                        values[place], stated_at[place] = value, at
        raise_if_any(self.problems)
        return Published(Path(self.rows.file).name, values, tuple(self._notes()))

    def _fault(self, at: int, message: str) -> None:
        self.problems.append(self.rows.problem(at, message))

    def _find_columns(self) -> None:
        name, metrics, axes = self.outcome.name, self.outcome.metrics, self.outcome.axes
        own_metrics = {each.lower(): each for each in metrics}
        own_metrics |= {metric_label(each).lower(): each for each in metrics}
        faults = []
        for column in map(str, self.rows.frame.columns):
            word = column.strip().lower()
            part = next((each for each in _BESIDE if word.endswith(each)), "")
            base = word.removesuffix(part)
            if column in axes:
                self.axes.append(column)
            elif base in own_metrics:
                of_part = self.beside[part] if part else self.means
                of_part[own_metrics[base]] = column
            elif is_metric(base):
                self.elsewhere += [] if part else [base]
            elif word not in _OWN_COLUMNS:
                hint = nearest(column, [*axes, *metrics, *_OWN_COLUMNS])
                said = f"column '{column}' is no axis and no metric of {name}: take it out, or "
                faults.append(f"{said}rename it; {hint}")
        if not faults and not self.means:
            faults.append(f"no metric of {name} among its columns; valid: {', '.join(metrics)}")
        if not faults and axes and not self.axes:
            faults.append(f"no axis of {name} among its columns; valid: {', '.join(axes)}")
        raise_if_any([Problem(said, file=self.rows.file, line=1) for said in faults])

    def _values(self, metric: str) -> Iterator[tuple[int, PublishedValue]]:
        """A metric's values with the positions of their rows."""
        means = self._numbers(self.means[metric])
        unknown = [math.nan] * len(means)
        deviations, smallest, largest = (
            self._numbers(columns[metric]) if metric in columns else unknown
            for columns in self.beside.values()
        )
        frame = self.rows.frame
        sources = self.rows.text("source") if "source" in frame else [""] * len(frame)
        ours = [arm.cells[metric].mean for arm in self.outcome.arms if metric in arm.cells]
        is_share = scale_of(metric, ours, per_cent=True).unit == "%"
        factors = self._factors(metric, means) if is_share else [1.0] * len(means)
        for at, (mean, factor) in enumerate(zip(means, factors, strict=True)):
            if is_share and abs(mean * factor) > 1:
                self._fault(at, f"{metric}: {mean:g} is no share in this unit")
            if not math.isnan(mean):
                beside = (factor * each[at] for each in (smallest, largest))
                sd, source = factor * deviations[at], one_line(sources[at])
                yield at, PublishedValue(mean * factor, sd, source, *beside)

    def _numbers(self, column: str) -> list[float]:
        """The numbers of a column, nan where a field is empty."""
        numbers = []
        for at, text in enumerate(self.rows.text(column)):
            try:
                number = float(text) if text else math.nan
            except ValueError:
                number = math.inf
            if math.isinf(number):
                self._fault(at, f"{column}: '{text}' is no number")
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
            self._fault(below[0], said)
        return [0.01 if above else 1.0] * len(means)

    def _notes(self) -> Iterator[str]:
        # a table is read elsewhere: the name of its file, not where it lay
        file, numbers = Path(self.rows.file).name, self.rows.numbers
        lost = [
            f"row {number} ({', '.join(setting_label(*setting) for setting in each.items())})"
            for number, each, arms in zip(numbers, self.wanted, self.matches, strict=True)
            if not arms
        ]
        if lost:
            more = f"; and {len(lost) - _MOST_LISTED} more" if len(lost) > _MOST_LISTED else ""
            yield f"{file}: no arm for {'; '.join(lost[:_MOST_LISTED])}{more}."
        shared = [numbers[at] for at, arms in enumerate(self.matches) if len(arms) > 1]
        if shared:
            listed = ", ".join(map(str, shared[:_MOST_LISTED]))
            more = f" and {len(shared) - _MOST_LISTED} more" if len(shared) > _MOST_LISTED else ""
            word = "row" if len(shared) == 1 else "rows"
            yield (
                f"{file}: {word} {listed}{more} beside several arms, as the file does not name "
                "every axis."
            )
        if self.elsewhere:
            listed = ", ".join(metric_label(name) for name in self.elsewhere)
            yield f"{file} also states {listed}, not measured here."


def _fits(arm: ArmOutcome, wanted: Mapping[str, str]) -> bool:
    return all(_same(arm.params.get(axis, ""), text) for axis, text in wanted.items())


def _same(value: str | int | float, text: str) -> bool:
    try:
        return str(value) == text or float(value) == float(text)
    except ValueError:
        return False
