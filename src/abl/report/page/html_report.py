"""The report of a sweep: one HTML file that holds all it shows."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from abl.plan.outcome import Outcome
from abl.plan.scored_part import as_scored, as_scored_role
from abl.report.figures.style import DrawnFigure, figure_bytes
from abl.report.labels import one_line
from abl.report.named import words_of
from abl.report.numbers import NOTHING
from abl.report.page.checklist import checklist
from abl.report.page.closer import closer_look, embedded, vega_script
from abl.report.page.counts import count_table
from abl.report.page.data_parts import DataPart, SplitSize
from abl.report.page.flow import flow_tables, parts_note
from abl.report.page.many_arms import many_arms
from abl.report.page.page_scripts import page_policy, page_script
from abl.report.page.protocol import protocol_rows
from abl.report.page.report_facts import ReportFacts, report_facts
from abl.report.page.slim_svg import slim_svg
from abl.report.page.weaknesses import OwnWeaknesses, readings_sentence, weaknesses
from abl.report.tables import styled_table
from abl.report.tables.model import Note, Table
from abl.report.tables.pages import page_from
from abl.report.tables.render import fragment_of

SVG_LIMIT_BYTES = 300_000
MOST_ROWS = 500
MOST_DIGESTS = 2000
TITLES = {
    "arms": "Arms on the primary metric",
    "search_history": "Search: point by point",
    "search_importance": "Search: which parameters mattered",
    "curve": "Curves over the tuned value",
    "heatmap": "Heat map of the tuned value",
    "pareto": "Quality against cost",
    "confidence": "Confidence of the networks",
    "selectors": "Confidence of the selectors",
    "roc": "ROC",
    "reliability": "Reliability",
    "confusion": "Confusion matrices",
    "risk_coverage": "Risk and coverage",
    "decision_curve": "Decision curve",
    "flow": "Flow between the networks",
    "image_shares": "How often images are misclassified",
    "image_rates": "Error rates of images",
    "network_pairs": "Networks against each other",
    "exclusion": "AUC against the number of images left out",
    "features": "Features of flagged images",
    "curve_test": "Appendix, exploratory: curves on test",
    "heatmap_test": "Appendix, exploratory: heat map on test",
}


@dataclass(frozen=True)
class FigureOnPage:
    """A figure as a page shows it: `source` is a data URI; `narrow` that of another for phones."""

    name: str
    title: str
    source: str
    caption: str
    width_px: int
    height_px: int
    narrow: str = ""


def report_page(
    outcome: Outcome,
    *,
    predictions: pd.DataFrame,
    networks: pd.DataFrame,
    sweep_text: str,
    environment: Mapping[str, Any],
    data_summary: Sequence[Mapping[str, Any]] = (),
    more_tables: Sequence[Table] = (),
    figures: Mapping[str, Figure] | None = None,
    own_frames: Mapping[str, pd.DataFrame] | None = None,
    pictures: Mapping[str, Mapping[str, bytes]] | None = None,
    of_study: Callable[[ReportFacts], OwnWeaknesses] | None = None,
) -> str:
    """A complete HTML page with nothing from elsewhere, which needs no script to be read.

    Args:
        predictions, networks: As figures take them; may be empty.
        sweep_text: The sweep file.
        environment: As abl.report.environment gives.
        data_summary: One row a part of the data: role, centre, patients, images, counts, ....
        own_frames: Frames of the outcome, of which learning curves and small pictures are shown.
        pictures: Name of a figure -> png and svg -> the file, where it was drawn already: that
            takes longer than all else of a page.
        of_study: What the outcome's study says of its weaknesses.
    """
    drawn = list(figures or {})
    facts = report_facts(outcome, predictions, networks, sweep_text, data_summary, drawn)
    own = OwnWeaknesses() if of_study is None else of_study(facts)
    table = styled_table(outcome)
    called = partial(as_scored, part=outcome.scored)
    protocol = protocol_rows(facts, own.choices)
    items, summary = checklist(facts, environment, own.choices), _by_centre(facts, data_summary)
    columns = [n for n in _columns(summary) if n != "prevalence" or len(facts.classes) == 2]
    many = many_arms(outcome, replace(table, lead=()))
    closer = closer_look(outcome, predictions, own_frames or {})
    scripts = [page_script("many_arms.js")] if many else []
    scripts += [vega_script(), page_script("closer.js")] if closer else []
    counts = count_table(outcome, predictions, facts.classes, facts.unit, mixed=bool(facts.mixed))
    return page_from(
        "report_page.html",
        {
            "title": one_line(outcome.title) or outcome.name,
            "outcome": outcome,
            "lead": _lead(facts),
            "answer": table.lead,
            "many": many,
            "scripts": scripts,
            "policy": page_policy(scripts),
            "closer": closer,
            "closer_data": embedded(closer) if closer else "",
            "table": "" if many else Markup(fragment_of(_bounded(replace(table, lead=())))),
            "more_tables": [Markup(fragment_of(_bounded(each))) for each in more_tables],
            "pictures": [
                _picture(name, figure, (pictures or {}).get(name, {}), outcome.scored)
                for name, figure in (figures or {}).items()
            ],
            "published": [row["sentence"] for row in outcome.facts.departures],
            "weak": [called(each) for each in weaknesses(facts, own.design)],
            "scored": outcome.scored,
            "test_reads": called(readings_sentence(facts)),
            "power": [called(f"{note}.") for note in outcome.facts.ran.get("power", ())],
            "protocol": [(term, called(said)) for term, said in protocol],
            "flows": flow_tables(facts),
            "sizes": [_sizes(part, facts) for part in facts.data],
            "counts": None if counts is None else replace(counts, note=called(counts.note)),
            "most_rows": MOST_ROWS,
            "summary_columns": columns,
            "summary": [
                [_cell(name, row.get(name, ""), outcome.scored) for name in columns]
                for row in summary
            ],
            "items": items,
            "to_state": sum(bool(item.left) for item in items),
            "machine": _machine(environment),
            "packages": sorted((environment.get("packages") or {}).items()),
            "git": environment.get("git"),
            "seeds": _seeds(facts),
            "arms": [
                (words_of(arm, outcome), arm.key, len(arm.stages))
                for arm in outcome.arms[:MOST_ROWS]
            ],
            "stages": list(dict.fromkeys(d for arm in outcome.arms for d in arm.stages))[
                :MOST_DIGESTS
            ],
            "more_arms": max(len(outcome.arms) - MOST_ROWS, 0),
            "sweep_text": sweep_text,
        },
    )


def picture_source(figure: Figure, files: Mapping[str, bytes] | None = None) -> str:
    """The figure as a data URI: SVG, or PNG where the SVG would be large.

    An image of its own, as the parts of SVGs written into one page would share their names.

    Args:
        files: svg, png -> the figure as it was drawn already.
    """
    drawn = files or {}
    mime, data = "image/svg+xml", slim_svg(drawn.get("svg") or figure_bytes(figure, "svg"))
    if len(data) > SVG_LIMIT_BYTES:
        mime, data = "image/png", drawn.get("png") or figure_bytes(figure, "png")
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def _picture(name: str, figure: Figure, files: Mapping[str, bytes], part: str) -> FigureOnPage:
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    title = figure.heading if isinstance(figure, DrawnFigure) else ""
    title = as_scored(title or TITLES.get(name, name.replace("_", " ")), part)
    label, source, narrow = str(figure.get_label()), picture_source(figure, files), ""
    if isinstance(figure, DrawnFigure) and figure.narrow is not None:
        narrow = picture_source(figure.narrow)
    return FigureOnPage(name, title, source, label, width, height, narrow)


def _lead(facts: ReportFacts) -> list[tuple[str, str]]:
    outcome = facts.outcome
    best = next((arm for arm in outcome.arms if arm.best), None)
    rows = [
        ("Sweep", outcome.name),
        ("Study", outcome.study),
        ("Arms", f"{len(facts.arms)} of {len(outcome.arms)} with results"),
        ("Replicates", str(len(facts.replicates))),
    ]
    if best is not None:
        rows.append(("Best arm", words_of(best, outcome)))
    return [*rows, ("Key", outcome.key[:16])]


def _bounded(table: Table) -> Table:
    if len(table.rows) <= MOST_ROWS:
        return table
    note = Note("", f"The first {MOST_ROWS} of {len(table.rows)} rows; the CSV table has them all.")
    return replace(table, rows=table.rows[:MOST_ROWS], notes=(note, *table.notes))


def _size_row(size: SplitSize, part: DataPart, facts: ReportFacts) -> tuple[str, ...]:
    by_class = [
        f"{f'{count:.1f}'.removesuffix('.0')} ({100 * share:.0f} %)"
        for count, share in zip(size.by_class, size.shares, strict=True)
    ]
    role = as_scored_role(size.role, facts.outcome.scored)
    return role, *map(str, part.counts(size)), *by_class


def _sizes(part: DataPart, facts: ReportFacts) -> dict[str, Any]:
    """A table of the parts of the splits."""
    return {
        "name": part.name,
        "columns": ("part", *(f"{word}s" for word in part.counted), *_class_names(part, facts)),
        "rows": [_size_row(size, part, facts) for size in part.sizes.values()],
        "note": parts_note(part, facts.splits),
    }


def _by_centre(
    facts: ReportFacts, summary: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """The summary of the first split, where it says more than the sizes and is of every arm.

    It is made of the data and splits of the file, for which some axis may stand.
    """
    ran = facts.outcome.facts.ran
    paths = [path for row in ran.get("settings", ()) for path in row["changes"]]
    if any(path.startswith(("data.", "splits.")) for path in paths):
        return ()
    centres = {row.get("centre") for row in summary if row.get("role") != "external"}
    return summary if len(centres) > 1 or not ran else ()


def _class_names(part: DataPart, facts: ReportFacts) -> list[str]:
    count = max((len(size.by_class) for size in part.sizes.values()), default=0)
    return [*facts.classes[:count], *(f"class {at}" for at in range(len(facts.classes), count))]


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of all rows in order; a column that is empty throughout is left out."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if any(row.get(name, "") != "" for row in rows)]


def _cell(name: str, value: Any, part: str) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return NOTHING
        return f"{100 * value:.1f} %" if name in ("prevalence", "share") else f"{value:g}"
    return as_scored_role(str(value), part) if name == "role" else str(value)


def _machine(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    gpus = environment.get("gpus") or []
    memory = environment.get("memory_gib")
    usable, count = environment.get("cpu_usable"), environment.get("cpu_count")
    rows = [
        ("Python", environment.get("python")),
        ("System", environment.get("os")),
        ("Processor", environment.get("cpu")),
        ("Usable CPUs", f"{usable} of {count}" if count else None),
        ("Memory", f"{memory} GiB" if memory else None),
        ("GPUs", ", ".join(gpus) if gpus else "none seen"),
    ]
    return [(name, str(value)) for name, value in rows if value]


def _seeds(facts: ReportFacts) -> list[tuple[str, str]]:
    rows = []
    if len(facts.replicates):
        seeds = sorted(facts.replicates["seed"].astype(int).unique())
        rows.append(("Replicates", ", ".join(str(seed) for seed in seeds)))
    if facts.sweep is not None:
        rows.append(("Splits", str(facts.sweep.splits.seed)))
        if facts.sweep.data.phantom is not None:
            rows.append(("Generated images", str(facts.sweep.data.phantom.seed)))
    return rows
