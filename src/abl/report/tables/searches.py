"""The table of searches of hyperparameters: what each cost, found, and promised too much."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from abl.plan.outcome import Outcome
from abl.report.labels import (
    constraint_text,
    label_in,
    one_line,
    setting_text,
    short_names,
    with_unit,
)
from abl.report.named import headed, words_of
from abl.report.numbers import NOTHING, p_label, scale_of
from abl.report.tables.model import Column, Raw, Table, item, number_column, table_from, text_column

Row = Mapping[str, Any]
ENDS = ("complete", "pruned", "stopped", "failed")
SCORES = ("best", "expected_by_chance", "p_by_chance", "test", "test_low", "test_high", "optimism")
MOST_VALUES = 3
MOST_SETTINGS = 6


def searches_table(outcome: Outcome) -> Table | None:
    """One row a search; None if the outcome had none. CSV holds the chosen values as JSON."""
    rows = outcome.facts.searches
    if not rows:
        return None

    def metric(row: Row) -> str:
        objectives = row.get("objectives") or ()
        return str(objectives[0]["metric"]) if objectives else outcome.primary

    number = {name: item(name, math.nan, float) for name in SCORES}
    values: dict[str, list[float]] = {}
    for row in rows:
        shown = [number[name](row) for name in ("best", "test", "expected_by_chance")]
        values.setdefault(metric(row), []).extend(shown)
    per_cent = outcome.facts.table.per_cent
    scales = {name: scale_of(name, each, per_cent=per_cent) for name, each in values.items()}
    # one metric stands in the headings, several in the rows
    first = next(iter(scales)) if len(scales) == 1 else ""
    label, unit = (label_in(outcome, first), scales[first].unit) if first else ("score", "")

    def score(name: str, label: str) -> Column:
        value = number[name]
        return Column(
            label, True, lambda row: scales[metric(row)].number(value(row)), {name: value}
        )

    def test(row: Row) -> str:
        text = scales[metric(row)].number(number["test"](row))
        interval = scales[metric(row)].interval(*(number[end](row) for end in tests[1:]))
        return text if interval == NOTHING else f"{text} {interval}"

    def optimism(row: Row) -> str:
        text = scales[metric(row)].difference(number["optimism"](row))
        known = row.get("optimism_of")
        return f"{text} ({known[0]} of {known[1]} replicates)" if known else text

    def chosen(row: Row) -> str:
        known = [each for each in row.get("importance") or () if not math.isnan(mean(each))]
        names = [str(each["name"]) for each in sorted(known, key=lambda each: -mean(each))]
        return chosen_text(row.get("chosen") or (), names)

    def ends(row: Row) -> str:
        return " / ".join(_count(row.get(name)) for name in ENDS)

    def as_json(row: Row) -> str:
        return json.dumps(list(row.get("chosen") or ()), sort_keys=True, default=str)

    mean, tests = item("mean", math.nan, float), ("test", "test_low", "test_high")
    of_tests = {name: number[name] for name in tests}
    objective = None if first else (lambda row: label_in(outcome, metric(row)))
    columns = [
        text_column("search", value=lambda row: _name(row, outcome)),
        Column("objective", False, objective, {"metric": metric}),
        Column("points", True, lambda row: _count(row.get("points")), _counts("points")),
        Column(" / ".join(ENDS), True, ends, _counts(*ENDS)),
        Column("trainings (spared)", True, _trainings, _counts("trainings", "trainings_without")),
        score("best", with_unit(f"{label} on validation", unit)),
        score("expected_by_chance", "by chance"),
        number_column("p_by_chance", p_label, "P by chance", number["p_by_chance"]),
        Column(f"{with_unit(f'{label} on test', unit)} [95 % interval]", True, test, of_tests),
        Column("optimism", True, optimism, {"optimism": number["optimism"]}),
        Column("chosen", False, chosen, {"chosen": as_json}),
    ]
    return table_from(
        f"{outcome.name}-searches",
        headed(outcome, "searches of hyperparameters"),
        columns,
        rows,
        notes=_notes(rows, outcome),
    )


def chosen_text(chosen: Sequence[Row], first: Sequence[str] = ()) -> str:
    """What was chosen in a few words, `first` first: `lr 0.003, head fc`.

    Where replicates chose differently: a range of numbers (`lr 0.001–0.01`), or the words with how
    often each was chosen (`head fc ×3 / gap ×1`). Settings that the choice does not use are left
    out.
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


def _values_text(values: Sequence[Any]) -> str:
    texts = Counter(setting_text(value) for value in values)
    if len(texts) == 1:
        return next(iter(texts))
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        return f"{setting_text(min(values))}–{setting_text(max(values))}"
    often = [f"{text} ×{count}" for text, count in texts.most_common(MOST_VALUES)]
    return " / ".join([*often, *(["…"] if len(texts) > MOST_VALUES else [])])


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
        "validation minus test, over the replicates in which both have a value.",
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
    labels = {arm.key: words_of(arm, outcome) for arm in outcome.arms}
    name = str(row.get("search") or "")
    return labels.get(name, name) or labels.get(str(row.get("arm", "")), "") or "all arms"


def _count(value: Any) -> str:
    return NOTHING if value is None else str(value)
