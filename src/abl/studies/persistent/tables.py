"""Tables of a persistent sweep: its networks as the paper's Table 1 has them, and its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from abl.plan.outcome import Outcome
from abl.report.labels import counted, one_line
from abl.report.named import headed
from abl.report.numbers import Scale
from abl.report.tables.model import (
    DIFFERS,
    Column,
    Table,
    TableCell,
    item,
    number_column,
    table_from,
    text_column,
)
from abl.report.tables.published import Published, PublishedValue

AUC = Scale(1.0, 3, "")  # as publications write it
SHARE, SCORE = Scale(100.0, 0, "%"), Scale(1.0, 2, "")
MOST_IMAGES = 50
AFTER = {
    "after": "flagged left out of test sets *",
    "training": "left out of training",
    "training_and_test": "of both *",
}
_NAN = float("nan")


def networks_table(outcome: Outcome, published: Published | None = None) -> Table | None:
    """A row a network (and data set): AUC over its runs, what is published of it, and the meanings
    of `after`.
    """
    rows = [
        {"data": facts["data"], **row}
        for facts in outcome.facts.study.get("persistence", ())
        for row in facts["networks"]
    ]
    if not rows:
        return None
    several = len({row["data"] for row in rows}) > 1
    present = [name for name in AFTER if any(name in row for row in rows)]
    columns = [
        *([text_column("data")] if several else []),
        text_column("network", write=one_line),
        number_column("runs"),
        Column(
            "AUC, mean ± sd (min, max)",
            True,
            _spread,
            {name: item(name, _NAN) for name in ("auc", "sd", "low", "high")},
        ),
        *([_published_column(published)] if published is not None else []),
        number_column("excluded", label="images flagged"),
        *(number_column(name, AUC.number, AFTER[name]) for name in present[:1]),
        number_column("improvement", AUC.difference, "Δ *"),
        Column(
            "as many at random",
            True,
            lambda row: AUC.mean_and_interval(row["random"], row["random_low"], row["random_high"]),
            {name: item(name, _NAN) for name in ("random", "random_low", "random_high")},
        ),
        *(number_column(name, AUC.number, AFTER[name]) for name in present[1:]),
    ]
    notes = [
        "Over runs, one a training; by the labels as given, which the networks saw too.",
        "* rises by construction, with no wrong label at all: it gets no verdict. At random: mean "
        "and 95 % of the draws.",
    ]
    if "training" in present:
        notes.append(
            "Left out of training: flags from inside each training part, on whole test sets; the "
            "ablation table tests it."
        )
    if published is not None:
        notes += published.sentences_beside({str(row["arm"]) for row in rows})
    title = headed(outcome, "networks")
    count = 2 if several else 1
    return table_from(
        f"{outcome.name}-networks", title, columns, rows, axis_count=count, notes=notes
    )


def _published_column(published: Published) -> Column:
    def stated(row: Mapping[str, Any]) -> PublishedValue | None:
        return published.values.get((row["arm"], "auc"))

    def part(name: str) -> Callable[[Mapping[str, Any]], Any]:
        return lambda row: getattr(stated(row), name, "")

    def cell(row: Mapping[str, Any]) -> TableCell:
        value = stated(row)
        marks = (DIFFERS,) if published.differs(row["arm"], "auc") else ()
        return TableCell("" if value is None else value.shown(AUC), marks)

    names = {"published": "mean", "published_sd": "sd", "published_min": "smallest",
             "published_max": "largest"}  # fmt: skip
    return Column(
        "published",
        True,
        cell,
        {f"auc_{name}": part(of) for name, of in names.items()},
    )


def _spread(row: Mapping[str, Any]) -> str:
    ends = f" ({AUC.number(row['low'])}, {AUC.number(row['high'])})"
    return AUC.mean_and_sd(row["auc"], row["sd"]) + ends


def images_table(outcome: Outcome, images: pd.DataFrame) -> Table | None:
    """The images to look at first; all of them are in images.parquet."""
    if images.empty:
        return None
    first = images.head(MOST_IMAGES)
    classes = outcome.facts.classes
    known = "flipped" in images
    rows = first.to_dict("records")

    def given(row: Mapping[Any, Any]) -> str:
        at = int(row["label"])
        return str(classes[at]) if at < len(classes) else str(at)

    columns: list[Column] = [
        *([text_column("data")] if "data" in images else []),
        text_column("image", write=one_line),
        text_column("label", "label as given", given),
        text_column("patient", write=one_line),
        number_column("seen", label="tested"),
        number_column("wrong"),
        number_column("trained", label="in training"),
        number_column("share", SHARE.number, "F, %"),
        Column(
            "error rate [95 %], %",
            True,
            lambda row: SHARE.mean_and_interval(row["error_rate"], row["low"], row["high"]),
            {name: item(name, _NAN) for name in ("error_rate", "low", "high")},
        ),
        number_column("above", SHARE.number, "P(above theta), %"),
        number_column("score", SCORE.number),
        text_column("flagged", write=_yes),
        *([text_column("flipped", "label flipped", write=_yes)] if known else []),
    ]
    notes = [
        f"The first {len(first)} of {counted(len(images), 'image')}; all in images.parquet.",
        "F: share of the test appearances in which it was misclassified, over all networks. Error "
        "rate: its posterior mean, and the probability that it lies above theta, by a mixed model.",
        "Score: how improbable the networks hold the given label: the order in which to look.",
    ]
    return table_from(
        f"{outcome.name}-images",
        headed(outcome, "images to look at first"),
        columns,
        rows,
        axis_count=2 if "data" in images else 1,
        notes=notes,
    )


def _yes(value: object) -> str:
    return "yes" if value else ""
