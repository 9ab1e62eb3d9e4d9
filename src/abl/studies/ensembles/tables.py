"""Tables of an ensembles sweep: gains of combinations, single networks, what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from abl.decide.metric_names import metric_named
from abl.plan.outcome import Outcome
from abl.report.labels import cluster_word, clusters_named, label_in, one_line
from abl.report.named import headed, words_of
from abl.report.numbers import Scale, p_label, scale_of
from abl.report.tables.model import (
    DIFFERS,
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
from abl.report.tables.published import Published, PublishedValue
from abl.stages.combine import MEAN
from abl.studies.ensembles.found import CHOICES, GAINS, WIDTHS

J = Scale(1.0, 3, "")
_NAN = float("nan")
STAR = "*"


def ensemble_tables(
    outcome: Outcome, own: Mapping[str, pd.DataFrame], published: Published | None = None
) -> dict[str, Table]:
    """Name -> table, those that the sweep has."""
    none = pd.DataFrame()
    made = {
        "j": gains_table(outcome, own.get(GAINS, none), published),
        "features": widths_table(outcome, own.get(WIDTHS, none)),
        "chosen": choices_table(outcome, own.get(CHOICES, none)),
    }
    return {name: table for name, table in made.items() if table is not None}


def gains_table(
    outcome: Outcome, gains: pd.DataFrame, published: Published | None = None
) -> Table | None:
    """A row a combination and metric: J or J-hat, starred below 1, and the difference behind it.

    With published values, what is stated of the combination, and its J by the same definition.
    """
    if gains.empty:
        return None
    metrics = list(dict.fromkeys(gains["metric"]))
    place = gains["metric"].map({name: at for at, name in enumerate(metrics)})
    ordered = gains.assign(place=place).sort_values(["place", "size"], kind="stable")
    rows = ordered.to_dict("records")
    scales = {
        name: _scale(outcome, name, [row["value"] for row in rows if row["metric"] == name])
        for name in metrics
    }
    several = bool((gains["ensemble"] != MEAN).any())
    other = bool(gains["others"].nunique() > 1)

    def scaled(write: Callable[[Scale, Mapping[str, Any]], str]) -> Callable[[Any], str]:
        return lambda row: write(scales[row["metric"]], row)

    def ratio(row: Mapping[str, Any]) -> TableCell:
        text = J.mean_and_interval(row["ratio"], row["ratio_low"], row["ratio_high"])
        return TableCell(text, (STAR,) if row["ratio"] < 1 else ())

    columns = [
        *([text_column("others", "setting", write=one_line)] if other else []),
        text_column("networks", write=lambda value: f"[{one_line(value)}]"),
        number_column("size", label="n"),
        text_column("classifier"),
        *([text_column("ensemble")] if several else []),
        text_column("metric", write=lambda name: label_in(outcome, name)),
        Column("value", True, scaled(lambda s, r: s.number(r["value"])), {"value": item("value")}),
        Column(
            "best alone",
            True,
            scaled(
                lambda s, r: (
                    f"{s.number(r['best_value'])} ({r['best_networks']}"
                    + (f", {r['best_classifier']})" if "+" in r["classifier"] else ")")
                )
            ),
            {"best_value": item("best_value"), "best_networks": item("best_networks")},
        ),
        Column(
            "J [95 %]",
            True,
            ratio,
            {name: item(name, _NAN) for name in ("ratio", "ratio_low", "ratio_high")},
        ),
        Column(
            "Δ [95 %]",
            True,
            scaled(
                lambda s, r: f"{s.difference(r['difference'])} {s.interval(r['low'], r['high'])}"
            ),
            {name: item(name, _NAN) for name in ("difference", "low", "high")},
        ),
        number_column("p_corrected", _p, "P, corrected"),
        *([] if published is None else _published_columns(published, scaled)),
    ]
    notes = [
        "J: with features concatenated, over the best of its networks alone with the same "
        "classifier. Of several classifiers (J-hat): over the best of its networks with any of "
        "them.",
        clusters_named(
            "The best alone is chosen by these very tests, as published. Intervals by patients and "
            "trainings; P of ",
            cluster_word(outcome),
        )
        + f"{label_in(outcome, outcome.primary)} is corrected over all rows.",
        *_few_seeds(outcome),
    ]
    stated = [] if published is None else [published_ratio(published, row) for row in rows]
    if any(each == each for each in stated):
        notes.append("J, published: the stated value over the best stated of its networks alone.")
    if published is not None:
        used = {str(row["combined"]) for row in rows}
        used |= {key for row in rows for key in str(row.get("members", "")).split()}
        notes += published.sentences_beside(used)
    starred = [Note(STAR, "below 1; the interval of the difference says whether that can be luck")]
    if not any(ratio < 1 for ratio in [*gains["ratio"], *stated]):
        starred = []
    title = headed(outcome, "gains of combinations")
    count = 3 + other + several
    return table_from(
        f"{outcome.name}-j", title, columns, rows, axis_count=count, notes=[*starred, *notes]
    )


def _few_seeds(outcome: Outcome) -> list[str]:
    seeds = max(
        (arm.replicates["seed"].nunique() for arm in outcome.arms if not arm.failed), default=0
    )
    if seeds != 2:
        return []
    return [
        "Two seeds: how much trainings differ is known with one degree of freedom, so that an "
        "interval may be as wide as the scale where the two are far apart; more seeds narrow it."
    ]


def _published_columns(
    published: Published, scaled: Callable[[Callable[..., str]], Callable[[Any], str]]
) -> list[Column]:
    def stated(row: Mapping[str, Any]) -> PublishedValue | None:
        return published.values.get((row["combined"], row["metric"]))

    def ratio(row: Mapping[str, Any]) -> TableCell:
        found = published_ratio(published, row)
        text = "" if found != found else J.number(found)
        return TableCell(text, (STAR,) if found < 1 else ())

    text = scaled(lambda s, r: "" if (value := stated(r)) is None else value.shown(s))

    def cell(row: Mapping[str, Any]) -> TableCell:
        differs = published.differs(row["combined"], row["metric"])
        return TableCell(text(row), (DIFFERS,) if differs else ())

    return [
        Column(
            "published",
            True,
            cell,
            {"published": lambda row: getattr(stated(row), "mean", _NAN)},
        ),
        Column(
            "J, published",
            True,
            ratio,
            {"published_ratio": lambda row: published_ratio(published, row)},
        ),
    ]


def published_ratio(published: Published, row: Mapping[Any, Any]) -> float:
    """J of the values that a publication states, nan if it does not state all that it needs."""
    metric = str(row["metric"])
    combined = published.values.get((row["combined"], metric))
    keys = str(row.get("members", "")).split()
    alone = [
        published.values[key, metric].mean for key in keys if (key, metric) in published.values
    ]
    if combined is None or not keys or len(alone) < len(keys):
        return _NAN
    best = min(alone) if metric_named(metric).higher_is_better is False else max(alone)
    return combined.mean / best if best > 0 else _NAN


def _scale(outcome: Outcome, metric: str, values: Sequence[float]) -> Scale:
    return scale_of(metric, values, per_cent=outcome.facts.table.per_cent)


def _p(value: float) -> str:
    return "" if value != value else p_label(value)


def widths_table(outcome: Outcome, widths: pd.DataFrame) -> Table | None:
    """A row a network, layer and classifier, with the number of features."""
    if widths.empty:
        return None
    rows = widths.to_dict("records")
    scale = _scale(outcome, outcome.primary, [row["value"] for row in rows])
    columns = [
        text_column("networks", "name"),
        text_column("network"),
        text_column("layer"),
        text_column("fine_tuned", "fine-tuned", write=lambda value: "yes" if value else "no"),
        number_column("features", lambda count: str(count) if count else ""),
        text_column("classifier"),
        number_column("value", scale.number, label_in(outcome, outcome.primary)),
        interval_column(scale),
    ]
    notes = ["Features: columns as they were found in the file, of images and not of a manual."]
    title = headed(outcome, "single networks")
    return table_from(f"{outcome.name}-features", title, columns, rows, axis_count=4, notes=notes)


def choices_table(outcome: Outcome, choices: pd.DataFrame) -> Table | None:
    """A row a replicate of each arm that chooses on validation images."""
    if choices.empty:
        return None
    rows = choices.to_dict("records")
    titles = {arm.key: words_of(arm, outcome) for arm in outcome.arms}
    values = [value for row in rows for value in (row["validation"], row["test"])]
    scale = _scale(outcome, outcome.primary, values)
    label = label_in(outcome, outcome.primary)
    columns = [
        text_column("arm", write=lambda key: one_line(titles.get(key, key))),
        *(number_column(name) for name in ("repeat", "fold", "seed")),
        text_column("networks", "chosen", write=lambda value: f"[{one_line(value)}]"),
        text_column("classifier"),
        number_column("candidates", label="of"),
        number_column("validation", scale.number, "validation"),
        number_column("test", scale.number, f"{label} on test"),
    ]
    title = headed(outcome, "what was chosen on validation")
    return table_from(f"{outcome.name}-chosen", title, columns, rows, axis_count=4)
