"""Arms that predict one class only: an accuracy near the prevalence says nothing of them."""

from __future__ import annotations

import pandas as pd

from abl.decide.probabilities import largest_class
from abl.decide.replicates import KEYS
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.prediction_frames import probabilities_of


def one_class_replicates(predictions: pd.DataFrame) -> dict[str, int]:
    """Arm (key) -> replicates on which every test unit is given one class; 0 is left out.

    Args:
        predictions: arm, repeat, fold, seed, role, p_0, ...; may be empty.
    """
    if predictions.empty:
        return {}
    tests = predictions[(predictions["role"] == "test").to_numpy()]
    final = tests[KEYS].assign(
        arm=tests["arm"].astype(str), final=largest_class(probabilities_of(tests))
    )
    classes = final.groupby(["arm", *KEYS])["final"].nunique()
    counts = classes[classes == 1].groupby(level="arm").size()
    return {str(arm): int(count) for arm, count in counts.items()}


def one_class_note(outcome: Outcome, arm: ArmOutcome) -> str:
    """What must be said of an arm, "" if nothing; reads facts.one_class."""
    count = outcome.facts.one_class.get(arm.key, 0)
    return one_class_words(count, len(arm.replicates)) if count else ""


def one_class_words(count: int, replicates: int) -> str:
    """`predicts one class only`, with the share of replicates if it is not all."""
    where = f" in {count} of {replicates} replicates" if count < replicates else ""
    return f"predicts one class only{where}"
