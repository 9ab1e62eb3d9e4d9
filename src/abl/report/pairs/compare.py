"""One arm against another, image by image: as text, Markdown, CSV and a page with pictures."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from abl.errors import InputError, nearest
from abl.report.labels import (
    counted,
    metric_label,
    one_line,
    p_label,
    scale_of,
    with_unit,
)
from abl.report.pairs.compare_pair import PairComparison
from abl.report.tables import render
from abl.report.tables.model import Field, Note, Raw, Table, TableCell, plain_table
from abl.report.tables.render_html import page_from
from abl.report.tables.render_markup import markdown_escaped
from abl.report.tables.render_text import wrapped

FORMATS = ("text", "md", "html", "csv")
MOST_PICTURES = 60
MOST_LINES = 40

# unit -> PNG, or None where there is no picture of it
Picture = Callable[[str], bytes | None]


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
        return render(units_table(pair), "csv")
    if format == "html":
        return _page(pair, picture)
    tables = [metrics_table(pair), tests_table(pair)]
    tables += [_cut(units_table(pair))] if pair.changed else []
    parts = [render(table, format, width=width, colour=colour) for table in tables]
    if format == "md":
        head = "\n".join(f"- {markdown_escaped(line)}" for line in _head(pair))
        return "\n".join([head + "\n", *parts])
    head = "\n".join(wrapped(line, width) for line in _head(pair))
    return "\n\n".join([head, *(part.rstrip("\n") for part in parts)]) + "\n"


def metrics_table(pair: PairComparison) -> Table:
    """Every metric of A and B with the difference A - B."""
    fields = [
        Field("metric", "metric", False),
        Field("a", "A"),
        Field("b", "B"),
        Field("difference", "A − B"),
        Field("interval", "95 % interval"),
        Field("p", "P"),
        Field("verdict", "A is", False),
    ]
    shown, raw = [], []
    for each in pair.metrics:
        scale = scale_of(each.metric, [each.first, each.second], per_cent=True)
        tested = each.metric == pair.primary
        texts = [
            with_unit(metric_label(each.metric), scale.unit),
            scale.number(each.first),
            scale.number(each.second),
            scale.difference(each.difference),
            scale.interval(each.low, each.high),
            p_label(pair.p) if tested else "",
            pair.verdict if tested else "",
        ]
        shown.append([TableCell(text, bold=tested and at == 0) for at, text in enumerate(texts)])
        numbers: list[Raw] = [each.first, each.second, each.difference, each.low, each.high]
        raw.append([each.metric, *numbers, pair.p if tested else math.nan, texts[-1]])
    notes = [
        Note("", "Intervals by resampling patients; P by exchanging the arms patient by patient."),
        Note("", "P is of this pair alone: not corrected for others that were looked at."),
        *(Note("", one_line(text)) for text in pair.notes),
    ]
    names = ["metric", "a", "b", "difference", "low", "high", "p", "verdict"]
    return plain_table(
        "difference", "Difference", fields, shown, raw, notes=notes, raw_columns=names
    )


def tests_table(pair: PairComparison) -> Table:
    """Right and wrong in each replicate, with McNemar's and DeLong's tests."""
    fields = [
        Field("repeat", "repeat"),
        Field("fold", "fold"),
        Field("seed", "seed"),
        Field("both", "both right"),
        Field("only_a", "only A right"),
        Field("only_b", "only B right"),
        Field("neither", "both wrong"),
        Field("mcnemar_p", "McNemar P"),
    ]
    if pair.class_count == 2:
        fields += [Field("auc_difference", "Δ AUC, points"), Field("delong_p", "DeLong P")]
    scale = scale_of("auc", [0.5], per_cent=True)
    marks = ("a",) if pair.clustered else ()
    shown: list[Sequence[TableCell]] = []
    raw: list[Sequence[Raw]] = []
    by_replicate = []
    for each in pair.tests:
        counts = [each.both, each.only_first, each.only_second, each.neither]
        values: list[Raw] = [each.repeat, each.fold, each.seed, *counts, each.mcnemar_p]
        row = [*(TableCell(str(value)) for value in values[:-1])]
        row.append(TableCell(p_label(each.mcnemar_p), marks))
        if pair.class_count == 2:
            row.append(TableCell(scale.difference(each.auc_difference)))
            row.append(TableCell(p_label(each.delong_p), marks))
            values += [each.auc_difference, each.delong_p]
        by_replicate.append(counts)
        shown.append(row)
        raw.append(values)
    if len(pair.tests) > 1:
        means = [f"{sum(column) / len(column):.1f}" for column in zip(*by_replicate, strict=True)]
        blank = [""] * (len(fields) - 7)
        shown.append([TableCell(text) for text in ("mean", "", "", *means, *blank)])
    notes = [Note("", "A test within a replicate speaks of that seed's networks alone.")]
    if pair.clustered:
        text = f"ignores clusters: {pair.unit}s of one patient are taken as independent"
        notes.append(Note("a", f"{text}, so that P is too small"))
    title = f"Right and wrong, {pair.unit}s of each replicate"
    return plain_table("tests", title, fields, shown, raw, axis_count=3, notes=notes)


def units_table(pair: PairComparison) -> Table:
    """One row a unit that changed."""
    probability = _probability_label(pair)
    fields = [
        Field("unit", pair.unit, False),
        Field("patient", "patient", False),
        Field("label", "label", False),
        Field("tested", "tested"),
        Field("only_a", "only A right"),
        Field("only_b", "only B right"),
        Field("p_a", f"A: {probability}"),
        Field("p_b", f"B: {probability}"),
    ]
    shown = []
    raw: list[Sequence[Raw]] = []
    for each in pair.changed:
        label = class_name(pair, each.label)
        counts = [each.tested, each.only_first, each.only_second]
        texts = [each.unit, each.patient, label, *map(str, counts)]
        texts += [f"{each.first:.3f}", f"{each.second:.3f}"]
        shown.append([TableCell(one_line(text)) for text in texts])
        raw.append([each.unit, each.patient, each.label, *counts, each.first, each.second])
    notes = [Note("", "Counts of replicates; probabilities are means over them.")]
    title = f"{counted(len(pair.changed), pair.unit)} changed"
    return plain_table("units", title, fields, shown, raw, notes=notes if shown else [])


def class_name(pair: PairComparison, label: int) -> str:
    """Name of a class, or its number."""
    return pair.classes[label] if label < len(pair.classes) else f"class {label}"


def _probability_label(pair: PairComparison) -> str:
    return f"p({class_name(pair, 1)})" if pair.class_count == 2 else "p(label)"


def _head(pair: PairComparison) -> list[str]:
    tested = f"{counted(pair.units, pair.unit)} of {counted(pair.patients, 'patient')}"
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
    ]


def _cut(table: Table) -> Table:
    """The table with as many rows from both ends as a reader scrolls through."""
    beyond = len(table.rows) - MOST_LINES
    if beyond <= 0:
        return table
    half = MOST_LINES // 2
    note = Note("", f"{beyond} more between the first and last {half}: all with --format csv.")
    rows = table.rows[:half] + table.rows[-half:]
    return replace(table, rows=rows, notes=(*table.notes, note))


def _page(pair: PairComparison, picture: Picture | None) -> str:
    values = {
        "title": f"{pair.first} against {pair.second}",
        "head": _head(pair),
        "tables": [metrics_table(pair), tests_table(pair)],
        "changed": units_table(pair) if pair.changed else None,
        "sections": _sections(pair, picture) if picture is not None else [],
        "probability": _probability_label(pair),
    }
    return page_from("compare_page.html", values)


def _sections(pair: PairComparison, picture: Picture) -> list[dict[str, object]]:
    """Pictures of what changed, both ways, the surest changes first."""
    first = [each for each in pair.changed if each.only_first > each.only_second]
    second = [each for each in pair.changed if each.only_second > each.only_first][::-1]
    half = MOST_PICTURES // 2
    shares = (
        min(len(first), max(half, MOST_PICTURES - len(second))),
        min(len(second), max(half, MOST_PICTURES - len(first))),
    )
    sections: list[dict[str, object]] = []
    for letter, units, share in zip("AB", (first, second), shares, strict=True):
        cards = []
        for each in units[:share]:
            png = picture(each.unit)
            if png is not None:
                source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
                cards.append({"unit": each, "label": class_name(pair, each.label), "src": source})
        if cards:
            sections.append({"letter": letter, "cards": cards, "count": len(units)})
    return sections
