"""The sentences that a report, a terminal and MLflow begin with, from verdicts alone."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd
import pytest

from abl.plan.facts import Facts
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome
from abl.report.answer import answer_sentences
from abl.report.tables import FORMATS, printed, table_of
from abl.report.tables.more import replicates_table
from abl.report.tables.render import answer_markdown
from abl.spec.labels import Labels

POWER = (
    "100 test patients (55 positive): a difference in AUC of two arms under about 12.4 points will "
    "hardly be seen; 11.0 points with 6 seeds (80 % power, both near 0.8)"
)


def arm(rule: str, mean: float, verdict: str = "", difference: float = 0.0, **params) -> ArmOutcome:
    found = None
    if verdict:
        low, high = difference - 0.02, difference + 0.02
        found = Comparison("original", difference, low, high, 0.01, 0.02, verdict)
    cells = {"auc": Cell(mean, 0.01, mean - 0.03, mean + 0.03, 3)}
    frame = pd.DataFrame({"repeat": [0, 0, 0], "fold": 0, "seed": [0, 1, 2]})
    return ArmOutcome(rule, {"rule": rule, **params}, cells, frame, comparison=found)


def outcome(*arms: ArmOutcome, **facts) -> Outcome:
    axes = tuple(dict.fromkeys(axis for each in arms for axis in each.params))
    known = Facts(ran={"power": [POWER]}, **facts)
    return Outcome("s", "0" * 64, "two_step", "", axes, ("auc",), "auc", "", arms, facts=known)


BASE = arm("original", 0.80)


def test_what_helps_what_harms_what_is_alike_what_is_open_and_what_could_be_seen() -> None:
    found = answer_sentences(
        outcome(
            BASE,
            arm("average", 0.84, "better", 0.04),
            arm("true", 0.75, "worse by more than the margin", -0.05),
            arm("model1", 0.80, "equivalent", 0.001),
            arm("model2", 0.81, "undecided", 0.01),
            margin=0.03,
        )
    )
    assert found == [
        "Asked: 5 arms by rule, compared with original on AUC, over 3 replicates.",
        "average is better than original: AUC +4.0 points [2.0, 6.0].",
        "true is worse than original by more than the margin: AUC −5.0 points [−7.0, −3.0].",
        "Equivalent to original (margin 3.0 points): model1 (+0.1 points [−1.9, 2.1]).",
        "Open, neither a difference nor its absence: model2 (+1.0 points [−1.0, 3.0]).",
        # not what the plan expected of two arms that it knew nothing of
        "100 test patients (55 positive): the intervals of differences reach about 2.0 points to "
        "either side; much smaller differences could not have been seen.",
    ]


def test_where_no_difference_has_an_interval_the_plan_says_what_can_be_seen() -> None:
    assert answer_sentences(outcome(BASE, arm("average", 0.84)))[-1] == (
        "100 test patients (55 positive): a difference in AUC of two arms under about 12.4 points "
        "will hardly be seen."
    )


def test_many_arms_are_counted_and_the_largest_named() -> None:
    arms = [arm(f"r{at}", 0.8, "better", at / 100) for at in range(1, 8)]
    helped = answer_sentences(outcome(BASE, *arms))[1]
    assert helped.startswith("7 of 7 arms are better than original in AUC: most of all r7 (+7.0")
    assert "r4" not in helped


def test_nothing_shown_is_said_and_never_called_no_effect() -> None:
    found = " ".join(answer_sentences(outcome(BASE, arm("average", 0.81, "undecided", 0.01))))
    assert "No arm is shown to be better or worse than original." in found
    assert "no effect" not in found
    assert "no difference" not in found


def test_trained_networks_and_missing_verdicts_are_no_effects() -> None:
    found = answer_sentences(
        outcome(
            BASE,
            arm("a", 0.85, "these networks differ", 0.05),
            arm("b", 0.80, "no verdict: one class only", 0.0),
            arm("c", 0.80, "same predictions", 0.0),
        )
    )
    assert found[1] == "No arm is shown to be better or worse than original."
    assert "No image is predicted otherwise than by its base: c" in found[2]
    assert "different as trained networks, which says nothing of other trainings: a" in found[2]
    assert found[3].startswith("No verdict (one class only): b")


def test_bases_at_equal_other_axes_are_named_by_what_they_share() -> None:
    arms = []
    for n in (1, 3):
        base = dataclasses.replace(arm("original", 0.8, n=n), key=f"o{n}")
        other = arm("average", 0.9, "better", 0.1, n=n)
        compared = dataclasses.replace(other.comparison, base=f"o{n}")  # type: ignore[type-var]
        arms += [base, dataclasses.replace(other, key=f"a{n}", comparison=compared)]
    found = answer_sentences(outcome(*arms))
    assert "compared with original at equal other axes" in found[0]
    assert found[1].startswith("2 of 2 arms are better than original in AUC: average · n 1 (+10.0")


def test_without_a_base_the_best_is_named_and_that_nothing_was_tested() -> None:
    best = dataclasses.replace(arm("average", 0.84), best=True)
    tied = dataclasses.replace(arm("true", 0.83), tied=True)
    found = answer_sentences(outcome(best, tied, arm("original", 0.7)))
    assert found[1] == (
        "Best is average: AUC 84.0 [81.0, 87.0] %; 1 other cannot be told from it. No base was "
        "named, so that no difference was tested."
    )


@pytest.mark.parametrize("count", [1, 3])
def test_failed_arms_are_no_results(count: int) -> None:
    failed = [dataclasses.replace(arm(f"r{at}", 0.8), cells={}, failed="x") for at in range(count)]
    assert answer_sentences(outcome(*failed)) == [
        f"No arm has results: {count} arm{'s' if count > 1 else ''} failed."
    ]
    some = answer_sentences(outcome(BASE, arm("a", 0.8, "better", 0.1), *failed))
    assert f"; {count} failed." in some[0]


def test_a_difference_that_is_not_defined_is_a_dash() -> None:
    nan = dataclasses.replace(
        arm("a", 0.8, "no verdict: undefined"),
        comparison=Comparison("original", *[math.nan] * 5, "no verdict: undefined"),
    )
    assert "No verdict (undefined): a (–" in " ".join(answer_sentences(outcome(BASE, nan)))


@pytest.mark.parametrize("format", ["text", "md", "html"])
def test_a_table_begins_with_them_and_one_for_papers_does_not(format: str) -> None:
    made = table_of(outcome(BASE, arm("average", 0.84, "better", 0.04)))
    shown = " ".join(printed(made, format, width=400).split())
    sentence = "average is better than original: AUC +4.0 points"
    assert 0 < shown.index(sentence) < shown.index("verdict")
    assert sentence not in printed(made, "latex") + printed(made, "csv")


WITHHELD = "no verdict: one class only"


def test_arms_that_have_not_learned_are_named_first_with_what_to_try() -> None:
    arms = (BASE, arm("a", 0.7, WITHHELD, -0.1), arm("b", 0.7, WITHHELD, -0.1))
    made = outcome(
        *arms,
        classes=("smooth", "lobed"),
        one_class={"original": 2, "a": 3},
        one_class_of={"original": 0, "a": 0},
    )
    ran = {"epochs": 12, "settings": [{"arms": [0, 1, 2], "changes": {}}]}
    made = dataclasses.replace(made, facts=dataclasses.replace(made.facts, ran=ran))
    found = answer_sentences(made)
    assert found[1] == (
        "original (the base; smooth; in 2 of 3 replicates) and a (smooth) call every image one "
        "class: their networks have not learned, and no verdict is given where they stand. Train "
        "them longer (train.epochs is 12), with another train.optimizer.lr or, where classes "
        "differ in size, with train.balance."
    )
    assert not any("No arm is shown" in each for each in found)
    assert found[2].startswith("No verdict (one class only): a")
    # no P beside a verdict that is withheld
    assert "0.020" not in printed(table_of(made), "md")
    assert "0.02" in printed(table_of(made), "csv")


def test_what_is_judged_beside_them_is_said_as_ever() -> None:
    arms = (BASE, arm("a", 0.7, WITHHELD, -0.1), arm("b", 0.81, "undecided", 0.01))
    found = answer_sentences(outcome(*arms, one_class={"a": 3}))
    assert found[1].startswith("a calls every image one class: its networks have not learned")
    assert "(train.epochs)" in found[1]
    assert found[2] == "No arm is shown to be better or worse than original."
    # a fold in which one class was right to call, and imported arms, whose training is not ours
    fine = (BASE, arm("b", 0.81, "undecided", 0.01))
    assert "one class" not in " ".join(answer_sentences(outcome(*fine, one_class={"b": 1})))
    theirs = answer_sentences(outcome(*arms, one_class={"a": 3}, imported=["a"]))[1]
    assert theirs == "a calls every image one class: of it no verdict is given."


@pytest.mark.parametrize(
    ("title", "begins", "heads"),
    [
        ("Does it help?", "**Does it help?** Asked", "Does it help? Every replicate"),
        ("It helps.", "**It helps.** Asked", "It helps. Every replicate"),
        ("Fusion", "**Fusion.** Asked", "Fusion: every replicate"),
        ("", "**s.** Asked", "s: every replicate"),
    ],
)
def test_a_title_that_is_a_sentence_keeps_its_own_end(title: str, begins: str, heads: str) -> None:
    made = dataclasses.replace(outcome(BASE, arm("average", 0.84, "better", 0.04)), title=title)
    assert answer_markdown(table_of(made)).startswith(begins)
    assert replicates_table(made).title == heads


LABELS = Labels.model_validate(
    {
        "axes": {"train.augment.rotate_deg": "rotation", "rule": "fusion rule"},
        "values": {"rule": {"average": "mean of both"}, "train.augment.rotate_deg": {15: "turned"}},
        "metrics": {"auc": "AUROC"},
    }
)


@pytest.mark.parametrize("format", FORMATS)
def test_labels_are_used_by_every_format_for_people(format: str) -> None:
    path = "train.augment.rotate_deg"
    arms = [
        arm("original", 0.8, **{path: 0}),
        arm("average", 0.84, "better", 0.04, **{path: 15}),
    ]
    shown = " ".join(printed(table_of(outcome(*arms, labels=LABELS)), format, width=300).split())
    if format == "csv":  # of programs: names as they are in the file
        assert f"rule,{path},auc_mean" in shown
        return
    plain = shown.replace(r"$\cdot$", "·")
    for word in ("mean of both · turned", "original · rotation 0", "AUROC"):
        assert word in plain
    assert path not in shown.replace("\\_", "_")
    assert "Δ AUROC" in shown or r"$\Delta$ AUROC" in shown


def test_an_arm_is_named_by_what_differs_alone() -> None:
    arms = [
        arm("original", 0.8, n=3, network="cnn1"),
        arm("average", 0.8, "better", 0.1, n=3, network="cnn2"),
    ]
    made = table_of(outcome(*arms))
    assert [row[0].text for row in made.rows] == ["original · cnn1", "average · cnn2"]
    assert "The same in all arms: n 3." in [note.text for note in made.notes]


def test_a_word_of_two_axes_says_of_which() -> None:
    arms = [arm("none", 0.8, mask="full"), arm("full", 0.8, mask="none")]
    names = [row[0].text for row in table_of(outcome(*arms)).rows]
    assert names == ["rule none · mask full", "rule full · mask none"]


def test_imported_arms_beside_ours_get_no_advice_on_training() -> None:
    arms = (BASE, arm("a", 0.7, WITHHELD, -0.1), arm("theirs", 0.7, WITHHELD, -0.1))
    made = outcome(*arms, one_class={"a": 3, "theirs": 3}, imported=["theirs"])
    assert answer_sentences(made)[1] == (
        "a and theirs call every image one class, and no verdict is given where they stand. The "
        "networks of a have not learned: train them longer (train.epochs), with another "
        "train.optimizer.lr or, where classes differ in size, with train.balance."
    )
