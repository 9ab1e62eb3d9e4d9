"""Files of published values: which column holds what, which arms a row is of, and every fault."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from abl.data.tables.rows import Rows, read_rows
from abl.data.tables.words import same_name
from abl.decide.stated_errors import apart
from abl.errors import raise_if_any
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import metric_label, one_line, setting_label
from abl.report.tables.published import MOST_LISTED, Published, PublishedValue, own_error
from abl.report.tables.published_columns import StatedColumns
from abl.report.tables.stated_tables import (
    EXTERNAL_ROW,
    SET,
    StatedTables,
    same_value,
)
from abl.spec.external import INTERNAL


def read_published(
    path: Path, outcome: Outcome, stated: StatedTables = StatedTables()
) -> Published:
    """The published values of a CSV or Parquet file, matched to arms by their axis values.

    Columns: some axes of the study ("" where an axis does not apply), or names of rows that
    `stated` knows; metrics by name or label with optional `<metric>_sd`, `_min`, `_max`, `_lo` and
    `_hi`; or `<metric>_<value of an axis>`; optional `unit` (per cent or fraction), `source`,
    counts (tp, fn, fp, tn; negatives, positives), and what only describes a row. Without `unit` a
    column of shares with a value above 1 is in per cent.

    Args:
        stated: What the outcome's study knows of such tables.

    Raises:
        InputError: Unknown columns, values that are no numbers or no shares, two rows for one arm;
            each with file and row.
    """
    return _PublishedFile(read_rows(Path(path)), outcome, stated).published()


class _PublishedFile:
    """A file of published values: which column holds what, and every fault that was met."""

    def __init__(self, rows: Rows, outcome: Outcome, stated: StatedTables):
        self.outcome, self.stated = outcome, stated
        self.columns = columns = StatedColumns(rows, outcome, stated)
        self.rows, self.texts = columns.rows, columns.texts
        self.axes, self.labels = columns.axes, columns.labels
        # row -> its axis values, and the arms that have them
        self.empty: list[int] = []
        self.wanted = [self._wanted(at) for at in range(len(self.rows.frame))]
        self.other_data = self._of_other_data()
        self.matches = [
            [] if each is None or at in self.other_data else self._arms(each)
            for at, each in enumerate(self.wanted)
        ]

    def published(self) -> Published:
        """Each value beside the arms of its row."""
        values: dict[tuple[str, str], PublishedValue] = {}
        stated_at: dict[tuple[str, str], int] = {}
        columns = self.columns
        stated = {metric: dict(columns.values(metric)) for metric in columns.means}
        for metric, found in stated.items():
            for at, value in found.items():
                others = {name: own[at].mean for name, own in stated.items() if at in own}
                value = replace(value, error=columns.error(at, metric, value, others))
                for arm in self.matches[at]:
                    place = arm.key, metric
                    if place in values:
                        first = self.rows.numbers[stated_at[place]]
                        columns.fault(at, f"row {first} gives {metric} of the same arm: keep one")
                    else:
                        values[place], stated_at[place] = value, at
        raise_if_any(columns.problems)
        valued = {at for found in stated.values() for at in found}
        self.empty = [at for at, own in enumerate(self.matches) if own and at not in valued]
        arms = {arm.key: arm for arm in self.outcome.arms}
        judged = {place: _apart(arms[place[0]], place[1], each) for place, each in values.items()}
        judged = {place: each for place, each in judged.items() if not math.isnan(each)}
        rows = [
            (self._said(at), tuple(arm.key for arm in found))
            for at, found in enumerate(self.matches)
        ]
        name = Path(self.rows.file).name
        return Published(name, values, tuple(self._notes()), judged, tuple(rows))

    def _wanted(self, at: int) -> dict[str, str] | None:
        """Axis -> value of a row; None where its name is not known."""
        found = {axis: self.stated.value(axis, self.texts[axis][at]) for axis in self.axes}
        for column in self.labels:
            name = same_name(self.texts[column][at])
            known = self.stated.labels.get(name.removesuffix(EXTERNAL_ROW))
            if known is None:
                return None
            found |= known
            if name.endswith(EXTERNAL_ROW):
                found[SET] = EXTERNAL_ROW
        implied = self.stated.implied.get(Path(self.rows.file).name, {})
        for axis, value in implied.items():
            if axis in self.outcome.axes:
                found.setdefault(axis, value)
        if SET in self.outcome.axes:
            found.setdefault(SET, INTERNAL)
        return found

    def _of_other_data(self) -> set[int]:
        """Rows of a `dataset` that is another than the one in the sweep's name."""
        if "dataset" not in self.texts:
            return set()
        name = same_name(f"{self.outcome.name} {self.outcome.title}")
        given = self.texts["dataset"]
        mine = {
            each for each in (*given, *self.stated.datasets) if each and same_name(each) in name
        }
        return {at for at, each in enumerate(given) if mine and each not in mine}

    def _arms(self, wanted: Mapping[str, str]) -> list[ArmOutcome]:
        """The arms of a row; of those that differ in axes it does not name, the usual ones."""
        found = [arm for arm in self.outcome.arms if self._fits(arm, wanted)]
        for axis in self.outcome.axes:
            usual = self.stated.usual.get(axis, ())
            if axis in wanted or not usual:
                continue
            meant = [arm for arm in found if str(arm.params.get(axis, "")) in ("", *usual)]
            found = meant or found
        return found

    def _fits(self, arm: ArmOutcome, wanted: Mapping[str, str]) -> bool:
        fixed = self.stated.fixed
        return all(
            same_value(axis, arm.params.get(axis, fixed.get(axis, "")), text)
            or (axis in fixed and not text)
            or (text == EXTERNAL_ROW and arm.params.get(axis, INTERNAL) != INTERNAL)
            for axis, text in wanted.items()
        )

    def _notes(self) -> Iterator[str]:
        # a table is read elsewhere: the name of its file, not where it lay
        file, numbers = Path(self.rows.file).name, self.rows.numbers
        lost = [self._said(at) for at, arms in enumerate(self.matches) if not arms]
        if lost:
            more = f"; and {len(lost) - MOST_LISTED} more" if len(lost) > MOST_LISTED else ""
            here = [
                f"{axis} {self.stated.fixed[axis]}" for axis in self.axes if self._is_fixed(axis)
            ]
            every = f" (here {', '.join(here)} in every arm)" if here else ""
            yield f"{file}: no arm for {'; '.join(lost[:MOST_LISTED])}{more}{every}."
        if self.empty:
            yield f"{file}: no value in {'; '.join(map(self._said, self.empty[:MOST_LISTED]))}."
        shared = [numbers[at] for at, arms in enumerate(self.matches) if len(arms) > 1]
        if shared:
            listed = ", ".join(map(str, shared[:MOST_LISTED]))
            more = f" and {len(shared) - MOST_LISTED} more" if len(shared) > MOST_LISTED else ""
            word = "row" if len(shared) == 1 else "rows"
            yield (
                f"{file}: {word} {listed}{more} beside several arms, as the file does not name "
                "every axis."
            )
        if self.columns.elsewhere:
            listed = ", ".join(metric_label(name) for name in dict.fromkeys(self.columns.elsewhere))
            yield f"{file} also states {listed}, not measured here."
        if "dataset" in self.texts:
            kept = [each for at, each in enumerate(self.texts["dataset"]) if self.matches[at]]
            if kept:
                yield f"{file}: values beside arms are of data {', '.join(dict.fromkeys(kept))}."

    def _is_fixed(self, axis: str) -> bool:
        return axis not in self.outcome.axes and bool(self.stated.fixed.get(axis))

    def _said(self, at: int) -> str:
        return f"row {self.rows.numbers[at]} ({self._named(at)})"

    def _named(self, at: int) -> str:
        """A row in a few words."""
        wanted = self.wanted[at]
        if wanted is None or self.labels:
            said = [self.texts[column][at] for column in self.labels]
        else:
            said = [setting_label(axis, self.texts[axis][at]) for axis in self.axes]
        if wanted is not None and SET in wanted and SET not in self.outcome.axes:
            said.append("see --show external")
        if at in self.other_data:
            said.append(f"data {self.texts['dataset'][at]}")
        return one_line(", ".join(said))


def _apart(arm: ArmOutcome, metric: str, value: PublishedValue) -> float:
    """Our mean less a stated one, over its standard error; nan if that is not known."""
    cell = arm.cells.get(metric)
    if cell is None:
        return math.nan
    own = own_error(cell.mean, cell.low, cell.high, value.mean)
    return apart(cell.mean, own, value.mean, value.error)
