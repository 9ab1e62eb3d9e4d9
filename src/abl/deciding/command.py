"""From files of predictions to final ones and their scores, as `abl decide` is asked for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from abl.data.prediction_output import checked_output, write_predictions
from abl.data.prediction_pairs import PairedPredictions, read_paired
from abl.decide.adaptive import checked_costs
from abl.decide.rules import FALSE_THRESHOLD
from abl.deciding.asked import Asked
from abl.deciding.parts import Fold, folds_of
from abl.deciding.printed import facts_of, front_of, notes_of, text_of
from abl.deciding.scored import ScoredWay, best_way
from abl.deciding.ways import (
    Curves,
    Way,
    default_space,
    grid_of,
    rule_way,
    search_ways,
    sweep_ways,
)
from abl.search.samplers import SamplerName

METRICS = ("acc", "spe", "sen", "f1", "auc")
CHOSEN_BY = "f1"
TRIALS = 200
DEFAULT_GRID = "0:1:101,always"

Format = Literal["text", "md", "csv", "json"]


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


def decided(
    original: Path,
    true: Path | None = None,
    false: Path | None = None,
    *,
    rule: str | None = None,
    threshold: str | None = None,
    sweep: bool = False,
    search: bool = False,
    false_threshold: float | None = None,
    metrics: Sequence[str] = METRICS,
    by: str | None = None,
    thresholds: str | None = None,
    space: Sequence[str] = (),
    objectives: Sequence[str] = (),
    trials: int | None = None,
    sampler: SamplerName | None = None,
    seed: int | None = None,
    costs: Sequence[Sequence[float]] | None = None,
    study: Path | None = None,
    classes: Sequence[str] | None = None,
    out: Path | None = None,
    curve: Path | None = None,
    format: Format = "text",
    width: int = 120,
) -> Decided:
    """Decides by one rule, by the best threshold of every rule, or by what a search finds.

    With a column split, choices are made on validation rows and the test rows are scored once, with
    95 % intervals by patient; without it everything is chosen and scored on all rows, and said so.
    With a column fold this is done within each fold. An option that cannot matter is refused.

    Args:
        original, true, false: Files of data.prediction_file.
        rule, threshold: One rule and its T* in words (deciding.ways.WORDS); or, with `search`, the
            rule that is searched (model1).
        sweep, search: Instead of one rule.
        false_threshold: Of the False extension; 0.1 if `false` is given.
        by: Metric that thresholds are chosen by; f1.
        thresholds: Grid of T* for a sweep (deciding.ways.grid_of); without it T* is exact.
        space, objectives, trials, sampler, seed, costs, study: Of decision_search.search_decision;
            by default `objectives` is (by,), 200 trials, tpe, seed 0. `costs` without a search
            add the expected cost to the scores.
        classes: Names of labels 0, 1, ...; of two classes by default benign and malignant.
        out, curve: Files to write; nothing is written if anything is wrong.

    Raises:
        InputError: Everything that is wrong with the options, or with the files.
    """
    Asked(
        original, true, false, rule, threshold, sweep, search, false_threshold, metrics, by,
        thresholds, space, objectives, trials, sampler, seed, costs, study, classes, out, curve,
        format,
    ).check()  # fmt: skip
    for file in filter(None, (out, curve)):
        checked_output(file)
    by = CHOSEN_BY if by is None else by
    given = {"original": original, "true": true, "false": false}
    paths = {name: path for name, path in given.items() if path is not None}
    paired = read_paired(paths, classes=classes)
    if false is not None and false_threshold is None:
        false_threshold = FALSE_THRESHOLD
    folds = folds_of(paired, choosing=sweep or search or (threshold or "").strip() == "exact")
    size = paired.predictions["original"].shape[1]
    if costs is not None:
        checked_costs(costs, size)
    curves = None
    if sweep:
        needs_grid = thresholds is not None or curve is not None
        if needs_grid:
            grid = grid_of(DEFAULT_GRID if thresholds is None else thresholds)
            curves = Curves(grid, list(dict.fromkeys([*metrics, by])))
        ways = sweep_ways(list(paths), by, false_threshold, curves if thresholds else None)
    elif search:
        chosen_rule = rule or "model1"
        ways = search_ways(
            chosen_rule,
            threshold,
            tuple(space) or default_space(chosen_rule, size, with_false=false is not None),
            tuple(objectives) or (by,),
            networks=list(paths),
            false_threshold=false_threshold,
            has_training=all(len(fold.training) for fold in folds),
            trials=TRIALS if trials is None else trials,
            sampler="tpe" if sampler is None else sampler,
            seed=seed or 0,
            costs=costs,
            storage=study,
            study=_digest(paired, chosen_rule, threshold, costs),
        )
    else:
        ways = [rule_way(str(rule), threshold, by, false_threshold)]
    scored = [ScoredWay(way, folds, metrics, costs) for way in ways]
    main = scored[-1] if search else best_way(scored)
    drawn = _curve_frame(curves, ways, folds, false_threshold) if curve and curves else None
    final = main.final(paired, folds)
    rows = [each.row() for each in scored]
    notes = notes_of(paired, folds, scored, main, sweep=sweep)
    front = front_of(main)
    facts = facts_of(rows, front, notes, folds, main)
    if format == "json":
        text = json.dumps(facts, indent=1) + "\n"
    else:
        text = text_of(rows, front, metrics, notes, folds, format, width)
    if out is not None:
        write_predictions(out, final)
    if curve is not None and drawn is not None:
        write_predictions(curve, drawn)
    return Decided(text, final, drawn, facts)


def _curve_frame(
    curves: Curves, ways: Sequence[Way], folds: Sequence[Fold], false_threshold: float | None
) -> pd.DataFrame:
    frames = []
    for fold in folds:
        for way in ways:
            rule, _, extended = way.label.partition(" + ")
            found = curves.of(fold, rule, false_threshold if extended else None).copy()
            found.insert(0, "rule", way.label)
            if fold.name:
                found.insert(0, "fold", fold.name)
            frames.append(found)
    return pd.concat(frames, ignore_index=True)


def _digest(paired: PairedPredictions, *settings: Any) -> str:
    found = hashlib.sha256(json.dumps(settings).encode())
    found.update(paired.frame.to_csv(index=False).encode())
    for name in sorted(paired.predictions):
        found.update(name.encode())
        found.update(np.ascontiguousarray(paired.predictions[name]).tobytes())
    return found.hexdigest()
