"""Values that a publication states, to stand beside the arms they belong to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from abl.data.tables import Rows, read_rows
from abl.errors import Problem, nearest, raise_if_any
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import is_metric, metric_label, one_line, scale_of, setting_label

UNITS = {"%": 0.01, "per cent": 0.01, "percent": 0.01, "fraction": 1.0}
_OWN_COLUMNS = ("source", "unit")
_MOST_LISTED = 8


@dataclass(frozen=True)
class PublishedValue:
    """A stated mean, its standard deviation (nan if none), and where it is stated ("" unsaid)."""

    mean: float
    sd: float
    source: str


@dataclass(frozen=True)
class Published:
    """What a file states about the arms of an outcome.

    Attributes:
        file: Its name.
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


@dataclass(frozen=True)
class _Columns:
    """What each column of the file holds; metric -> column."""

    axes: Mapping[str, str]
    means: Mapping[str, str]
    deviations: Mapping[str, str]
    elsewhere: tuple[str, ...]


def read_published(path: Path, outcome: Outcome) -> Published:
    """The published values of a CSV or Parquet file, matched to arms by their axis values.

    Columns: some axes of the outcome ("" where an axis does not apply), metrics by name or label
    with optional `<metric>_sd`, optional `unit` (per cent or fraction) and `source`. Without `unit`
    a column of shares with a value above 1 is in per cent.

    Raises:
        InputError: Unknown columns, values that are no numbers or no shares, two rows for one arm;
            each with file and row.
    """
    rows = read_rows(Path(path))
    columns = _columns_of(rows, outcome)
    values: dict[tuple[str, str], PublishedValue] = {}
    stated_at: dict[tuple[str, str], int] = {}
    problems: list[Problem] = []
    axes = {axis: rows.text(column) for axis, column in columns.axes.items()}
    wanted = [{axis: texts[at] for axis, texts in axes.items()} for at in range(len(rows.frame))]
    matches = [[arm for arm in outcome.arms if _fits(arm, each)] for each in wanted]
    sources = rows.text("source") if "source" in rows.frame else [""] * len(rows.frame)
    for metric in columns.means:
        for at, value in enumerate(_values(rows, columns, metric, outcome, sources, problems)):
            for arm in matches[at] if value is not None else []:
                place = arm.key, metric
                if place in values:
                    problems.append(
                        rows.problem(
                            at,
                            f"row {rows.numbers[stated_at[place]]} gives {metric} of the same arm: "
                            "keep one",
                        )
                    )
                elif value is not None:
                    values[place], stated_at[place] = value, at
    raise_if_any(problems)
    name = Path(rows.file).name
    return Published(name, values, tuple(_notes(rows, columns, wanted, matches)))


def _columns_of(rows: Rows, outcome: Outcome) -> _Columns:
    axes: dict[str, str] = {}
    means: dict[str, str] = {}
    deviations: dict[str, str] = {}
    elsewhere: list[str] = []
    problems: list[Problem] = []
    own_metrics = {name.lower(): name for name in outcome.metrics}
    own_metrics |= {metric_label(name).lower(): name for name in outcome.metrics}
    for column in map(str, rows.frame.columns):
        word = column.strip().lower()
        base, is_sd = word.removesuffix("_sd"), word.endswith("_sd")
        if column in outcome.axes:
            axes[column] = column
        elif base in own_metrics:
            (deviations if is_sd else means)[own_metrics[base]] = column
        elif is_metric(base):
            elsewhere += [] if is_sd else [base]
        elif word not in _OWN_COLUMNS:
            valid = [*outcome.axes, *outcome.metrics, *_OWN_COLUMNS]
            message = f"column '{column}' is no axis and no metric of {outcome.name}: "
            message += f"take it out, or rename it; {nearest(column, valid)}"
            problems.append(Problem(message, file=rows.file, line=1))
    if not problems and not means:
        shown = ", ".join(outcome.metrics)
        message = f"no metric of {outcome.name} among its columns; valid: {shown}"
        problems.append(Problem(message, file=rows.file, line=1))
    if not problems and outcome.axes and not axes:
        message = f"no axis of {outcome.name} among its columns; valid: {', '.join(outcome.axes)}"
        problems.append(Problem(message, file=rows.file, line=1))
    raise_if_any(problems)
    return _Columns(axes, means, deviations, tuple(elsewhere))


def _fits(arm: ArmOutcome, wanted: Mapping[str, str]) -> bool:
    return all(_same(arm.params.get(axis, ""), text) for axis, text in wanted.items())


def _same(value: str | int | float, text: str) -> bool:
    if str(value) == text:
        return True
    try:
        return float(value) == float(text)
    except ValueError:
        return False


def _values(
    rows: Rows,
    columns: _Columns,
    metric: str,
    outcome: Outcome,
    sources: list[str],
    problems: list[Problem],
) -> list[PublishedValue | None]:
    """A metric's values by row, None where a row has none."""
    means = _numbers(rows, columns.means[metric], problems)
    deviations = [math.nan] * len(means)
    if metric in columns.deviations:
        deviations = _numbers(rows, columns.deviations[metric], problems)
    ours = [arm.cells[metric].mean for arm in outcome.arms if metric in arm.cells]
    is_share = scale_of(metric, ours, per_cent=True).unit == "%"
    factors = _factors(rows, metric, means, problems) if is_share else [1.0] * len(means)
    found: list[PublishedValue | None] = []
    for at, (mean, sd, factor) in enumerate(zip(means, deviations, factors, strict=True)):
        if is_share and abs(mean * factor) > 1:
            problems.append(rows.problem(at, f"{metric}: {mean:g} is no share in this unit"))
        value = PublishedValue(mean * factor, sd * factor, one_line(sources[at]))
        found.append(None if math.isnan(mean) else value)
    return found


def _numbers(rows: Rows, column: str, problems: list[Problem]) -> list[float]:
    """The numbers of a column, nan where a field is empty."""
    numbers = []
    for at, text in enumerate(rows.text(column)):
        try:
            number = float(text) if text else math.nan
        except ValueError:
            number = math.inf
        if math.isinf(number):
            problems.append(rows.problem(at, f"{column}: '{text}' is no number"))
            number = math.nan
        numbers.append(number)
    return numbers


def _factors(rows: Rows, metric: str, means: list[float], problems: list[Problem]) -> list[float]:
    """What brings each row's share to a fraction."""
    if "unit" in rows.frame:
        factors = []
        for at, text in enumerate(rows.text("unit")):
            if text.lower() not in UNITS:
                problem = rows.problem(at, f"unit '{text}': {nearest(text, UNITS)}")
                problems += [problem] if problem not in problems else []
            factors.append(UNITS.get(text.lower(), 1.0))
        return factors
    above = [abs(mean) > 1 for mean in means]
    below = [at for at, mean in enumerate(means) if 0 < abs(mean) < 1]
    if any(above) and below:
        message = f"{metric}: {means[below[0]]:g} beside values above 1; add a column 'unit'"
        problems.append(rows.problem(below[0], message))
    return [0.01 if any(above) else 1.0] * len(means)


def _notes(
    rows: Rows,
    columns: _Columns,
    wanted: list[dict[str, str]],
    matches: list[list[ArmOutcome]],
) -> list[str]:
    # a table is read elsewhere: the name of its file, not where it lay
    file, notes = Path(rows.file).name, []
    lost = [
        f"row {rows.numbers[at]} ("
        + ", ".join(setting_label(axis, text) for axis, text in each.items())
        + ")"
        for at, each in enumerate(wanted)
        if not matches[at]
    ]
    if lost:
        more = f"; and {len(lost) - _MOST_LISTED} more" if len(lost) > _MOST_LISTED else ""
        notes.append(f"{file}: no arm for {'; '.join(lost[:_MOST_LISTED])}{more}.")
    shared = [rows.numbers[at] for at, arms in enumerate(matches) if len(arms) > 1]
    if shared:
        listed = ", ".join(map(str, shared[:_MOST_LISTED]))
        more = f" and {len(shared) - _MOST_LISTED} more" if len(shared) > _MOST_LISTED else ""
        word = "row" if len(shared) == 1 else "rows"
        notes.append(
            f"{file}: {word} {listed}{more} beside several arms, as the file does not name "
            "every axis."
        )
    if columns.elsewhere:
        listed = ", ".join(metric_label(name) for name in columns.elsewhere)
        notes.append(f"{file} also states {listed}, not measured here.")
    return notes
