"""One arm against another, image by image: as text, Markdown, CSV and a page with pictures."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from abl.decide.replicates import KEYS
from abl.decide.verdicts import ONE_CLASS
from abl.errors import InputError, nearest
from abl.outputs import head_of
from abl.report.labels import counted, joined, letters, one_line, with_unit
from abl.report.numbers import NOTHING, p_label, scale_of
from abl.report.pairs.compare_pair import ChangedUnit, PairComparison
from abl.report.replicates_said import partly_defined
from abl.report.tables import printed
from abl.report.tables.model import (
    Column,
    Note,
    Table,
    TableCell,
    item,
    number_column,
    table_from,
    text_column,
)
from abl.report.tables.pages import page_from
from abl.report.tables.render import markdown_escaped, wrapped_text

FORMATS = ("text", "md", "html", "csv")
SUFFIXES = (".txt", ".md", ".markdown", ".html", ".htm", ".csv")
MOST_PICTURES = 60
MOST_LINES = 40
MOST_NAMED = 3  # before the tables, either way

# unit -> PNG of each of its modalities, () where there is no picture of it
Picture = Callable[[str], Sequence[bytes]]


def is_comparison(path: Path) -> bool:
    """Whether a file is one that was rendered here."""
    head = head_of(path)
    if head.startswith("<!"):
        title = re.search(r"<title>(.*?)</title>", head, re.DOTALL)
        return title is not None and " against " in title[1]
    return head.startswith(("A: ", "- A: ", "unit,patient,label,tested,"))


def render_comparison(
    pair: PairComparison,
    format: str,
    *,
    width: int = 120,
    colour: bool = False,
    picture: Picture | None = None,
) -> str:
    """The comparison as text, md, html or csv (the changed units); ends with a line feed.

    Args:
        width, colour: As in `render` (text only).
        picture: Thumbnails for the page, of at most 60 units.

    Raises:
        InputError: Unknown format.
    """
    if format not in FORMATS:
        raise InputError(f"--format {format}: {nearest(format, FORMATS)}")
    if format == "csv":
        return printed(units_table(pair), "csv")
    tables = [metrics_table(pair), tests_table(pair)]
    if format == "html":
        values = {
            "title": f"{pair.first} against {pair.second}",
            "head": _head(pair),
            "tables": tables,
            "changed": units_table(pair) if pair.changed else None,
            "sections": _sections(pair, picture) if picture is not None else [],
            "probability": _probability_label(pair),
        }
        return page_from("compare_page.html", values)
    tables += [_cut(units_table(pair))] if pair.changed else []
    parts = [printed(table, format, width=width, colour=colour) for table in tables]
    if format == "md":
        head = "\n".join(f"- {markdown_escaped(line)}" for line in _head(pair))
        return "\n".join([head + "\n", *parts])
    head = "\n".join(wrapped_text(line, width) for line in _head(pair))
    return "\n\n".join([head, *(part.rstrip("\n") for part in parts)]) + "\n"


def metrics_table(pair: PairComparison) -> Table:
    """Every metric of A and B with the difference A - B."""
    rows, over = [], dict[str, str]()
    for each in pair.metrics:
        tested = each.metric == pair.primary
        scale = scale_of(each.metric, [each.first, each.second], per_cent=True)
        p, verdict = (pair.p, pair.verdict) if tested else (math.nan, "")
        rows.append(vars(each) | {"scale": scale, "tested": tested, "p": p, "verdict": verdict})

    def metric(row: Mapping[str, Any]) -> TableCell:
        label = with_unit(pair.metric_name(row["metric"]), row["scale"].unit)
        return TableCell(label, bold=row["tested"])

    def marked(text: str, defined: int) -> TableCell:
        """A number with the replicates that it is over, if some have no value."""
        if defined == pair.replicates:
            return TableCell(text)
        of_all = f"{defined} of {counted(pair.replicates, 'replicate')}"
        if not defined:
            return TableCell(f"{text} ({of_all})")
        said = partly_defined(of_all)
        return TableCell(text, (over.setdefault(said, letters(len(over))),))

    def value(row: Mapping[str, Any], arm: str) -> TableCell:
        return marked(row["scale"].number(row[arm]), row[f"{arm}_defined"])

    def difference(row: Mapping[str, Any]) -> TableCell:
        return marked(row["scale"].difference(row["difference"]), row["both_defined"])

    def interval(row: Mapping[str, Any]) -> str:
        return str(row["scale"].interval(row["low"], row["high"]))

    def shown_p(row: Mapping[str, Any]) -> str:
        if not row["tested"]:
            return ""
        # beside a verdict that is withheld, as networks have not learned, it would be read as one
        return NOTHING if row["verdict"] == ONE_CLASS else p_label(row["p"])

    columns = [
        Column("metric", False, metric, {"metric": item("metric")}),
        Column("A", True, lambda row: value(row, "first"), {"a": item("first")}),
        Column("B", True, lambda row: value(row, "second"), {"b": item("second")}),
        Column("A − B", True, difference, {"difference": item("difference")}),
        Column("95 % interval", True, interval, {"low": item("low"), "high": item("high")}),
        Column("P", True, shown_p, {"p": item("p")}),
        text_column("verdict", "A is"),
    ]
    notes = [
        _varied(pair),
        "P is of this pair alone: not corrected for others that were looked at.",
        *map(one_line, pair.notes),
    ]

    def said() -> list[Note | str]:
        return [*notes, *(Note(letter, text) for text, letter in over.items())]

    return table_from("difference", "Difference", columns, rows, notes=said)


def tests_table(pair: PairComparison) -> Table:
    """Right and wrong in each replicate, with McNemar's and DeLong's tests."""
    scale = scale_of("auc", [0.5], per_cent=True)
    marks = ("a",) if pair.clustered else ()

    def tested(label: str, name: str) -> Column:
        p = attrgetter(name)
        return Column(label, True, lambda row: TableCell(p_label(p(row)), marks), {name: p})

    counts = {
        "both": ("both", "both right"),
        "only_a": ("only_first", "only A right"),
        "only_b": ("only_second", "only B right"),
        "neither": ("neither", "both wrong"),
    }
    columns = [
        *(number_column(key, value=attrgetter(key)) for key in KEYS),
        *(number_column(name, str, label, attrgetter(of)) for name, (of, label) in counts.items()),
        tested("McNemar P", "mcnemar_p"),
    ]
    if pair.class_count == 2:
        auc, name = attrgetter("auc_difference"), f"Δ {pair.metric_name('auc')}, points"
        columns.append(number_column("auc_difference", scale.difference, name, auc))
        columns.append(tested("DeLong P", "delong_p"))
    notes = [Note("", "A test within a replicate speaks of that seed's networks alone.")]
    if pair.clustered:
        text = f"ignores clusters: {pair.unit}s of one {pair.cluster} are taken as independent"
        notes.append(Note("a", f"{text}, so that P is too small"))
    title = f"Right and wrong, {pair.unit}s of each replicate"
    table = table_from("tests", title, columns, pair.tests, axis_count=3, notes=notes)
    if len(pair.tests) < 2:
        return table
    sums = [sum(getattr(row, of) for row in pair.tests) for of, _ in counts.values()]
    means = [f"{total / len(pair.tests):.1f}" for total in sums]
    last = ["mean", "", "", *means, *[""] * (len(columns) - 7)]
    return replace(table, rows=(*table.rows, tuple(map(TableCell, last))))


def units_table(pair: PairComparison) -> Table:
    """One row a unit that changed."""
    probability = _probability_label(pair)
    columns = [
        text_column("unit", pair.unit, attrgetter("unit")),
        text_column("patient", pair.cluster, attrgetter("patient")),
        Column(
            "label", False, lambda row: class_name(pair, row.label), {"label": attrgetter("label")}
        ),
        number_column("tested", value=attrgetter("tested")),
        number_column("only_a", str, "only A right", attrgetter("only_first")),
        number_column("only_b", str, "only B right", attrgetter("only_second")),
        number_column("p_a", "{:.3f}".format, f"A: {probability}", attrgetter("first")),
        number_column("p_b", "{:.3f}".format, f"B: {probability}", attrgetter("second")),
    ]
    notes = []
    if pair.changed:
        notes.append(
            "Counts of replicates; probabilities are means over them. From most changed for A to "
            "most for B: by replicates, then by the change of probability."
        )
    title = f"{counted(len(pair.changed), pair.unit)} changed"
    return table_from("units", title, columns, pair.changed, notes=notes)


def class_name(pair: PairComparison, label: int) -> str:
    """Name of a class, or its number."""
    return pair.classes[label] if label < len(pair.classes) else f"class {label}"


def _varied(pair: PairComparison) -> str:
    """What intervals and P are of: the metrics differ in it where some replicates have no value."""
    text = f"95 % intervals and P by one model: other {pair.cluster}s"
    shown = [each for each in pair.metrics if each.both_defined]
    given = [pair.metric_name(each.metric) for each in shown if each.of_networks]
    if not given and shown:
        return f"{text} and other trainings."
    needed = "Better, worse and equivalent need three trainings of each arm, in two seeds or more."
    if len(given) == len(shown):
        return f"{text}, these trained networks. {needed}"
    return (
        f"{text} and other trainings, but for {joined(given)} other {pair.cluster}s and these "
        f"trained networks. {needed}"
    )


def _probability_label(pair: PairComparison) -> str:
    return f"p({class_name(pair, 1)})" if pair.class_count == 2 else "p(label)"


def _head(pair: PairComparison) -> list[str]:
    tested = counted(pair.units, pair.unit)
    if pair.cluster != pair.unit:
        tested += f" of {counted(pair.patients, pair.cluster)}"
    gained = sum(each.only_first > each.only_second for each in pair.changed)
    lost = sum(each.only_second > each.only_first for each in pair.changed)
    even = len(pair.changed) - gained - lost
    said = f"{gained} more often right with A, {lost} with B"
    if not pair.changed:
        said = f"no {pair.unit} changed"
    if even:
        said += f", {even} as often with either"
    return [
        f"A: {one_line(pair.first)}",
        f"B: {one_line(pair.second)}",
        f"{tested}, {counted(pair.replicates, 'replicate')}; {said}",
        *_changed_most(pair),
    ]


def _changed_most(pair: PairComparison) -> list[str]:
    """The units that changed most, either way, in a line each."""
    gained, lost = _both_ways(pair)
    what, lines = _probability_label(pair), list[str]()
    for letter, units in (("A", gained), ("B", lost)):
        named = [
            f"{one_line(each.unit)} ({class_name(pair, each.label)}; "
            f"{what} {each.first:.2f} with A, {each.second:.2f} with B)"
            for each in units[:MOST_NAMED]
        ]
        if named:
            lines.append(f"Changed most, right with {letter}: {', '.join(named)}")
    return lines


def _both_ways(pair: PairComparison) -> tuple[list[ChangedUnit], list[ChangedUnit]]:
    """Units that are right more often with A, and with B, those that changed most first."""
    first = [each for each in pair.changed if each.only_first > each.only_second]
    second = [each for each in pair.changed if each.only_second > each.only_first]
    return first, second[::-1]


def _cut(table: Table) -> Table:
    """The table with as many rows from both ends as a reader scrolls through."""
    beyond = len(table.rows) - MOST_LINES
    if beyond <= 0:
        return table
    half = MOST_LINES // 2
    note = Note("", f"{beyond} more between the first and last {half}: all with --format csv.")
    rows = table.rows[:half] + table.rows[-half:]
    return replace(table, rows=rows, notes=(*table.notes, note))


def _sections(pair: PairComparison, picture: Picture) -> list[dict[str, object]]:
    """Pictures of what changed, both ways, the surest changes first."""
    first, second = _both_ways(pair)
    half = MOST_PICTURES // 2
    sections: list[dict[str, object]] = []
    for letter, units, others in (("A", first, second), ("B", second, first)):
        cards = []
        for each in units[: max(half, MOST_PICTURES - len(others))]:
            sources = [
                "data:image/png;base64," + base64.b64encode(png).decode("ascii")
                for png in picture(each.unit)
            ]
            if sources:
                cards.append({"unit": each, "label": class_name(pair, each.label), "src": sources})
        if cards:
            sections.append({"letter": letter, "cards": cards, "count": len(units)})
    return sections
