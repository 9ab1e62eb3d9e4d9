"""The table of searches of hyperparameters: what each cost, found, and promised too much."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from abl.plan.outcome import Outcome
from abl.report.labels import (
    NOTHING,
    arm_label,
    metric_label,
    one_line,
    p_label,
    scale_of,
    with_unit,
)
from abl.report.setting_words import constraint_text, setting_text, short_names
from abl.report.tables.model import Column, Raw, Table, item, number_column, table_from, text_column

Row = Mapping[str, Any]
ENDS = ("complete", "pruned", "stopped", "failed")
SCORES = ("best", "expected_by_chance", "p_by_chance", "test", "test_low", "test_high", "optimism")
MOST_VALUES = 3
MOST_SETTINGS = 6


def searches_table(outcome: Outcome) -> Table | None:
    """One row a search; None if the outcome had none.

    CSV holds every number in full, and the chosen values as JSON.
    """
    rows = outcome.facts.searches
    if not rows:
        return None
    metrics = list(dict.fromkeys(_metric(row, outcome) for row in rows))
    scales = {
        metric: scale_of(
            metric,
            [_number(row, name) for row in rows if _metric(row, outcome) == metric
             for name in ("best", "test", "expected_by_chance")],
            per_cent=outcome.facts.table.per_cent,
        )
        for metric in metrics
    }  # fmt: skip
    # one metric stands in the headings, several in the rows
    label = metric_label(metrics[0]) if len(metrics) == 1 else "score"
    unit = scales[metrics[0]].unit if len(metrics) == 1 else ""
    number = {name: item(name, math.nan, float) for name in SCORES}

    def score(name: str, label: str) -> Column:
        return Column(
            label,
            True,
            lambda row: scales[_metric(row, outcome)].number(number[name](row)),
            {name: number[name]},
        )

    def test(row: Row) -> str:
        scale = scales[_metric(row, outcome)]
        text = scale.number(number["test"](row))
        interval = scale.interval(number["test_low"](row), number["test_high"](row))
        return text if interval == NOTHING else f"{text} {interval}"

    def optimism(row: Row) -> str:
        return scales[_metric(row, outcome)].difference(number["optimism"](row))

    def chosen(row: Row) -> str:
        return chosen_text(row.get("chosen") or (), [str(r["name"]) for r in _by_importance(row)])

    def as_json(row: Row) -> str:
        return json.dumps(list(row.get("chosen") or ()), sort_keys=True, default=str)

    def metric(row: Row) -> str:
        return _metric(row, outcome)

    objective = (lambda row: metric_label(metric(row))) if len(metrics) > 1 else None
    tests = ("test", "test_low", "test_high")
    columns = [
        text_column("search", value=lambda row: _name(row, outcome)),
        Column("objective", False, objective, {"metric": metric}),
        Column("points", True, lambda row: _count(row.get("points")), _counts("points")),
        Column("complete / pruned / stopped / failed", True, _ends, _counts(*ENDS)),
        Column("trainings (spared)", True, _trainings, _counts("trainings", "trainings_without")),
        score("best", with_unit(f"{label} on validation", unit)),
        score("expected_by_chance", "by chance"),
        number_column("p_by_chance", p_label, "P by chance", number["p_by_chance"]),
        Column(
            with_unit(f"{label} on test", unit) + " [95 % interval]",
            True,
            test,
            {name: number[name] for name in tests},
        ),
        Column("optimism", True, optimism, {"optimism": number["optimism"]}),
        Column("chosen", False, chosen, {"chosen": as_json}),
    ]
    return table_from(
        f"{outcome.name}-searches",
        f"{one_line(outcome.title or outcome.name)}: searches of hyperparameters",
        columns,
        rows,
        notes=_notes(rows, outcome),
    )


def chosen_text(chosen: Sequence[Row], first: Sequence[str] = ()) -> str:
    """What was chosen in a few words: `lr 0.003, head fc`.

    Where replicates chose differently: a range of numbers (`lr 0.001–0.01`), or the words with how
    often each was chosen (`head fc ×3 / gap ×1`). Of more than MOST_SETTINGS the rest are counted;
    those that the choice does not use are left out.

    Args:
        chosen: As in the facts of a search.
        first: Names that come first.
    """
    every = dict.fromkeys(name for each in chosen for name in each["values"])
    labels = short_names(list(every))
    order = [*(name for name in first if name in every), *(n for n in every if n not in first)]
    parts = []
    for name in order:
        found = [each["values"].get(name) for each in chosen]
        if any(value is not None for value in found):
            parts.append(f"{labels[name].removesuffix('.name')} {_values_text(found)}")
    more = len(parts) - MOST_SETTINGS
    text = ", ".join(parts[:MOST_SETTINGS]) or NOTHING
    return f"{text}, and {more} more" if more > 0 else text


def _by_importance(row: Row) -> list[Row]:
    known = [each for each in row.get("importance") or () if not math.isnan(_number(each, "mean"))]
    return sorted(known, key=lambda each: -_number(each, "mean"))


def _values_text(values: Sequence[Any]) -> str:
    texts = Counter(setting_text(value) for value in values)
    if len(texts) == 1:
        return next(iter(texts))
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        return f"{setting_text(min(values))}–{setting_text(max(values))}"
    often = [f"{text} ×{count}" for text, count in texts.most_common(MOST_VALUES)]
    return " / ".join([*often, *(["…"] if len(texts) > MOST_VALUES else [])])


def _ends(row: Row) -> str:
    return " / ".join(_count(row.get(name)) for name in ENDS)


def _trainings(row: Row) -> str:
    trainings, without = row.get("trainings"), row.get("trainings_without")
    spared = f" ({without - trainings})" if trainings is not None and without is not None else ""
    return _count(trainings) + spared


def _counts(*names: str) -> dict[str, Callable[[Any], Raw]]:
    return {name: item(name, "", int) for name in names}


def _notes(rows: Sequence[Row], outcome: Outcome) -> list[str]:
    notes = [
        "Points: settings tried. Complete: trained on every replicate; pruned: given up after some "
        "replicates; stopped: given up within a training. Trainings: networks trained; spared: how "
        "many more every point on every replicate would have been; each search counts what it "
        "shares with others.",
        "On validation: the chosen point's mean over replicates. By chance: what the best of so "
        "many points is expected to reach if nothing searched mattered; P: the chance of a best "
        "at least as good then. On test: the tuned arm, which nothing was chosen by. Optimism: "
        "validation minus test.",
    ]
    if any(row.get("scope") == "by_split" for row in rows):
        notes.append(
            "scope: by_split: each search chooses for its own split; the sweep's own table has the "
            "score on test, of all splits together."
        )
    if any(len(row.get("objectives") or ()) > 1 for row in rows):
        notes.append("Scores are those of the first objective.")
    if any(len(row.get("chosen") or ()) > 1 for row in rows):
        notes.append(
            "Chosen anew in each split: a range of numbers, or words with how often each was."
        )
    if any(len(each["values"]) > MOST_SETTINGS for row in rows for each in row.get("chosen") or ()):
        notes.append("Chosen: the most important settings first; the CSV table has them all.")
    constraints = dict.fromkeys(
        constraint_text(each) for row in rows for each in row.get("constraints") or ()
    )
    if constraints:
        notes.append(f"Chosen among complete points with {' and '.join(constraints)}.")
    terms = dict.fromkeys(str(row["terms"]) for row in rows if row.get("terms"))
    return [*notes, *(one_line(each) for each in terms)]


def _name(row: Row, outcome: Outcome) -> str:
    """The search's name, or the tuned arm in words; `all` if there is neither."""
    axes = outcome.axes
    labels = {arm.key: arm_label(arm.params, axes) for arm in outcome.arms}
    name = str(row.get("search") or "")
    return labels.get(name, name) or labels.get(str(row.get("arm", "")), "") or "all arms"


def _metric(row: Row, outcome: Outcome) -> str:
    objectives = row.get("objectives") or ()
    return str(objectives[0]["metric"]) if objectives else outcome.primary


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return math.nan if value is None else float(value)


def _count(value: Any) -> str:
    return NOTHING if value is None else str(value)
