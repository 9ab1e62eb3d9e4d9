"""From files of predictions to final ones and their scores, as `abl decide` is asked for them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from abl.app.deciding.asked import Asked, grid_of
from abl.app.deciding.ways import MOST_IMAGES, MOST_PATIENTS, ScoredWay, few_enough, ways_of
from abl.data.predictions.prediction_pairs import PairedPredictions, folds_of, read_paired
from abl.data.predictions.prediction_rows import checked_output, write_prediction_table
from abl.decide.decision import checked_costs
from abl.decide.intervals import FEWEST_PATIENTS
from abl.report.labels import metric_label
from abl.report.numbers import scale_of
from abl.report.tables import printed
from abl.report.tables.decision import DecisionRow, decision_facts, decision_table, mean_and_sd

DEFAULT_GRID = "0:1:101,always"


@dataclass(frozen=True, eq=False)
class Decided:
    """What the command prints and writes.

    Attributes:
        text: To print, with its last line feed.
        final: image, label, patient, fold, split as in the files; p_0, ...; sent (1 if the second
            network was asked). Of a sweep the best rule's on validation.
        curve: rule, threshold, share, metrics (and fold) on validation images; None if not asked.
        facts: All numbers, JSON-able.
    """

    text: str
    final: pd.DataFrame
    curve: pd.DataFrame | None
    facts: dict[str, Any]


def decided(asked: Asked, width: int = 120) -> Decided:
    """Decides by one rule, by the best threshold of every rule, or by what a search finds.

    Raises:
        InputError: Everything that is wrong with the options, or with the files.
    """
    asked.check()
    for file in filter(None, (asked.out, asked.curve)):
        checked_output(file)
    paired = read_paired(asked.paths, classes=asked.classes)
    folds = folds_of(paired, choosing=asked.sweep or asked.search or asked.is_exact)
    classes = paired.predictions["original"].shape[1]
    if asked.costs is not None:
        checked_costs(asked.costs, classes)
    if asked.curve is not None:
        grid = grid_of(DEFAULT_GRID if asked.thresholds is None else asked.thresholds)
    has_training = all(len(fold.training) for fold in folds)
    study = _digest(paired, asked) if asked.search else ""
    ways = ways_of(asked, classes, has_training=has_training, study=study)
    scored = [ScoredWay(way, folds, asked) for way in ways]
    chosen = [each for each in scored if each.way.chosen_by]
    reads_labels = any(each.way.reads_labels for each in scored)
    main = max(chosen, key=lambda each: each.quality) if chosen and asked.sweep else scored[-1]
    drawn = _curves(scored, grid) if asked.curve is not None else None
    final, rows, front = main.final(paired), [each.row() for each in scored], _front(main)
    notes = [*_notes(paired, main, is_chosen=reads_labels), *paired.notes]
    facts = _facts(rows, front, notes, main)
    if asked.format == "json":
        text = json.dumps(facts, indent=1) + "\n"
    else:
        text = _text(rows, front, notes, main, width, classes)
    if asked.out is not None:
        write_prediction_table(asked.out, final)
    if asked.curve is not None and drawn is not None:
        write_prediction_table(asked.curve, drawn)
    return Decided(text, final, drawn, facts)


def _curves(scored: Sequence[ScoredWay], grid: list[float]) -> pd.DataFrame:
    frames = []
    for at, fold in enumerate(scored[0].folds):
        for each in scored:
            way, known = each.way, each.found[at].curve
            found = way.chooser(fold).curve(grid, each.asked.metrics) if known is None else known
            named = {"fold": fold.name} if fold.name else {}
            named["rule"] = way.label
            frames.append(pd.DataFrame(named | found.to_dict("series")))
    return pd.concat(frames, ignore_index=True)


def _digest(paired: PairedPredictions, asked: Asked) -> str:
    settings = (asked.rule or "model1", asked.threshold, asked.costs)
    found = hashlib.sha256(json.dumps(settings).encode())
    found.update(paired.frame.to_csv(index=False).encode())
    for name in sorted(paired.predictions):
        found.update(name.encode())
        found.update(np.ascontiguousarray(paired.predictions[name]).tobytes())
    return found.hexdigest()


def _front(main: ScoredWay) -> list[dict[str, Any]]:
    """The points of a two-objective search, fold by fold, by the share that they send on."""
    points = []
    for at, found in enumerate(main.found):
        if found.search is None or len(main.asked.objectives) < 2:
            return []
        trials = found.search.trials
        on_front = trials[trials["front"]].drop_duplicates(["value_0", "value_1"])
        points += [
            {
                "fold": at,
                "settings": found.search.decisions[row].settings(),
                "values": {
                    name: float(trials[f"value_{place}"][row])
                    for place, name in enumerate(main.asked.objectives)
                },
                "share": float(trials["share"][row]),
            }
            for row in on_front.index
        ]
    return sorted(points, key=lambda point: (point["fold"], point["share"]))


def _notes(paired: PairedPredictions, main: ScoredWay, *, is_chosen: bool) -> list[str]:
    folds, images, patients = main.folds, main.images, main.patients
    by, label, in_sample = main.way.chosen_by, main.way.label, main.in_sample
    counted = f"{images:,} images of {patients:,} patients"
    if in_sample and is_chosen:
        first = (
            f"in-sample: chosen on the images it is scored on ({counted}): expect less on new "
            "images; a column split with validation and test rows tells how much"
        )
    elif in_sample:
        first = f"scored on all {counted}; {_read_off(main) or 'nothing was chosen on them'}"
    elif is_chosen:
        validation = sum(len(fold.validation) for fold in folds)
        first = (
            f"chosen on {validation:,} validation images; test, read once for each row of the "
            f"table: {counted}"
        )
    else:
        first = f"scored on test: {counted}; {_read_off(main) or 'nothing was chosen'}"
    notes = [first]
    if len(folds) > 1:
        notes.append(
            f"{len(folds)} folds, each chosen and scored by itself: mean ± sd; "
            "a setting is the median with its range"
        )
    elif not few_enough(images, patients):
        notes.append(
            f"above {MOST_PATIENTS:,} patients or {MOST_IMAGES:,} images no intervals are computed"
        )
    elif patients < FEWEST_PATIENTS:
        notes.append(f"fewer than {FEWEST_PATIENTS} patients: no intervals")
    elif not (is_chosen and in_sample):
        notes.append("in brackets the 95 % interval, by patients")
    leaked: set[str] = set()
    for fold in () if in_sample else folds:
        seen = {*fold.validation.patients.tolist(), *fold.training.patients.tolist()}
        leaked |= seen & set(fold.test.patients.tolist())
    if leaked:
        notes.append(
            f"LEAK: {len(leaked):,} patients of test rows are among validation or train rows too: "
            "these scores are too good"
        )
    if "patient" not in paired.frame:
        notes.append("no column patient: each image is taken as its own patient")
    if main.way.promise is not None:
        risk, where = mean_and_sd(main.risks)[0], "those same" if in_sample else "test"
        notes.append(
            f"T* is the smallest that keeps the promise, patient by patient: {main.way.promise}; "
            + (
                f"no {where} image counts for it"
                if math.isnan(risk)
                else f"on {where} images the risk is {100 * risk:.1f} %"
            )
        )
    if by and not in_sample:
        notes.append(_optimism_note(main))
    if main.asked.sweep and is_chosen:
        notes.append(
            f"best {metric_label(by)} where it was chosen: {label}"
            + ("" if main.asked.out is None else f"; its predictions are in {main.asked.out}")
        )
    return notes


def _read_off(main: ScoredWay) -> str:
    """What T* is read off without labels, and that it is; "" if nothing is."""
    word, several = main.way.unlabelled, len(main.folds) > 1
    if not word:
        return ""
    share = word != "histogram"
    images = sum(len(fold.validation if share else fold.training) for fold in main.folds)
    part = "validation" if share else "training"
    where = f"the {part} images of each fold" if several else f"the {images:,} {part} images"
    if main.in_sample:
        where = "those same images"
    what = f"that sends {word.removesuffix('%')} % of {where} on"
    if not share:
        what = f"that the histogram of {where} gives"
    return f"T* is the confidence {what}, found without their labels"


def _optimism_note(main: ScoredWay) -> str:
    """The metric where it was chosen and on test, over the folds in which both have a value."""
    by, found = main.way.chosen_by, main.optimism
    said = f"optimism of '{main.way.label}': "
    if not found.gap.count:
        return f"{said}not known, as no fold has {metric_label(by)} on validation and on test"
    scale = scale_of(by, [found.chosen_at.mean, found.test.mean], per_cent=True)
    over = ""
    if found.gap.undefined:
        folds = found.gap.count + found.gap.undefined
        over = f", over {found.gap.count} of {folds} folds: in the others {metric_label(by)} is "
        over += "undefined on validation or test"
    return (
        f"{said}{metric_label(by)} {scale.number(found.chosen_at.mean)} on validation, "
        f"{scale.number(found.test.mean)} on test: {scale.difference(found.gap.mean)}{over}"
    )


def _text(
    rows: Sequence[DecisionRow], front: Sequence[dict[str, Any]], notes: Sequence[str],
    main: ScoredWay, width: int, classes: int,
) -> str:  # fmt: skip
    asked = main.asked
    names = [*asked.metrics, *(["cost"] if any("cost" in row.values for row in rows) else [])]
    part = "all images" if main.in_sample else "test images"
    table = decision_table(rows, names, notes, title=f"Decisions on {part}", classes=classes)
    text = printed(table, asked.format, width=width)
    if asked.format == "csv" or not front or len(main.folds) > 1:
        return text
    # the second objective is often the share, which has a column of its own
    objectives = [name for name in asked.objectives if name != "share"]
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
    shown = decision_table(points, objectives, (), title=title, classes=classes)
    return text + "\n" + printed(shown, asked.format, width=width)


def _facts(
    rows: Sequence[DecisionRow], front: Sequence[dict[str, Any]], notes: list[str], main: ScoredWay
) -> dict[str, Any]:
    by = main.way.chosen_by
    facts: dict[str, Any] = {
        "decisions": [decision_facts(row) for row in rows],
        "kept": main.way.label,
        "in_sample": main.in_sample and bool(by),
        "folds": [fold.name for fold in main.folds if fold.name],
        "images": main.images,
        "notes": notes,
    }
    if by and not main.in_sample:
        gap = main.optimism.gap.mean
        facts["optimism"] = {by: None if math.isnan(gap) else gap}
    if main.way.promise is not None:
        risks = [None if math.isnan(risk) else risk for risk in main.risks]
        facts["promise"] = {**asdict(main.way.promise), "test": risks}
    if front:
        facts["front"] = [
            {**point, "settings": {name: "always" if math.isinf(value) else value
                                   for name, value in point["settings"].items()}}
            for point in front
        ]  # fmt: skip
    return facts
