"""Ways to come to a decision from validation images: given, exact, from a grid, searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from abl.data.prediction_pairs import Fold
from abl.decide.adaptive import MIXED
from abl.decide.chooser import Chooser, Chosen, DecisionOptions, share_of
from abl.decide.decision_space import PAPERS_THRESHOLD
from abl.decide.rules import RULES, Rule, rule_named, threshold_value
from abl.deciding.asked import SEARCHED_THRESHOLDS, Asked
from abl.errors import InputError

WORDS = "a number in [0, 1], always, a share such as 38%, exact, or histogram"
TRIALS = 200


@dataclass(frozen=True, eq=False)
class Way:
    """How a decision is come to.

    Attributes:
        label: Its name in the table.
        rule, by, false_threshold: Of its Chooser.
        choose: From a fold's chooser, reading labels of its validation images only.
        chosen_by: Metric that was maximised there; "" if no label was read.
    """

    label: str
    rule: str
    by: str
    false_threshold: float | None
    choose: Callable[[Chooser, Fold], Chosen]
    chosen_by: str = ""

    def chooser(self, fold: Fold) -> Chooser:
        """Of T* on the validation images of a fold."""
        seen = fold.validation
        return Chooser(self.rule, self.by, seen.labels, seen.predictions, self.false_threshold)


def ways_of(asked: Asked, classes: int, *, has_training: bool, study: str) -> list[Way]:
    """What is asked for: one rule, every rule at its best T*, or a search after its baselines.

    Args:
        classes: K.
        has_training: Whether every fold has training rows.
        study: Digest of what is searched.

    Raises:
        InputError: Rules, words or values that do not exist or do not go together.
    """
    if asked.sweep:
        return _sweep_ways(asked)
    if asked.search:
        return _search_ways(asked, classes, has_training, study)
    return [_rule_way(str(asked.rule), asked.threshold, asked.chosen_by, asked.false_cut)]


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


def _rule_way(
    rule: str, word: str | None, by: str, false_threshold: float | None, ending: str = ""
) -> Way:
    """One rule, with T* given in words (see WORDS) if it has one."""
    has_threshold = rule_named(rule).has_threshold
    if not has_threshold and word is not None:
        raise InputError(f"--threshold: rule '{rule}' has none: leave it out")
    if has_threshold and word is None:
        raise InputError(f"--threshold: rule '{rule}' needs one: {WORDS}")
    value = None if word is None else _read_threshold(word.strip())
    label = rule + (" + False" if false_threshold is not None else "") + ending

    def choose(chooser: Chooser, fold: Fold) -> Chosen:
        return chooser.chosen(value, lambda: _training(fold))

    return Way(label, rule, by, false_threshold, choose, by if value == "exact" else "")


def _sweep_ways(asked: Asked) -> list[Way]:
    """Every rule that the networks allow, with the best T* on validation: exact, or of a grid.

    With the False network, rules with a T* come a second time with the extension.
    """
    by, ways = asked.chosen_by, []
    grid = None if asked.thresholds is None else grid_of(asked.thresholds)

    def along(chooser: Chooser, fold: Fold) -> Chosen:
        return chooser.along(grid or (), asked.metrics)

    for rule in RULES.values():
        if not set(rule.uses) <= set(asked.paths):
            continue
        if not rule.has_threshold:
            ways.append(_rule_way(rule.name, None, by, None))
            continue
        for cut in dict.fromkeys([None, asked.false_cut]):
            way = _rule_way(rule.name, "exact", by, cut)
            ways.append(way if grid is None else Way(way.label, rule.name, by, cut, along, by))
    return ways


def _search_ways(asked: Asked, classes: int, has_training: bool, study: str) -> list[Way]:
    """The search, after what it is to be held against: no second network, T* = 0.9, exact T*."""
    name = asked.rule or "model1"
    space = tuple(asked.space) or _default_space(rule_named(name), classes, asked.false is not None)
    objectives = tuple(asked.objectives) or (asked.chosen_by,)
    by = objectives[0]
    if by == "share":
        raise InputError("--objective: name the quality first, share second")
    has_threshold = rule_named(name).has_threshold
    searches_threshold = bool(SEARCHED_THRESHOLDS & set(space))
    cut = None if "false_threshold" in space else asked.false_cut
    if has_threshold:
        ways = [
            _rule_way("original", None, by, None),
            _rule_way(name, f"{PAPERS_THRESHOLD}", by, cut, ", T* 0.9"),
        ]
        if has_training:
            ways.append(_rule_way(name, "histogram", by, cut, ", T* by histogram"))
        if by != "cost":
            ways.append(_rule_way(name, "exact", by, cut, ", exact T*"))
    else:
        ways = [_rule_way(name, None, by, cut)]
    value = None if asked.threshold is None else _read_threshold(asked.threshold.strip())
    options = DecisionOptions(
        space, objectives, asked.trials or TRIALS, asked.sampler or "tpe", asked.seed or 0,
        asked.costs,
    )  # fmt: skip

    def choose(chooser: Chooser, fold: Fold) -> Chosen:
        def known(value: Any) -> Chosen:
            return chooser.chosen(value, lambda: _training(fold))

        given = None if value is None else known(value).decision.thresholds[0]
        starts = has_threshold and searches_threshold and by != "cost"
        return chooser.searched(
            options,
            threshold=given,
            start=(known("exact").decision,) if starts else (),
            storage=asked.study,
            study=f"{study} fold {fold.name}",
        )

    return [*ways, Way("search", name, by, cut, choose, by)]


def _default_space(rule: Rule, classes: int, with_false: bool) -> tuple[str, ...]:
    """All that a search can move, but for one T* a class."""
    space = ["threshold"] if rule.has_threshold else []
    space += ["weight"] if rule.uses == MIXED else []
    space += ["cutoff"] if classes == 2 else []
    space += ["false_threshold"] if with_false else []
    return tuple(space)


def _training(fold: Fold) -> np.ndarray:
    if not len(fold.training):
        raise InputError(
            "--threshold histogram is read off training images: the column split needs 'train' rows"
        )
    return fold.training.predictions["original"]


def _read_threshold(word: str) -> str | float:
    """T* in words (see WORDS) as Chooser.chosen takes it."""
    if word in ("exact", "histogram", "always"):
        return word
    try:
        number = float(word.removesuffix("%"))
    except ValueError:
        raise InputError(f"--threshold: '{word}' is not {WORDS}") from None
    if not word.endswith("%"):
        return threshold_value(number)
    try:
        share_of(word)
    except ValueError:
        raise InputError(f"--threshold: {word} is outside 0% to 100%") from None
    return word
