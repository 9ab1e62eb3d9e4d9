"""What a table says of its cells: what varied, which folds have no value, what collapsed."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from abl.app.keeping import rendered
from abl.decide.intervals import cell_of
from abl.decide.metric_registry import metric
from abl.decide.metrics import METRICS
from abl.decide.replicates import KEYS
from abl.plan.facts import Facts
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome
from abl.plan.outcome_json import outcome_from_json, outcome_to_json
from abl.report.collapse import collapsed_arms
from abl.report.figures.forest import forest_figure
from abl.report.labels import metric_label
from abl.report.prediction_frames import repeated_trainings
from abl.report.tables import printed, styled_table, table_of
from abl.report.tables.facts import facts_tables
from abl.spec.table_style import TableStyle
from made_arms import made_frame, made_outcome


def an_outcome(*arms: ArmOutcome, facts: Facts = Facts(), primary: str = "auc") -> Outcome:
    metrics = tuple(arms[0].cells)
    return Outcome("made", "0", "two_step", "", ("rule",), metrics, primary, "", arms, (), facts)


def an_arm(rule: str, replicates: pd.DataFrame, **changes: object) -> ArmOutcome:
    names = [name for name in replicates.columns if name not in KEYS]
    cells = {
        name: cell_of(replicates[KEYS].assign(value=replicates[name]), low=0.7, high=0.9)
        for name in names
    }
    return replace(ArmOutcome(rule, {"rule": rule}, cells, replicates), **changes)


def replicates_of(folds: int, seeds: int, **values: list[float]) -> pd.DataFrame:
    rows = [(0, fold, seed) for fold in range(folds) for seed in range(seeds)]
    return pd.DataFrame(rows, columns=KEYS).assign(**values)


def said(outcome: Outcome, **options: object) -> str:
    return " ".join(printed(table_of(outcome, **options), "text", width=200).split())


@pytest.mark.parametrize(
    ("folds", "seeds", "words"),
    [
        (1, 1, "One replicate, one split (fold 0) and one seed (0): there is no standard"),
        (1, 3, "over 3 replicates: 3 seeds (0, 1, 2) of one split (fold 0): what other test"),
        (4, 1, "over 4 replicates: 4 splits (folds 0, 1, 2, 3) with one seed (0): what other"),
        (2, 2, "over 4 replicates: 2 splits (folds 0, 1) × 2 seeds (0, 1)."),
    ],
)
def test_the_footnote_of_the_spread_says_what_varied(folds: int, seeds: int, words: str) -> None:
    values = np.linspace(0.7, 0.9, folds * seeds).tolist()
    outcome = an_outcome(an_arm("a", replicates_of(folds, seeds, auc=values)))
    assert words in said(outcome, spread=True)
    assert "standard deviation" not in said(outcome)


def test_equal_seeds_are_no_spread_of_nothing() -> None:
    """One prediction that was given for three seeds looks like three seeds that agree."""
    frame = made_frame({"given": 1.0, "trained": 1.2}, folds=2)
    given = (frame["arm"] == "given").to_numpy()
    first = frame[given & (frame["seed"] == 0).to_numpy()]
    copies = [first.assign(seed=seed) for seed in range(3)]
    shuffled = pd.concat([frame[~given], *copies]).sample(frac=1, random_state=0)
    trainings = repeated_trainings(shuffled)
    assert trainings == {"given": 2}
    assert repeated_trainings(frame) == {}
    arm = an_arm("given", replicates_of(2, 3, auc=[0.8] * 3 + [0.9] * 3))
    one_split = an_arm("once", replicates_of(1, 3, auc=[0.8] * 3))
    other = an_arm("trained", replicates_of(2, 3, auc=[0.8, 0.8, 0.8, 0.8, 0.8, 0.8]))
    facts = Facts(trainings=trainings | {"once": 1})
    outcome = an_outcome(arm, one_split, other, facts=facts)
    table = table_of(outcome, spread=True)
    cells = {row[0].text: row[1].text for row in table.rows}
    # the sd of the two splits, not of six replicates
    assert cells == {"given": "85.0 ± 7.1", "once": "80.0", "trained": "80.0 ± 0.0"}
    text = said(outcome, spread=True)
    assert "2 trainings in 6 replicates: seeds of one split predict the same" in text
    assert "1 training in 3 replicates" in text


def test_a_fold_without_a_value_is_counted_in_its_own_column() -> None:
    values = {"auc": [0.9, 0.8, 0.7, 0.6], "f1": [0.9, math.nan, 0.7, 0.8], "sen": [math.nan] * 4}
    outcome = an_outcome(an_arm("a", replicates_of(4, 1, **values)))
    table = table_of(outcome)
    auc, f1, sen = table.rows[0][1:4]
    assert (auc.marks, f1.text) == ((), "80.0 [70.0, 90.0]")
    assert sen.text == "– (0 of 4 folds)"
    notes = {note.mark: note.text for note in table.notes}
    assert notes[f1.marks[0]].startswith("over 3 of 4 folds, undefined in the others")


def test_a_value_that_a_seed_decides_is_counted_by_replicates() -> None:
    values = [0.9, math.nan, 0.7, 0.6]
    outcome = an_outcome(an_arm("a", replicates_of(2, 2, auc=values)))
    assert "over 3 of 4 replicates, undefined in the others" in said(outcome)
    by_split = replicates_of(2, 2, auc=[math.nan, math.nan, 0.7, 0.6])
    assert "over 1 of 2 folds, undefined in the others" in said(an_outcome(an_arm("a", by_split)))


def test_the_table_of_mlflow_has_the_same_cells() -> None:
    outcome = an_outcome(an_arm("a", replicates_of(1, 2, auc=[0.8, 0.82])))
    assert "81.0 [70.0, 90.0]" in rendered(outcome)["table.json"]
    spread = replace(outcome, facts=Facts(table=TableStyle(spread=True)))
    assert "81.0 ± 1.4" in rendered(spread)["table.json"]
    assert styled_table(spread).rows[0][1].text == "81.0 ± 1.4"


def test_a_better_auc_with_a_collapsed_f1_is_warned_of_in_its_row() -> None:
    frame = made_frame({"base": 0.8, "arm": 2.5, "fine": 2.5})
    # ranks are the better, and nearly all is called negative
    odds = frame["p_1"] / frame["p_0"]
    low = (frame["arm"] == "arm").to_numpy()
    frame["p_1"] = np.where(low, odds * 0.005 / (1 + odds * 0.005), frame["p_1"])
    frame["p_0"] = 1 - frame["p_1"]
    params = {key: {"rule": key} for key in ("base", "arm", "fine")}
    outcome = made_outcome(frame, params, axes=("rule",), base="base")
    better = Comparison("base", 0.118, 0.05, 0.2, 0.001, 0.001, "better")
    arms = [outcome.arms[0], *(replace(a, comparison=better) for a in outcome.arms[1:])]
    outcome = replace(outcome, primary="auc", arms=tuple(arms))
    facts = replace(outcome.facts, classes=("benign", "malignant"))
    outcome = replace(outcome, facts=facts)
    found = collapsed_arms(outcome, frame)
    assert list(found) == ["arm"]
    assert {row["what"] for row in found["arm"]} >= {"f1", "called malignant"}
    outcome = replace(outcome, facts=replace(facts, collapsed=found))
    table = table_of(outcome)
    at = [column.label for column in table.columns].index("verdict")
    marks = {row[0].text: row[at].marks for row in table.rows}
    assert (marks["base"], marks["fine"]) == ((), ())
    notes = {note.mark: note.text for note in table.notes}
    text = " ".join(notes[mark] for mark in marks["arm"])
    assert "warning: F1 falls from" in text
    assert "though AUC is +11.8 points" in text
    # an arm that is worse on the primary metric is called that already
    worse = replace(better, difference=-0.1, verdict="worse")
    arms = [outcome.arms[0], *(replace(a, comparison=worse) for a in outcome.arms[1:])]
    assert collapsed_arms(replace(outcome, arms=tuple(arms)), frame) == {}


def test_what_is_kept_beside_the_table_comes_back() -> None:
    facts = Facts(
        controls={"a": "why"},
        trainings={"a": 2},
        collapsed={"a": [{"what": "f1", "before": 0.8, "after": 0.5}]},
        table=TableStyle(spread=True),
    )
    outcome = an_outcome(an_arm("a", replicates_of(1, 2, auc=[0.8, 0.82])), facts=facts)
    again = outcome_from_json(outcome_to_json(outcome))
    assert again.facts.flat() == outcome.facts.flat()
    # nothing of it is written where there is nothing
    plain = outcome_to_json(replace(outcome, facts=Facts()))
    assert not {"controls", "trainings", "collapsed", "spread"} & set(Facts().flat()["table"])
    assert '"controls"' not in plain


def test_a_control_is_never_marked_whatever_was_kept() -> None:
    cells = {"auc": Cell(0.9, 0.01, 0.8, 0.95, 3)}
    frame = replicates_of(1, 3, auc=[0.89, 0.9, 0.91])
    arms = [ArmOutcome(key, {"rule": key}, cells, frame) for key in ("own", "shuffled")]
    arms[1] = replace(arms[1], best=True)
    outcome = an_outcome(*arms, facts=Facts(controls={"shuffled": "it saw the labels"}))
    text = printed(table_of(outcome), "text")
    assert "shuffled (control)" in text
    assert "*" not in text
    assert "best arm on" not in text
    assert "a control, never the best: it saw the labels" in text


def test_a_metric_is_called_as_it_was_registered() -> None:
    assert [metric_label(n) for n in ("ap", "balanced_acc", "youden")] == ["AP", "BACC", "Youden"]
    assert metric_label("sen", 3) == "SEN macro"
    assert metric_label("acc", 3) == "ACC"

    @metric("own_score", label="Own score, ‰")
    def own_score(labels, p, weights=None) -> float:  # type: ignore[no-untyped-def]
        """A user's own."""
        return 0.5

    try:
        assert metric_label("own_score") == "Own score, ‰"
    finally:
        del METRICS["own_score"]


def test_an_arm_that_predicts_what_its_base_does_has_no_interval_of_the_difference() -> None:
    frame = made_frame({"a": 0.4, "b": 0.9})
    twin = frame[frame["arm"] == "a"].assign(arm="twin")
    arms = {key: {"rule": key} for key in ("a", "b", "twin")}
    outcome = made_outcome(pd.concat([frame, twin]), arms, axes=("rule",), base="a")
    row = next(
        line
        for line in printed(table_of(outcome), "text", width=200).splitlines()
        if line.startswith("twin")
    )
    assert re.search(r"  0\.0 +same predictions +–", row)
    shown = json.loads(rendered(outcome)["table.json"])
    (twin,) = [row for row in shown["data"] if row[0] == "twin"]
    assert shown["columns"][:4] == ["rule", "ACC, %", "Δ ACC, points", "verdict"]
    assert twin[2:4] == ["0.0", "same predictions"]


def test_a_difference_over_fewer_replicates_than_the_arm_has_says_so() -> None:
    base = an_arm("base", replicates_of(1, 3, auc=[0.7, math.nan, math.nan]))
    found = Comparison("base", 0.1, -0.1, 0.3, 0.3, 0.3, "undecided")
    arms = [
        an_arm("some", replicates_of(1, 3, auc=[0.8, 0.9, math.nan]), comparison=found),
        an_arm("all", replicates_of(1, 3, auc=[0.8, 0.9, 0.7]), comparison=found),
    ]
    table = table_of(an_outcome(base, *arms))
    notes = {note.mark: note.text for note in table.notes}
    at = [column.label for column in table.columns].index("Δ AUC, points")
    for row, of_arm in ((1, "over 2 of 3 replicates, undefined"), (2, "")):
        own, difference = table.rows[row][1], table.rows[row][at]
        assert " ".join(notes[mark] for mark in own.marks).startswith(of_arm)
        assert notes[difference.marks[0]].startswith("over 1 of 3 replicates, undefined")
    # and so do the sentences and the forest plot
    sentences = " ".join(table.lead)
    for name in ("some", "all"):
        assert f"{name} (+10.0 points [−10.0, 30.0] over 1 of 3 replicates)" in sentences
    forest = forest_figure(an_outcome(base, *arms))
    verdicts = [text.get_text() for text in forest.axes[0].child_axes[0].get_yticklabels()]
    assert verdicts == ["+10.0  undecided (1 of 3 replicates)"] * 2
    assert "In brackets: over which replicates" in forest.get_label()
    assert all("(1 of 3 replicates)" in text.get_text() for text in forest.narrow.axes[0].texts)
    row = {"arm": "all", "base": "base", "difference": 0.1, "low": -0.1, "high": 0.3, "p": 0.3}
    tests = facts_tables(an_outcome(base, *arms, facts=Facts(tests=[row])))["tests"]
    assert tests.rows[0][2].marks == ("a",)
    assert tests.notes[-1].text.startswith("over 1 of 3 replicates, undefined")
    whole = replace(base, replicates=replicates_of(1, 3, auc=[0.7, 0.7, 0.7]))
    assert table_of(an_outcome(whole, arms[1])).rows[1][at].marks == ()
    assert "of 3 replicates" not in " ".join(table_of(an_outcome(whole, arms[1])).lead)
    assert "In brackets" not in forest_figure(an_outcome(whole, arms[1])).get_label()
