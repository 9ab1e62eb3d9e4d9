"""Ways to come to a decision from validation images: given, exact, from a grid, searched."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from abl.decide.adaptive import MIXED, Decision, histogram_threshold
from abl.decide.curves import best_threshold, choose_threshold, threshold_curve
from abl.decide.decision_search import SearchResult, search_decision
from abl.decide.decision_space import PAPERS_THRESHOLD
from abl.decide.rules import (
    RULES,
    Threshold,
    rule_named,
    threshold_from_share,
    threshold_value,
)
from abl.deciding.parts import Fold
from abl.errors import InputError
from abl.search.samplers import SamplerName

WORDS = "a number in [0, 1], always, a share such as 38%, exact, or histogram"


@dataclass(frozen=True, eq=False)
class Way:
    """How a decision is come to.

    Attributes:
        label: Its name in the table.
        choose: From a fold, reading labels of its validation images only.
        chosen_by: Metric that was maximised there; "" if no label was read.
        searches: What Optuna found, one a fold, for a way that is searched.
        objectives: What it searched by.
    """

    label: str
    choose: Callable[[Fold], Decision]
    chosen_by: str = ""
    searches: list[SearchResult] = field(default_factory=list)
    objectives: tuple[str, ...] = ()


class Curves:
    """Curves over T* on validation images, each computed once.

    Args:
        grid: Values of T*.
        metrics: Columns.
    """

    def __init__(self, grid: Sequence[float], metrics: Sequence[str]):
        self._grid, self._metrics = list(grid), list(metrics)
        self._found: dict[tuple[str, str, float | None], pd.DataFrame] = {}

    def of(self, fold: Fold, rule: str, false_threshold: float | None) -> pd.DataFrame:
        """As curves.threshold_curve."""
        key = (fold.name, rule, false_threshold)
        if key not in self._found:
            self._found[key] = threshold_curve(
                fold.validation.labels,
                fold.validation.predictions,
                rule,
                self._grid,
                self._metrics,
                false_threshold=false_threshold,
            )
        return self._found[key]


def grid_of(text: str) -> list[float]:
    """`0:1:1000` (from, to, how many), numbers and `always`, separated by commas.

    Raises:
        InputError: What is none of these.
    """
    found: list[float] = []
    for piece in text.split(","):
        try:
            if ":" in piece:
                low, high, count = piece.split(":")
                found += np.linspace(float(low), float(high), int(count)).tolist()
            else:
                found.append(float("inf") if piece.strip() == "always" else float(piece))
        except ValueError:
            raise InputError(
                f"--thresholds: '{piece}' is neither FROM:TO:COUNT, a number nor always"
            ) from None
    if not found:
        raise InputError("--thresholds: no value")
    for value in found:
        threshold_value(value)
    return found


def rule_way(rule: str, threshold: str | None, by: str, false_threshold: float | None) -> Way:
    """One rule, with T* given in words (see WORDS) if it has one.

    Raises:
        InputError: A rule or word that does not exist, or do not go together.
    """
    label = rule + (" + False" if false_threshold is not None else "")
    if not rule_named(rule).has_threshold:
        if threshold is not None:
            raise InputError(f"--threshold: rule '{rule}' has none: leave it out")
        fixed = Decision(rule, false_threshold=false_threshold)
        return Way(label, lambda fold: fixed)
    if threshold is None:
        raise InputError(f"--threshold: rule '{rule}' needs one: {WORDS}")
    find = _threshold_finder(rule, threshold.strip(), by, false_threshold)

    def choose(fold: Fold) -> Decision:
        return Decision(rule, find(fold), false_threshold=false_threshold)

    return Way(label, choose, by if threshold.strip() == "exact" else "")


def sweep_ways(
    networks: Sequence[str], by: str, false_threshold: float | None, grid: Curves | None
) -> list[Way]:
    """Every rule that these networks allow, with the best T* on validation: exact, or of a grid.

    With the False network, rules with a T* come a second time with the extension.
    """
    ways = []
    for rule in RULES.values():
        if not set(rule.uses) <= set(networks):
            continue
        if not rule.has_threshold:
            ways.append(rule_way(rule.name, None, by, None))
            continue
        extensions = [None] if false_threshold is None else [None, false_threshold]
        for extension in extensions:
            if grid is None:
                ways.append(rule_way(rule.name, "exact", by, extension))
            else:
                ways.append(_grid_way(rule.name, by, extension, grid))
    return ways


def search_ways(
    rule: str,
    threshold: str | None,
    space: Sequence[str],
    objectives: Sequence[str],
    *,
    networks: Sequence[str],
    false_threshold: float | None,
    has_training: bool,
    trials: int,
    sampler: SamplerName,
    seed: int,
    costs: Sequence[Sequence[float]] | None,
    storage: Path | None,
    study: str,
) -> list[Way]:
    """The search, after what it is to be held against: no second network, T* = 0.9, exact T*.

    Raises:
        InputError: A rule that does not exist, or a first objective that is not a quality.
    """
    quality = objectives[0] if objectives else ""
    if quality == "share":
        raise InputError("--objective: name the quality first, share second")
    moves = rule_named(rule).has_threshold
    searches_threshold = bool({"threshold", "class_thresholds"} & set(space))
    fixed_false = None if "false_threshold" in space else false_threshold
    ways = [rule_way(rule, None, quality, fixed_false)] if not moves else []
    exact: Way | None = None
    if moves:
        if "original" in networks:
            ways.append(rule_way("original", None, quality, None))
        ways.append(
            _labelled(rule_way(rule, f"{PAPERS_THRESHOLD}", quality, fixed_false), "T* 0.9")
        )
        if has_training:
            histogram = rule_way(rule, "histogram", quality, fixed_false)
            ways.append(_labelled(histogram, "T* by histogram"))
        if quality != "cost":
            exact = _labelled(rule_way(rule, "exact", quality, fixed_false), "exact T*")
            ways.append(exact)
    find = (
        _threshold_finder(rule, threshold.strip(), quality, fixed_false)
        if threshold is not None and moves and not searches_threshold
        else None
    )
    searches: list[SearchResult] = []

    def choose(fold: Fold) -> Decision:
        given: Threshold | None = find(fold) if find else None
        known = (exact.choose(fold),) if exact is not None and searches_threshold else ()
        found = search_decision(
            fold.validation.labels,
            fold.validation.predictions,
            rule,
            space,
            objectives,
            trials=trials,
            sampler=sampler,
            seed=seed,
            costs=costs,
            threshold=given,
            false_threshold=fixed_false,
            start=known,
            storage=storage,
            study=f"{study} fold {fold.name}",
        )
        searches.append(found)
        return found.decision

    return [*ways, Way("search", choose, quality, searches, tuple(objectives))]


def default_space(rule: str, classes: int, *, with_false: bool) -> tuple[str, ...]:
    """All that a search can move, but for one T* a class."""
    chosen = rule_named(rule)
    space = ["threshold"] if chosen.has_threshold else []
    space += ["weight"] if chosen.uses == MIXED else []
    space += ["cutoff"] if classes == 2 else []
    space += ["false_threshold"] if with_false else []
    return tuple(space)


def _labelled(way: Way, text: str) -> Way:
    return Way(f"{way.label}, {text}", way.choose, way.chosen_by)


def _grid_way(rule: str, by: str, false_threshold: float | None, grid: Curves) -> Way:
    def choose(fold: Fold) -> Decision:
        choice = choose_threshold(grid.of(fold, rule, false_threshold), by)
        return Decision(rule, choice.threshold, false_threshold=false_threshold)

    return Way(rule + (" + False" if false_threshold is not None else ""), choose, by)


def _threshold_finder(
    rule: str, word: str, by: str, false_threshold: float | None
) -> Callable[[Fold], float]:
    if word == "exact":
        return lambda fold: (
            best_threshold(
                fold.validation.labels,
                fold.validation.predictions,
                rule,
                by,
                false_threshold=false_threshold,
            ).threshold
        )
    if word == "histogram":
        return _by_histogram
    if word.endswith("%"):
        share = _number(word[:-1], word) / 100
        if not 0 <= share <= 1:
            raise InputError(f"--threshold: {word} is outside 0% to 100%")
        return lambda fold: threshold_from_share(fold.validation.predictions["original"], share)
    value = math.inf if word == "always" else threshold_value(_number(word, word))
    return lambda fold: value


def _by_histogram(fold: Fold) -> float:
    if not len(fold.training):
        raise InputError(
            "--threshold histogram is read off training images: the column split needs 'train' rows"
        )
    return histogram_threshold(fold.training.predictions["original"])


def _number(text: str, word: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--threshold: '{word}' is not {WORDS}") from None
