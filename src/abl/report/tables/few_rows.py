"""A table of many arms as a terminal shows it: the arms that matter, and where the others are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from abl.decide.metrics import METRICS
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import counted, label_in
from abl.report.named import SEPARATOR, value_in, words_of
from abl.report.tables.model import Note, Table

MANY = 40  # rows that are read one by one
MOST = 30
_DIFFERENT = ("better", "worse", "these networks differ")


def for_terminal(table: Table, outcome: Outcome, beside: Collection[str] = ()) -> Table:
    """The ablation table with some of its rows, where there are more than MANY.

    Bases, the best, those that tie with it, those that differ from their base, largest difference
    first, then the next best: MOST in all, in the order of the table.

    Args:
        table: With a row an arm, in the order of the arms.
        beside: Keys of arms with published values, which are shown beyond MOST too.
    """
    count = len(table.rows)
    if count <= MANY or count != len(outcome.arms):
        return table
    shown = {*_first(outcome)[:MOST], *beside}
    kept = [at for at, arm in enumerate(outcome.arms) if arm.key in shown]
    if len(kept) == count:
        return table
    also = ", those with published values" if beside else ""
    said = (
        f"{len(kept)} of {count:,} arms: base and best, those that tie or differ, then the best on "
        f"{label_in(outcome, outcome.primary)}{also}. All of them: abl table {outcome.name} --all, "
        "or the report and table.csv in the sweep's folder."
    )
    return replace(
        table, rows=tuple(table.rows[at] for at in kept), notes=(Note("", said), *table.notes)
    )


def rows_for_terminal(table: Table, outcome: Outcome, show: str) -> Table:
    """Another table with some of its rows, where more than MANY are of arms: those of the arms
    that `for_terminal` would show first, MOST rows or those of one arm.
    """
    of_rows = _arms_of_rows(table, outcome)
    count = len(of_rows)
    if count <= MANY:
        return table
    sizes, kept = Counter(of_rows), set[str]()
    for key in _first(outcome):
        if not kept or sum(sizes[each] for each in kept) + sizes[key] <= MOST:
            kept.add(key)
    rows = tuple(row for row, key in zip(table.rows, of_rows, strict=True) if key in kept)
    arms = len(kept & set(of_rows))
    said = (
        f"{len(rows)} of {count:,} rows: {counted(arms, 'arm')} of {len(sizes):,}, base and best, "
        f"those that tie or differ, then the best on {label_in(outcome, outcome.primary)}. All of "
        f"them: abl table {outcome.name} --show {show} --all, or --format csv."
    )
    return replace(table, rows=rows, notes=(Note("", said), *table.notes))


def _arms_of_rows(table: Table, outcome: Outcome) -> list[str]:
    """The key of each row's arm, by its words in the first cell or its values of the axes; empty
    where some row is of no arm.
    """
    words = {words_of(arm, outcome): arm.key for arm in outcome.arms}
    values = {
        tuple(value_in(outcome, axis, arm.params.get(axis, "")) for axis in outcome.axes): arm.key
        for arm in outcome.arms
    }
    found = []
    for row in table.rows:
        first = row[0].text
        while first and first not in words:  # behind the arm may stand a set or a metric
            first = first.rpartition(SEPARATOR)[0]
        key = words.get(first) or values.get(tuple(c.text for c in row[: len(outcome.axes)]), "")
        if not key:
            return []
        found.append(key)
    return found


def _first(outcome: Outcome) -> list[str]:
    """Keys of all arms, those that matter most first."""
    arms = outcome.arms
    bases = Counter(arm.comparison.base for arm in arms if arm.comparison is not None)
    named = {
        name: arm.key for arm in arms for name in (words_of(arm, outcome), outcome.title_of(arm))
    }
    named |= {arm.key: arm.key for arm in arms}
    of_base = [named[name] for name, _ in bases.most_common(3) if name in named]
    able = [arm for arm in arms if not arm.failed]
    differing = sorted(
        (arm for arm in able if _differs(arm)),
        key=lambda arm: -abs(arm.comparison.difference) if arm.comparison else 0.0,
    )
    ranked = sorted(able, key=lambda arm: -_goodness(outcome, arm))
    tied = [arm for arm in ranked if arm.tied][: MOST // 3]
    first = [arm for arm in arms if arm.best]
    order = [*first, *tied, *differing[: MOST // 2], *ranked, *arms]
    return list(dict.fromkeys([*of_base, *(arm.key for arm in order)]))


def _differs(arm: ArmOutcome) -> bool:
    return arm.comparison is not None and arm.comparison.verdict.startswith(_DIFFERENT)


def _goodness(outcome: Outcome, arm: ArmOutcome) -> float:
    """The primary metric, turned so that more is better."""
    cell, known = arm.cells.get(outcome.primary), METRICS.get(outcome.primary)
    if cell is None or math.isnan(cell.mean):
        return -math.inf
    return -cell.mean if known is not None and known.higher_is_better is False else cell.mean
