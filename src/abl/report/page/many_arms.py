"""The table of many arms on a page: those that matter first, all of them in groups and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import base_of, best_of, goodness
from abl.report.figures.forest import mattering
from abl.report.labels import label_in
from abl.report.named import axis_in, setting_in
from abl.report.tables.model import Note, Table
from abl.report.tables.render import fragment_of

MANY = 40
FIRST = 20
PAGE = 50
MOST_GROUPS = 24
MOST_LISTED = 2000  # a page of more opens slowly, and nobody reads it


@dataclass(frozen=True)
class ArmGroup:
    """Arms behind one heading, in pages of a few rows: (heading, table) each."""

    heading: str
    pages: tuple[tuple[str, Markup], ...]


@dataclass(frozen=True)
class ManyArms:
    """What stands before the groups: the table of the arms that matter, and which these are."""

    first: Markup
    groups: tuple[ArmGroup, ...]


def many_arms(outcome: Outcome, table: Table) -> ManyArms | None:
    """The ablation table in parts; None where it is short.

    Args:
        table: With a row an arm, in the order of the arms.
    """
    if len(table.rows) <= MANY:
        return None
    first = _mattering(outcome)
    count = len(table.rows)
    said = (
        f"{len(first)} of {count:,} arms: base and best, the clearest differences, then those best "
        f"on {label_in(outcome, outcome.primary)}. All are below, by group."
    )
    if count > MOST_LISTED:
        said = f"{said} Of these {MOST_LISTED:,} are on this page; the CSV table has them all."
    shown = replace(
        table, rows=tuple(table.rows[at] for at in first), notes=(Note("", said), *table.notes)
    )
    groups = [
        ArmGroup(_heading(outcome, name, rows), tuple(_pages(table, name, rows)))
        for name, rows in _grouped(outcome, min(count, MOST_LISTED)).items()
    ]
    return ManyArms(Markup(fragment_of(shown)), tuple(groups))


def _mattering(outcome: Outcome) -> list[int]:
    position = {arm.key: at for at, arm in enumerate(outcome.arms)}
    base, best = base_of(outcome), best_of(outcome, outcome.arms)
    compared = [(arm, arm.comparison) for arm in outcome.arms if arm.comparison is not None]
    clear = [arm for arm, _ in mattering(compared, FIRST // 2)]
    ranked = sorted(outcome.arms, key=lambda arm: -goodness(outcome, arm))
    keys = dict.fromkeys(arm.key for arm in (base, best, *clear, *ranked) if arm is not None)
    return sorted(position[key] for key in list(keys)[:FIRST])


def _grouped(outcome: Outcome, count: int) -> dict[str, list[int]]:
    """Heading -> positions of arms, by the axis that makes the fewest groups."""
    arms = outcome.arms[:count]
    values = {axis: {arm.params.get(axis, "") for arm in arms} for axis in outcome.told_apart}
    fit = [axis for axis in values if 1 < len(values[axis]) <= MOST_GROUPS]
    axis = min(fit, key=lambda name: len(values[name]), default="")
    groups: dict[str, list[int]] = {}
    for at, arm in enumerate(arms):
        groups.setdefault(_group(outcome, arm, axis), []).append(at)
    return groups


def _group(outcome: Outcome, arm: ArmOutcome, axis: str) -> str:
    if not axis:
        return "All arms"
    value = arm.params.get(axis, "")
    return f"{axis_in(outcome, axis)}: {setting_in(outcome, axis, value)}"


def _heading(outcome: Outcome, name: str, rows: Sequence[int]) -> str:
    """`consensus: 3 (250 arms, 12 better, 3 worse)`."""
    found = [outcome.arms[at].comparison for at in rows]
    verdicts = [each.verdict for each in found if each is not None]
    counts = [(sum(v.startswith(word) for v in verdicts), word) for word in ("better", "worse")]
    parts = [f"{len(rows):,} arms", *(f"{number} {word}" for number, word in counts if number)]
    return f"{name} ({', '.join(parts)})"


def _pages(table: Table, name: str, rows: Sequence[int]) -> list[tuple[str, Markup]]:
    pages = []
    for start in range(0, len(rows), PAGE):
        part = rows[start : start + PAGE]
        heading = f"{start + 1:,} to {start + len(part):,}"
        shown = replace(table, title=name, rows=tuple(table.rows[at] for at in part), notes=())
        pages.append((heading, Markup(fragment_of(shown, styled=False))))
    return pages
