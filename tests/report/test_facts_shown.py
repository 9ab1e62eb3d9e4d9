"""What `--show tests` and `--show data` print of what an outcome keeps."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from abl.decide.verdicts import ONE_CLASS
from abl.plan.outcome import ArmOutcome, Facts, Outcome
from abl.report.tables import printed
from abl.report.tables.facts import facts_tables

TEST = {"arm": "b", "base": "a", "difference": 0.1, "low": 0.01, "high": 0.2, "p": 0.038}
PART = {"role": "test", "centre": "", "patients": 5, "images": 9}


def outcome(folds: int, verdict: str) -> Outcome:
    frame = pd.DataFrame({"repeat": [0] * folds, "fold": range(folds), "seed": 0, "acc": 0.5})
    arms = tuple(ArmOutcome(name, {"network": name}, {}, frame) for name in "ab")
    facts = Facts(tests=[{**TEST, "p_corrected": 0.066, "verdict": verdict}], data=[PART])
    return Outcome(
        name="mine",
        key="0" * 64,
        study="compare",
        title="",
        axes=("network",),
        metrics=("acc",),
        primary="acc",
        curve_axis="",
        arms=arms,
        facts=facts,
    )


def test_no_p_stands_beside_a_verdict_that_is_withheld() -> None:
    withheld = facts_tables(outcome(2, ONE_CLASS))["tests"]
    text = printed(withheld, "text")
    assert ONE_CLASS in text
    assert "0.038" not in text
    assert "0.066" not in text
    assert "0.038" in printed(withheld, "csv")  # which holds every number
    given = printed(facts_tables(outcome(2, "undecided"))["tests"], "text")
    assert "0.038" in given
    assert "0.066" in given


@pytest.mark.parametrize(("folds", "said"), [(1, False), (3, True)])
def test_data_of_one_split_of_several_says_which(folds: int, said: bool) -> None:
    shown = printed(facts_tables(outcome(folds, "undecided"))["data"], "text")
    assert ("The first of 3 splits (repeat 0, fold 0)" in shown) == said


def test_an_outcome_without_replicates_has_its_data_too() -> None:
    made = outcome(1, "undecided")
    arms = tuple(replace(arm, replicates=pd.DataFrame()) for arm in made.arms)
    assert "test" in printed(facts_tables(replace(made, arms=arms))["data"], "text")
