"""The ablation table of an Outcome, in five formats.

Shares are shown in per cent or as fractions, AUC and the share of images sent to the second network
like every other. CSV always holds fractions, in
full precision.
"""

from __future__ import annotations

from dataclasses import replace

from abl.errors import InputError, nearest
from abl.plan.outcome import ArmOutcome, Comparison, Outcome
from abl.report.labels import one_line
from abl.report.setting_words import CHOSEN
from abl.report.tables import render_html, render_markup, render_text
from abl.report.tables.cell_words import EMPTY_CELL
from abl.report.tables.layout import TableLayout
from abl.report.tables.model import Note, Raw, Table
from abl.report.tables.pivot import pivot_table
from abl.report.tables.published import Published

FORMATS = ("text", "md", "csv", "latex", "html")


def table_of(
    outcome: Outcome,
    *,
    per_cent: bool = True,
    decimals: int | None = None,
    intervals: bool = False,
    metric: str = "",
    pivot: tuple[str, str] | None = None,
    published: Published | None = None,
) -> Table:
    """The ablation table of an outcome.

    Args:
        per_cent: Shares in per cent; otherwise fractions.
        decimals: Digits after the point; default 1 in per cent, 3 in fractions.
        intervals: Add a column with the 95 % interval of each metric.
        metric: Show this one alone; best arm, ties and comparison belong to the primary metric.
        pivot: Axis of the rows and axis of the columns of a table of the primary metric, or of
            `metric`; default: arms in rows.
        published: Values to stand beside ours.

    Raises:
        InputError: A metric or an axis that the outcome does not have.
    """
    shown = of_metric(outcome, metric) if metric else outcome
    if pivot is not None:
        return pivot_table(
            shown,
            pivot,
            per_cent=per_cent,
            decimals=decimals,
            intervals=intervals,
            published=published,
        )
    layout = TableLayout(
        shown, per_cent=per_cent, decimals=decimals, intervals=intervals, published=published
    )
    rows = tuple(layout.row(arm) for arm in shown.arms)
    raw_columns, raw_rows = _raw(shown, published)
    return Table(
        name=shown.name,
        title=one_line(shown.title) or one_line(shown.name),
        columns=layout.columns(),
        axis_count=len(shown.axes),
        rows=rows,
        notes=(*layout.notes(), *(Note("", one_line(text)) for text in shown.notes)),
        raw_columns=raw_columns,
        raw_rows=raw_rows,
    )


def styled_table(outcome: Outcome) -> Table:
    """The table of an outcome, printed as its sweep file asks."""
    style = outcome.facts.get("table", {})
    return table_of(
        outcome,
        per_cent=bool(style.get("per_cent", True)),
        decimals=style.get("decimals"),
        intervals=bool(style.get("intervals", False)),
    )


def of_metric(outcome: Outcome, metric: str) -> Outcome:
    """The outcome with one metric, which takes no marks and tests from another one.

    Raises:
        InputError: The outcome does not have it.
    """
    if metric not in outcome.metrics:
        hint = nearest(metric, outcome.metrics)
        raise InputError(f"--metric: no metric '{metric}' in {outcome.name}: {hint}")
    if metric == outcome.primary:
        return replace(outcome, metrics=(metric,))
    arms = (replace(arm, comparison=None, best=False, tied=False) for arm in outcome.arms)
    return replace(outcome, metrics=(metric,), primary=metric, arms=tuple(arms))


def render(table: Table, format: str, *, width: int = 120, colour: bool = False) -> str:
    """The table as text, md, csv, latex or html; ends with a line feed.

    Args:
        width: Columns of the terminal (text only); wider tables continue below.
        colour: The terminal shows bold (text only); otherwise a star marks the best arm.

    Raises:
        InputError: Unknown format.
    """
    match format:
        case "text":
            return render_text.text_of(table, width=width, colour=colour)
        case "md":
            return render_markup.markdown_of(table)
        case "csv":
            return render_text.csv_of(table)
        case "latex":
            return render_markup.latex_of(table)
        case "html":
            return render_html.page_of(table)
    raise InputError(f"--format {format}: {nearest(format, FORMATS)}")


def _raw(
    outcome: Outcome, published: Published | None
) -> tuple[tuple[str, ...], tuple[tuple[Raw, ...], ...]]:
    columns = list(outcome.axes)
    stated = published.values if published else {}
    stated_metrics = published.metrics if published else frozenset[str]()
    for metric in outcome.metrics:
        columns += [
            f"{metric}_{part}" for part in ("mean", "sd", "low", "high", "count", "undefined")
        ]
        if metric in stated_metrics:
            columns += [f"{metric}_{part}" for part in ("published", "published_sd", "source")]
    compared = any(arm.comparison is not None for arm in outcome.arms)
    if compared:
        columns += ["base", "difference", "difference_low", "difference_high"]
        columns += ["p", "p_corrected", "verdict"]
    searched = [CHOSEN] if any(arm.params.get(CHOSEN) for arm in outcome.arms) else []
    columns += [*searched, "best", "tied", "failed", "key"]
    rows = []
    for arm in outcome.arms:
        row: list[Raw] = [arm.params.get(axis, "") for axis in outcome.axes]
        for metric in outcome.metrics:
            row += _raw_cell(arm, metric)
            if metric in stated_metrics:
                value = stated.get((arm.key, metric))
                row += [value.mean, value.sd, value.source] if value else ["", "", ""]
        if compared:
            row += _raw_comparison(arm.comparison)
        row += [arm.params.get(name, "") for name in searched]
        rows.append((*row, arm.best, arm.tied, arm.failed, arm.key))
    return tuple(columns), tuple(rows)


def _raw_cell(arm: ArmOutcome, metric: str) -> list[Raw]:
    cell = arm.cells.get(metric, EMPTY_CELL)
    return [cell.mean, cell.sd, cell.low, cell.high, cell.count, cell.undefined]


def _raw_comparison(comparison: Comparison | None) -> list[Raw]:
    if comparison is None:
        return [""] * 7
    return [
        comparison.base,
        comparison.difference,
        comparison.low,
        comparison.high,
        comparison.p,
        comparison.p_corrected,
        comparison.verdict,
    ]
