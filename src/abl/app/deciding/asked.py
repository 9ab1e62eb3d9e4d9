"""What `abl decide` is asked for: options that do not go together, and those that cannot matter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from abl.data.tables.rows import class_name_problems
from abl.decide.chooser import written_share
from abl.decide.decision_space import PARAMETERS
from abl.decide.metric_names import metric_named
from abl.decide.metrics import METRICS
from abl.decide.promise import Promise
from abl.decide.rules import FALSE_THRESHOLD, RULES, threshold_value
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.outputs import TABLES, Output, refuse_outputs, table_with
from abl.search.samplers import SamplerName, asking_samplers

FORMATS = ("text", "md", "csv", "json")
WORDS = "a number in [0, 1], always, a share such as 38%, exact, promise, or histogram"
OBJECTIVES = ("cost", "share")
SEARCHED_THRESHOLDS = frozenset({"threshold", "class_thresholds"})


@dataclass(frozen=True)
class Asked:
    """The options of the command; None or empty where one is not given.

    With a column split, choices are made on validation rows and the test rows are scored once, with
    95 % intervals by patient; without it everything is chosen and scored on all rows, and said so.
    With a column fold this is done within each fold. An option that cannot matter is refused.

    Attributes:
        original, true, false: Files of data.prediction_file.
        rule, threshold: One rule and its T* in words (WORDS); or, with `search`, the
            rule that is searched (model1).
        sweep, search: The best T* of every rule, or what a search finds, instead of one rule.
        false_threshold: Of the False extension; 0.1 if `false` is given.
        metrics: Columns.
        by: Metric that thresholds are chosen by; f1.
        thresholds: Grid of T* for a sweep (grid_of); without it T* is exact.
        space, objectives, trials, sampler, seed, costs: Of decision_search.DecisionOptions; by
            default `objectives` is (by,), 200 trials, tpe, seed 0. `costs` without a search add the
            expected cost to the scores.
        study: Journal of the search.
        risk, level, confidence: Of decide.promise.Promise, for the threshold `promise`.
        classes: Names of labels 0, 1, ...; of two classes by default benign and malignant.
        out, curve: Files to write; nothing is written if anything is wrong.
    """

    original: Path
    true: Path | None = None
    false: Path | None = None
    rule: str | None = None
    threshold: str | None = None
    sweep: bool = False
    search: bool = False
    false_threshold: float | None = None
    metrics: Sequence[str] = ("acc", "spe", "sen", "f1", "auc")
    by: str | None = None
    thresholds: str | None = None
    space: Sequence[str] = ()
    objectives: Sequence[str] = ()
    trials: int | None = None
    sampler: SamplerName | None = None
    seed: int | None = None
    costs: Sequence[Sequence[float]] | None = None
    study: Path | None = None
    risk: str | None = None
    level: float | None = None
    confidence: float | None = None
    classes: Sequence[str] | None = None
    out: Path | None = None
    curve: Path | None = None
    format: str = "text"
    force: bool = False

    @property
    def paths(self) -> dict[str, Path]:
        given = {"original": self.original, "true": self.true, "false": self.false}
        return {name: path for name, path in given.items() if path is not None}

    @property
    def chosen_by(self) -> str:
        return "f1" if self.by is None else self.by

    @property
    def is_exact(self) -> bool:
        """Whether the one rule's T* is the best there is."""
        return (self.threshold or "").strip() == "exact"

    @property
    def promise(self) -> Promise | None:
        """What the one rule's T* promises; None if it promises nothing. Raises InputError."""
        if (self.threshold or "").strip() != "promise":
            return None
        given = {"risk": self.risk, "level": self.level, "confidence": self.confidence}
        return Promise(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]

    @property
    def false_cut(self) -> float | None:
        """Threshold of the False extension; None if it is off."""
        default = None if self.false is None else FALSE_THRESHOLD
        return default if self.false_threshold is None else self.false_threshold

    def check(self) -> None:
        """Raises InputError with every option that is wrong, contradicts another or is of no use.

        The files are not read.
        """
        problems = [*self._of_ways(), *self._of_thresholds(), *self._names(), *self._files()]
        raise_if_any([Problem(each) for each in dict.fromkeys(problems)])

    def _of_ways(self) -> Iterator[str]:
        if self.sweep and self.search:
            yield "--sweep or --search, not both"
        if self.sweep and (self.rule is not None or self.threshold is not None):
            yield "--sweep takes every rule at its best T*: leave --rule and --threshold out"
        if not self.sweep and not self.search and self.rule is None:
            yield "say how to decide: --rule NAME (with --threshold), --sweep or --search"
        if not self.sweep and (self.thresholds is not None or self.curve is not None):
            yield "--thresholds and --curve belong to --sweep"
        if self.by is not None and not self.sweep:
            if self.search and self.objectives:
                yield "--by or --objective, not both"
            elif not self.search and not self.is_exact:
                yield "--by chooses nothing here: it belongs to --sweep, --search or an exact T*"
        if self.format not in FORMATS:
            yield f"--format {self.format}: {nearest(self.format, FORMATS)}"
        if not self.search:
            given = {"--over": self.space or None, "--objective": self.objectives or None,
                     "--trials": self.trials, "--sampler": self.sampler, "--seed": self.seed,
                     "--study": self.study}  # fmt: skip
            if useless := [option for option, value in given.items() if value is not None]:
                verb = "belongs" if len(useless) == 1 else "belong"
                yield f"{', '.join(useless)} {verb} to --search"
        elif self.costs is not None and "cost" not in self.objectives:
            yield "--costs: with --search add --objective cost, or leave the costs out"
        if "cost" in self.objectives and self.costs is None:
            yield "--objective cost needs --costs, as 0,1/5,0"
        if self.trials is not None and self.trials < 1:
            yield f"--trials: {self.trials} is less than 1"

    def _of_thresholds(self) -> Iterator[str]:
        given = {"--risk": self.risk, "--level": self.level, "--confidence": self.confidence}
        useless = [option for option, value in given.items() if value is not None]
        try:
            if self.promise is None and useless:
                verb = "belongs" if len(useless) == 1 else "belong"
                yield f"{', '.join(useless)} {verb} to --threshold promise"
        except InputError as error:
            yield from (f"--{each.message}" for each in error.problems)
        if self.false_threshold is not None and self.false is None:
            yield "--false-threshold needs the predictions of the False network: --false"
        if not self.search:
            return
        instead = "leave it out, or say by --over what else is searched"
        rule = RULES.get(self.rule or "model1")
        searched = set(self.space)
        if self.threshold is not None and rule is not None:
            if not rule.has_threshold:
                yield f"--threshold: rule '{rule.name}' has none: leave it out"
            elif not searched or searched & SEARCHED_THRESHOLDS:
                yield f"--threshold {self.threshold}: --search looks for T* itself: {instead}"
        has_cut = self.false_threshold is not None and self.false is not None
        if has_cut and (not searched or "false_threshold" in searched):
            yield f"--false-threshold: --search looks for it itself: {instead}"

    def _names(self) -> Iterator[str]:
        for name in (*self.metrics, self.chosen_by):
            try:
                metric_named(name)
            except InputError as error:
                yield from (each.message for each in error.problems)
        for name in self.space:
            if name not in PARAMETERS:
                yield f"--over: no '{name}': {nearest(name, PARAMETERS)}"
        for name in self.objectives:
            try:
                if name not in OBJECTIVES:
                    metric_named(name)
            except InputError:
                yield f"--objective {name}: {nearest(name, [*METRICS, *OBJECTIVES])}"
        samplers = asking_samplers()
        if self.sampler is not None and self.sampler not in samplers:
            yield f"--sampler {self.sampler}: {nearest(self.sampler, samplers)}"
        if self.classes is not None:
            yield from class_name_problems(self.classes)

    def _files(self) -> Iterator[str]:
        written = [
            Output(option, path, suffixes, is_own)
            for option, path, suffixes, is_own in (
                ("--out", self.out, TABLES, table_with("image", "p_0", "sent")),
                ("--curve", self.curve, TABLES, table_with("rule", "threshold", "share")),
                # whether it is a search's journal is looked at as it is opened
                ("--study", self.study, (), lambda path: True),
            )
            if path is not None
        ]
        try:
            refuse_outputs(written, self.paths.values(), force=self.force)
        except InputError as error:
            yield from (each.message for each in error.problems)


def read_costs(text: str | None, classes: int | None = None) -> list[list[float]] | None:
    """`0,1/5,0`: a row a true class, a column a final class.

    Args:
        classes: K; None: as many as the text has rows.

    Raises:
        InputError: Not K x K numbers from 0 up.
    """
    if text is None:
        return None
    try:
        table = [[float(cell) for cell in row.split(",")] for row in text.split("/")]
    except ValueError:
        raise InputError(f"--costs: '{text}' is not like 0,1/5,0, a row a true class") from None
    size = max(2, len(table) if classes is None else classes)
    if len(table) != size or any(len(row) != size for row in table):
        raise InputError(
            f"--costs {text}: needs a {size} x {size} table, a row a true class, as 0,1/5,0"
        )
    if any(not math.isfinite(cell) or cell < 0 for row in table for cell in row):
        raise InputError(f"--costs {text}: a cost is a number from 0 up")
    return table


MOST_STEPS = 100_000  # of a grid, as of an axis of a sweep


def grid_of(text: str) -> list[float]:
    """`0:1:1000` (from, to, how many), numbers and `always`, separated by commas.

    Raises:
        InputError: What is none of these; more than MOST_STEPS of them.
    """
    found: list[float] = []
    for piece in text.split(","):
        try:
            if ":" in piece:
                low, high, count = piece.split(":")
                if len(found) + int(count) > MOST_STEPS:  # before there are so many
                    raise InputError(
                        f"--thresholds: '{piece}' makes more than {MOST_STEPS:,} steps: give fewer"
                    )
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


def read_threshold(word: str) -> str | float:
    """T* in words (see WORDS) as Chooser.chosen takes it."""
    if word in ("exact", "histogram", "promise", "always"):
        return word
    try:
        number = float(word.removesuffix("%"))
    except ValueError:
        raise InputError(f"--threshold: '{word}' is not {WORDS}") from None
    if not word.endswith("%"):
        return threshold_value(number)
    try:
        written_share(word)
    except ValueError:
        raise InputError(f"--threshold: {word} is outside 0% to 100%") from None
    return word
