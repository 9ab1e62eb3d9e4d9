"""What figures are drawn from: the frames of a sweep, and which arms of it are shown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from abl.decide.check import Floats
from abl.decide.intervals import patient_interval
from abl.decide.metrics import METRICS
from abl.decide.replicates import KEYS, Scores, replicate_scores
from abl.plan.outcome import ArmOutcome, Outcome, Searches
from abl.report.labels import label_in
from abl.report.named import words_of
from abl.report.pictures import Pictures
from abl.report.prediction_frames import probability_columns, scored_replicates

if TYPE_CHECKING:  # a plan and a list draw nothing
    from matplotlib.figure import Figure

MOST_SHOWN = 8
DRAWS = 200
Draw = Callable[[], "Figure | None"]


@dataclass(frozen=True, eq=False)
class Frames:
    """What is kept beside a table, each empty if there is none.

    Attributes:
        predictions: One row an (arm, replicate, role, unit): arm, repeat, fold, seed, role, unit,
            label, patient, sent, p_0, p_1, ....
        networks: The same of single networks: network instead of arm, no sent.
        trials: Points of searches for T*: value_0 (quality), value_1 (share sent on), front, arm.
        pictures: Images with what networks see in them, if the study draws some.
        searches: Points of searches of settings.
        own: Frames of the study's own, by name.
    """

    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    networks: pd.DataFrame = field(default_factory=pd.DataFrame)
    trials: pd.DataFrame = field(default_factory=pd.DataFrame)
    pictures: Pictures | None = None
    searches: Searches = field(default_factory=Searches)
    own: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def classes(self, outcome: Outcome) -> tuple[str, ...]:
        """Names of the classes that predictions are of, as far as they are known."""
        if self.predictions.empty:
            return ()
        if given := outcome.facts.classes:
            return tuple(str(name) for name in given)
        size = len(probability_columns(self.predictions))
        return ("negative", "positive") if size == 2 else ()


@dataclass(frozen=True, eq=False)
class ShownArm:
    """An arm with its predictions on the test sets.

    Attributes:
        outcome: Its row of the table.
        label: It in a few words.
        scores: One for each (repeat, fold, seed).
        base: Others are compared with it.
        best: So marked in the table, which marks none where no verdict is given.
    """

    outcome: ArmOutcome
    label: str
    scores: Sequence[Scores]
    base: bool
    best: bool

    @property
    def label_and_role(self) -> str:
        """The arm in a few words, and whether it is the base, or the best one, or both."""
        roles = [role for role, is_so in (("base", self.base), ("best", self.best)) if is_so]
        return self.label + (f" ({', '.join(roles)})" if roles else "")


@dataclass(frozen=True, eq=False)
class Shown:
    """The arms of a figure, in the order of the table; `cut` says which are left out, or ""."""

    arms: tuple[ShownArm, ...]
    cut: str

    @property
    def base(self) -> ShownArm | None:
        """The arm that others are compared with."""
        return next((arm for arm in self.arms if arm.base), None)


def shown_arms(outcome: Outcome, predictions: pd.DataFrame, most: int = MOST_SHOWN) -> Shown:
    """Base, best, and the next best on the primary metric up to `most` arms, on test."""
    frames = frames_by(predictions, "arm", "test")
    known = [arm for arm in outcome.arms if not arm.failed and arm.key in frames]
    chosen, cut = few_of(outcome, known, most)
    base = base_of(outcome)
    shown = (
        ShownArm(
            arm, row_words(arm, outcome), replicates_in(frames[arm.key]),
            base is not None and arm.key == base.key, arm.best,
        )
        for arm in chosen
    )  # fmt: skip
    return Shown(tuple(shown), cut)


def few_of(
    outcome: Outcome, arms: Sequence[ArmOutcome], most: int = MOST_SHOWN
) -> tuple[list[ArmOutcome], str]:
    """At most `most` of the arms in their order, and the sentence that says which."""
    if len(arms) <= most:
        return list(arms), ""
    base, best = base_of(outcome), best_of(outcome, arms)
    others = sorted(arms, key=lambda arm: (is_control(outcome, arm), -goodness(outcome, arm)))
    ranked = [base, best, *others]
    among = {arm.key for arm in arms}
    keys = dict.fromkeys(arm.key for arm in ranked if arm is not None and arm.key in among)
    kept = set(list(keys)[:most])
    words = f"those with the best {label_in(outcome, outcome.primary)} on test"
    if base is not None and base.key in kept:
        words = f"base and {words}"
    return [arm for arm in arms if arm.key in kept], f"{words}: {len(kept)} of {len(arms)} arms"


def base_of(outcome: Outcome) -> ArmOutcome | None:
    """The arm that most others are compared with; None if nothing is compared."""
    named = Counter(arm.comparison.base for arm in outcome.arms if arm.comparison is not None)
    alone = [arm for arm in outcome.arms if arm.comparison is None and not arm.failed]
    if not named:
        return None
    name = named.most_common(1)[0][0]
    # a comparison names its base by key, or in words
    names = {arm.key: (arm.key, words_of(arm, outcome), outcome.title_of(arm)) for arm in alone}
    named_so = (arm for arm in alone if name in names[arm.key])
    return next(named_so, None) or next(iter(alone), None)


def best_of(outcome: Outcome, arms: Sequence[ArmOutcome]) -> ArmOutcome | None:
    """The arm that the table marks as the best, or has the best value; never a control."""
    able = [arm for arm in arms if not is_control(outcome, arm)]
    marked = next((arm for arm in able if arm.best), None)
    return marked or max(able, key=lambda arm: goodness(outcome, arm), default=None)


def is_control(outcome: Outcome, arm: ArmOutcome) -> bool:
    """Whether an arm used labels of the test set."""
    return arm.key in outcome.facts.controls


def row_words(arm: ArmOutcome, outcome: Outcome) -> str:
    """An arm in a few words, with what it is if it is a control."""
    return words_of(arm, outcome) + (" (control)" if is_control(outcome, arm) else "")


def frames_by(frame: pd.DataFrame, column: str, role: str) -> dict[str, pd.DataFrame]:
    """Rows of one role, by arm or network in the order of their first row."""
    if frame.empty or not {column, "role"} <= set(frame.columns):
        return {}
    rows = frame[frame["role"] == role]
    return {str(name): part for name, part in rows.groupby(column, sort=False, observed=True)}


def replicates_in(frame: pd.DataFrame) -> list[Scores]:
    """The replicates of one arm or network, units sorted by name."""
    return scored_replicates(frame.sort_values([*KEYS, "unit"], kind="stable"))


def shown_metric(arm: ShownArm, metric: str) -> tuple[float, float, float]:
    """Mean and 95 % interval of a metric: the table's, or its own."""
    cell = arm.outcome.cells.get(metric)
    if cell is not None and not math.isnan(cell.low):
        return cell.mean, cell.low, cell.high
    interval = patient_interval(arm.scores, metric, resamples=DRAWS)
    return interval.estimate, interval.low, interval.high


def mean_metric(arm: ShownArm, metric: str) -> float:
    """Mean of a metric over the replicates in which it is defined."""
    values: Floats = replicate_scores(arm.scores, [metric])[metric].to_numpy(np.float64)
    return float(np.nanmean(values)) if not np.isnan(values).all() else math.nan


def table_value(arm: ArmOutcome, metric: str) -> tuple[float, float, float]:
    """Mean and 95 % interval of a metric as the table has them; nan where it does not."""
    cell = arm.cells.get(metric)
    return (math.nan,) * 3 if cell is None else (cell.mean, cell.low, cell.high)


def spread_about(mean: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Mean ± sd; within [0, 1] where all means are, as shares are, which an sd may leave."""
    low, high = mean - sd, mean + sd
    known = mean[~np.isnan(mean)]
    if ((known >= 0) & (known <= 1)).all():
        return np.clip(low, 0, 1), np.clip(high, 0, 1)
    return low, high


def goodness(outcome: Outcome, arm: ArmOutcome) -> float:
    """The primary metric, turned so that more is better; -inf where it is not defined."""
    mean, _, _ = table_value(arm, outcome.primary)
    return -math.inf if arm.failed or math.isnan(mean) else sign_of(outcome.primary) * mean


def sign_of(metric: str) -> float:
    """1, or -1 for a metric of which less is better."""
    known = METRICS.get(metric)
    return -1.0 if known is not None and known.higher_is_better is False else 1.0


def interval_text(mean: float, low: float, high: float) -> str:
    """`0.861 [0.823, 0.897]`."""
    if math.isnan(mean) or math.isnan(low):
        return "undefined" if math.isnan(mean) else f"{mean:.3f}"
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def unit_word(outcome: Outcome) -> str:
    """What is scored, for axes and sentences: images, nodules, patients; cases if not known."""
    return f"{outcome.facts.unit or 'case'}s"
