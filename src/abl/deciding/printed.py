"""Scored decisions as what is printed: a table with its notes, or JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from abl.data.prediction_pairs import PairedPredictions
from abl.decide.intervals import FEWEST_PATIENTS
from abl.deciding.parts import Fold
from abl.deciding.scored import MOST_IMAGES, MOST_PATIENTS, ScoredWay, few_enough, patients_in
from abl.report.labels import metric_label, scale_of
from abl.report.tables import render
from abl.report.tables.decision import DecisionRow, decision_facts, decision_table, mean_and_sd

IN_SAMPLE = "in-sample: chosen on the images it is scored on"


def front_of(main: ScoredWay) -> list[dict[str, Any]]:
    """The points of a two-objective search, fold by fold, by the share that they send on."""
    points = []
    for at, found in enumerate(main.way.searches):
        trials = found.trials
        if "value_1" not in trials:
            return []
        on_front = trials[trials["front"]].drop_duplicates(["value_0", "value_1"])
        for row in on_front.index:
            points.append(
                {
                    "fold": at,
                    "settings": found.decisions[row].settings(),
                    "values": {
                        name: float(trials[f"value_{place}"][row])
                        for place, name in enumerate(main.way.objectives)
                    },
                    "share": float(trials["share"][row]),
                }
            )
    return sorted(points, key=lambda point: (point["fold"], point["share"]))


def notes_of(
    paired: PairedPredictions,
    folds: Sequence[Fold],
    scored: Sequence[ScoredWay],
    main: ScoredWay,
    *,
    sweep: bool,
) -> list[str]:
    images = sum(len(fold.test) for fold in folds)
    patients = patients_in(folds)
    chosen = any(each.way.chosen_by for each in scored)
    counted = f"{images:,} images of {patients:,} patients"
    notes = []
    if folds[0].in_sample:
        notes.append(
            f"{IN_SAMPLE} ({counted}): expect less on new images; "
            "a column split with validation and test rows tells how much"
            if chosen
            else f"scored on all {counted}; nothing was chosen on them"
        )
    elif chosen:
        validation = sum(len(fold.validation) for fold in folds)
        notes.append(
            f"chosen on {validation:,} validation images; test, read once for each row of the "
            f"table: {counted}"
        )
    else:
        notes.append(f"scored on test: {counted}; nothing was chosen")
    if len(folds) > 1:
        notes.append(
            f"{len(folds)} folds, each chosen and scored by itself: mean ± sd; "
            "a setting is the median with its range"
        )
    elif not few_enough(folds):
        notes.append(
            f"above {MOST_PATIENTS:,} patients or {MOST_IMAGES:,} images no intervals are computed"
        )
    elif patients < FEWEST_PATIENTS:
        notes.append(f"fewer than {FEWEST_PATIENTS} patients: no intervals")
    elif not (chosen and folds[0].in_sample):
        notes.append("in brackets the 95 % interval, by resampling patients")
    if not folds[0].in_sample:
        notes += _leaks(folds)
    if "patient" not in paired.frame:
        notes.append("no column patient: each image is taken as its own patient")
    if chosen and not folds[0].in_sample and main.way.chosen_by:
        notes.append(_optimism(main))
    if sweep and chosen:
        name = metric_label(main.way.chosen_by)
        notes.append(f"best {name} where it was chosen: {main.way.label}; its predictions are kept")
    return notes


def _optimism(main: ScoredWay) -> str:
    name = main.way.chosen_by
    there, kept = mean_and_sd(main.chosen_at)[0], mean_and_sd(main.kept)[0]
    scale = scale_of(name, [there, kept], per_cent=True)
    return (
        f"optimism of '{main.way.label}': {metric_label(name)} {scale.number(there)} on "
        f"validation, {scale.number(kept)} on test: {scale.difference(main.optimism)}"
    )


def _leaks(folds: Sequence[Fold]) -> list[str]:
    """A note if patients of the test rows were chosen on or trained on."""
    shared: set[str] = set()
    for fold in folds:
        seen = {*fold.validation.patients.tolist(), *fold.training.patients.tolist()}
        shared |= seen & set(fold.test.patients.tolist())
    if not shared:
        return []
    return [
        f"LEAK: {len(shared):,} patients of test rows are among validation or train rows too: "
        "these scores are too good"
    ]


def text_of(
    rows: Sequence[DecisionRow],
    front: Sequence[dict[str, Any]],
    metrics: Sequence[str],
    notes: Sequence[str],
    folds: Sequence[Fold],
    format: str,
    width: int,
) -> str:
    names = [*metrics, *(["cost"] if any("cost" in row.values for row in rows) else [])]
    part = "all images" if folds[0].in_sample else "test images"
    table = decision_table(rows, names, notes, title=f"Decisions on {part}")
    text = render(table, format, width=width)
    if format == "csv" or not front or len(folds) > 1:
        return text
    # the second objective is often the share, which has a column of its own
    objectives = [name for name in front[0]["values"] if name != "share"]
    points = [
        DecisionRow(
            f"{at}",
            {name: (value,) for name, value in point["settings"].items()},
            (point["share"],),
            values={name: (point["values"][name],) for name in objectives},
        )
        for at, point in enumerate(front, 1)
    ]
    title = "Front of the search, on the images it chose on"
    shown = decision_table(points, objectives, (), title=title)
    return text + "\n" + render(shown, format, width=width)


def facts_of(
    rows: Sequence[DecisionRow],
    front: Sequence[dict[str, Any]],
    notes: Sequence[str],
    folds: Sequence[Fold],
    main: ScoredWay,
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "decisions": [decision_facts(row) for row in rows],
        "kept": main.way.label,
        "in_sample": folds[0].in_sample and bool(main.way.chosen_by),
        "folds": [fold.name for fold in folds if fold.name],
        "images": sum(len(fold.test) for fold in folds),
        "notes": list(notes),
    }
    if main.way.chosen_by and not folds[0].in_sample:
        facts["optimism"] = {main.way.chosen_by: main.optimism}
    if front:
        facts["front"] = [
            {**point, "settings": {name: "always" if math.isinf(value) else value
                                   for name, value in point["settings"].items()}}
            for point in front
        ]  # fmt: skip
    return facts
