"""Tables made of what an outcome keeps beside its arms: tests, choices, noise, external sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from abl.decide.decision import spread
from abl.decide.replicates import KEYS
from abl.decide.verdicts import ONE_CLASS
from abl.plan.outcome import Outcome
from abl.report.labels import label_in, letters, with_unit
from abl.report.named import headed, words_of
from abl.report.numbers import NOTHING, p_label, per_cent_label, scale_of
from abl.report.replicates_said import difference_of_all, partly_defined
from abl.report.tables.external_table import external_table
from abl.report.tables.model import (
    Column,
    Note,
    Table,
    TableCell,
    interval_column,
    item,
    number_column,
    table_from,
    text_column,
)
from abl.report.tables.scored_table import scored_table
from abl.report.tables.searches import searches_table
from abl.report.tables.setup import data_table


def facts_tables(outcome: Outcome) -> dict[str, Table]:
    """Name (as `abl table --show` has it) -> table, of those that the outcome has facts for."""
    made = {
        "searches": searches_table(outcome) if outcome.facts.searches else None,
        "tests": _tests_table(outcome),
        "choices": _choices_table(outcome),
        "noise": _noise_table(outcome),
        "data": _data_table(outcome) if outcome.facts.data else None,
        "external": external_table(outcome) if outcome.facts.external else None,
    }
    return {n: scored_table(table, outcome) for n, table in made.items() if table is not None}


def _data_table(outcome: Outcome) -> Table:
    """Images and patients of the first split, and that it is the first of so many."""
    frames = [arm.replicates for arm in outcome.arms if {"repeat", "fold"} <= set(arm.replicates)]
    splits = {pair for each in frames for pair in zip(each["repeat"], each["fold"], strict=True)}
    notes = []
    if len(splits) > 1:
        repeat, fold = min(splits)
        notes = [
            f"The first of {len(splits)} splits (repeat {repeat}, fold {fold}); all of them, image "
            "by image: abl splits FILE --out folds.csv."
        ]
    return data_table(outcome.facts.data, name=outcome.name, notes=notes)


def _tests_table(outcome: Outcome) -> Table | None:
    rows = outcome.facts.tests
    if not rows:
        return None
    metric = label_in(outcome, outcome.primary)
    scale = scale_of(outcome.primary, [row["difference"] for row in rows], per_cent=True)
    points = "points" if scale.unit else ""
    cross_validated = any("corrected_t_p" in row for row in rows)
    t_p = item("corrected_t_p", math.nan)
    words = {outcome.title_of(arm): words_of(arm, outcome) for arm in outcome.arms}
    arms = {outcome.title_of(arm): arm for arm in outcome.arms}
    over = dict[str, str]()

    def named(title: str) -> str:
        return words.get(title, title)

    def difference(row: Mapping[str, Any]) -> TableCell:
        arm, base = (arms.get(str(row.get(name))) for name in ("arm", "base"))
        of_all = "" if arm is None else difference_of_all(arm, base, outcome.primary)
        said = partly_defined(of_all) if of_all else ""
        marks = (over.setdefault(said, letters(len(over))),) if said else ()
        return TableCell(scale.difference(row["difference"]), marks)

    def shown_p(row: Mapping[str, Any], p: float) -> str:
        # beside a verdict that is withheld, as networks have not learned, it would be read as one
        return NOTHING if row.get("verdict") == ONE_CLASS else p_label(p)

    columns = [
        text_column("arm", write=named),
        text_column("base", "against", write=named),
        Column(
            with_unit(f"Δ {metric}", points), True, difference, {"difference": item("difference")}
        ),
        interval_column(scale),
        Column("P", True, lambda row: shown_p(row, item("p", math.nan)(row)), {"p": item("p")}),
        Column(
            "corrected P",
            True,
            lambda row: shown_p(row, item("p_corrected", math.nan)(row)),
            {"p_corrected": item("p_corrected")},
        ),
        *([Column("P, corrected t", True, lambda row: shown_p(row, t_p(row)))] * cross_validated),
        text_column("verdict"),
        *([Column("", True, raw={"corrected_t_p": t_p})] * cross_validated),
    ]
    notes: list[str | Note] = [
        "P and interval by one model; corrected P: over all contrasts of the table."
    ]
    if cross_validated:
        notes.append(
            "Corrected t: t-test of means over splits whose training sets overlap, with variance "
            "factor 1/J + n_test/n_train (Nadeau, Bengio 2003)."
        )

    def every() -> list[str | Note]:
        return [*notes, *(Note(letter, said) for said, letter in over.items())]

    return _table(outcome, "tests", "every comparison", columns, rows, every, axis_count=2)


def _choices_table(outcome: Outcome) -> Table | None:
    """Spread over the replicates of what was chosen, and of what it promised."""
    known = {*KEYS, *outcome.metrics}
    rows: list[dict[Any, Any]] = []
    for arm in outcome.arms:
        if arm.failed or not any(str(name).startswith("validation_") for name in arm.replicates):
            continue
        title = words_of(arm, outcome)
        chosen = arm.replicates.drop(columns=[n for n in arm.replicates if n in known])
        rows += spread(chosen).assign(arm=title).to_dict("records")
    if not rows:
        return None
    labels = {"median": "median", "low": "smallest", "high": "largest"}
    columns = [
        text_column("arm"),
        text_column("chosen", value=item("name"), write=partial(label_in, outcome)),
        *(number_column(name, _number, label) for name, label in labels.items()),
    ]
    notes = ["validation ...: the score on validation that the choice was made by."]
    said = "what was chosen on validation, by replicate"
    return _table(outcome, "choices", said, columns, rows, notes)


def _noise_table(outcome: Outcome) -> Table | None:
    rows = outcome.facts.study.get("label_noise", ())
    if not rows:
        return None
    shares = {
        "flipped": "wrong labels, %",
        "kept": "kept, %",
        "flipped_kept": "wrong among kept, %",
        "precision": "precision, %",
        "recall": "recall, %",
    }
    columns = [
        *(
            text_column(name, write=lambda value: str(value).replace("_", " "))
            for name in ("data", "selection", "criterion")
        ),
        *(number_column(name, per_cent_label, label) for name, label in shares.items()),
    ]
    note = (
        "Precision and recall of `excluded` as a sign of `label is wrong`, mean over replicates; "
        "confident learning (cleanlab) on the mean prediction of the same panel."
    )
    said = "which wrong labels selection leaves out"
    return _table(outcome, "noise", said, columns, rows, [note], axis_count=3)


def _table(
    outcome: Outcome,
    name: str,
    said: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[Any, Any]],
    notes: Sequence[str | Note] | Callable[[], Sequence[str | Note]],
    *,
    axis_count: int = 1,
) -> Table:
    title = headed(outcome, f"{said}")
    return table_from(
        f"{outcome.name}-{name}", title, columns, rows, axis_count=axis_count, notes=notes
    )


def _number(value: float) -> str:
    return "always" if math.isinf(value) else f"{value:.3g}"
