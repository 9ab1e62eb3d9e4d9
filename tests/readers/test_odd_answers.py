"""`abl readers` on files as strangers bring them: a line and a way out, or a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from abl.app.readers.words import treatment_verdict
from abl.decide.agreement import agreement_band
from abl.decide.readers.contrast_tests import contrast_tests
from abl.decide.readers.contrasts import contrast
from commands import abl

Change = Callable[[pd.DataFrame], pd.DataFrame]


def answers(cases: int = 20, readers: str = "ABC") -> pd.DataFrame:
    draw = np.random.default_rng(1)
    rows = [
        {
            "image": f"i{case}.png",
            "reader": reader,
            "label": ("benign", "malignant")[case % 2],
            "answer": ("benign", "malignant")[(case + (draw.random() < 0.2)) % 2],
        }
        for reader in readers
        for case in range(cases)
    ]
    return pd.DataFrame(rows)


def told(folder: Path, frame: pd.DataFrame, *words: str) -> tuple[int, str]:
    frame.to_csv(folder / "a.csv", index=False)
    found = abl(folder, "readers", "a.csv", *words)
    assert "Traceback" not in found.output
    assert not re.search(r"\bnan\b", found.output)
    return found.exit_code, found.output


def at(row: int, column: str, value: str) -> Change:
    return lambda frame: frame.assign(**{column: frame[column].where(frame.index != row, value)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (at(30, "reader", "a"), "may be one: A, a"),
        (lambda frame: frame.assign(treatment=np.where(frame.index % 2, "aid", "none")),
         "a.csv:2: treatment 'none' says that there"),
        (at(3, "reader", "-"), "a.csv:5: reader '-' says that there is none: write another word"),
        (at(3, "reader", ""), "a.csv:5: reader is empty"),
        (lambda frame: pd.concat(
            [frame.assign(treatment="unaided"),
             frame[frame["reader"] != "C"].assign(treatment="aided")]
        ), "leave such readers out with --without 'C'"),
        (at(22, "label", "malignant"), "a.csv:24: case 'i2.png': truth 'malignant' here"),
        (lambda frame: pd.concat([frame, frame.iloc[[4]]]), "before (row 6)"),
    ],
)  # fmt: skip
def test_what_is_odd_is_told_with_a_way_out(tmp_path: Path, change: Change, said: str) -> None:
    code, output = told(tmp_path, change(answers()))
    assert code == 2
    assert said in output


def test_readers_who_may_be_one_are_named_where_they_are_compared(tmp_path: Path) -> None:
    frame = answers(readers="AB")
    code, output = told(tmp_path, frame.assign(reader=frame["reader"].replace("B", "a")))
    assert code == 0
    assert "If they are one, write one name." in " ".join(output.split())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda frame: frame.assign(answer="benign"), "Undefined: all answers are one"),
        (lambda frame: frame.drop(columns="answer").assign(rating=50), "no spread between cases"),
        (
            lambda frame: frame.assign(patient="p"),
            "Not compared over readers and cases: sen: only 1 positive case or patient",
        ),
        (lambda frame: frame[frame["image"].isin(["i0.png", "i1.png"])], "positives negatives"),
        (
            lambda frame: frame.assign(reader=frame["reader"].replace("C", "ai")),
            "--algorithm ai sets it against the readers",
        ),
        (lambda frame: frame[frame["reader"] == "A"], "--effects fixed_readers is of this one"),
        (
            lambda frame: frame[frame["image"].isin([f"i{at}.png" for at in range(8)])],
            "No interval of fewer than 10 patients",
        ),
    ],
)
def test_where_there_is_no_number_the_reason_is_printed(
    tmp_path: Path, change: Change, reason: str
) -> None:
    code, output = told(tmp_path, change(answers()))
    assert code == 0, output
    assert reason in " ".join(output.split())


def test_an_unknown_image_is_told_with_what_known_ones_look_like(tmp_path: Path) -> None:
    frame = answers()
    once = frame.drop_duplicates("image")[["image", "label"]]
    once.assign(p_0=0.4, p_1=0.6).to_csv(tmp_path / "net.csv", index=False)
    frame = at(1, "image", "other.png")(frame.drop(columns="label"))
    code, output = told(tmp_path, frame, "--predictions", "net.csv")
    assert code == 2
    assert "a.csv:3: case 'other.png' has no known truth; known are such as 'i0.png'" in output


def test_two_readers_are_compared_on_what_both_read(tmp_path: Path) -> None:
    frame = answers(40)
    number = frame["image"].str[1:-4].astype(int)
    some = frame[~((frame["reader"] == "A") & (number < 6))]  # A lacks six
    code, output = told(tmp_path, some, "--json")
    assert code == 0
    pairs = {(each["first"], each["second"]): each for each in json.loads(output)["pairs"]}
    right = (frame["answer"] == frame["label"]).where(number >= 6)
    share = right.groupby(frame["reader"]).mean()
    assert pairs["A", "B"]["acc"]["estimate"] == pytest.approx(share["A"] - share["B"])
    assert pairs["A", "B"]["cases"] == 34


def test_readers_of_cases_of_their_own_are_not_compared_by_pairs(tmp_path: Path) -> None:
    frame = answers(60)
    number = frame["image"].str[1:-4].astype(int)
    nested = frame[(number // 20) == frame["reader"].map({"A": 0, "B": 1, "C": 2})]
    code, output = told(tmp_path, nested)
    assert code == 0
    said = " ".join(output.split())
    assert "read none of the same cases: 3 pairs (A - B, A - C, B - C)" in said
    assert "difference (P)" not in said


def test_readers_who_share_some_of_their_cases_are_refused_or_compared_on_these(
    tmp_path: Path,
) -> None:
    frame = answers(40)
    number = frame["image"].str[1:-4].astype(int)
    few = frame[~((frame["reader"] == "A") & (number < 8))]  # a fifth
    assert told(tmp_path, few)[0] == 0
    many = frame[~((frame["reader"] == "A") & (number < 9))]
    code, output = told(tmp_path, many)
    assert code == 2
    assert "compare on the 31 alone with --complete" in " ".join(output.split())
    code, output = told(tmp_path, many, "--complete")
    assert code == 0
    assert "9 cases without an answer of each left out" in " ".join(output.split())


def test_a_rater_is_counted_by_what_each_number_lacks(tmp_path: Path) -> None:
    frame = answers(40).assign(rating=lambda frame: np.arange(len(frame)) % 7)
    frame.loc[[0, 1, 2], "rating"] = np.nan  # A: answered, not rated
    frame.loc[[5], "answer"] = ""  # rated, not answered
    code, output = told(tmp_path, frame, "--json")
    assert code == 0
    own = json.loads(output)["raters"][0]
    assert (own["missing"], own["missing_ratings"]) == (1, 3)
    assert (own["positives"], own["negatives"]) == (19, 20)
    assert own["tp"] + own["fn"] == 19
    said = " ".join(told(tmp_path, frame)[1].split())
    assert f"{own['tp']} of 19" in said
    assert "no answer no rating" in said


@pytest.mark.parametrize("words", [("--base", "aided"), ("--order", "a,b")])
def test_without_treatments_none_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    code, output = told(tmp_path, answers(), *words)
    assert code == 2
    assert f"{words[0]}: the answers have no column treatment" in output
    assert "valid" not in output


def test_a_page_that_is_half_filled_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    """An algorithm knows all cases; a reader answered four."""
    frame = answers(40, "A")
    once = frame[["image", "label"]]
    once.assign(p_0=0.4, p_1=0.6).to_csv(tmp_path / "net.csv", index=False)
    frame["answer"] = frame["answer"].where(frame.index < 4, "")
    words = ("--predictions", "net.csv")
    code, output = told(tmp_path, frame, *words)
    assert code == 0
    assert "2 of 2" in output
    assert "net - readers" in output
    frame["answer"] = frame["answer"].where(frame.index < 3, "")
    code, output = told(tmp_path, frame, *words)
    assert code == 0
    assert "Not compared over readers and cases: sen: only 1 positive" in " ".join(output.split())


def test_answers_of_a_page_say_where_their_truth_is(tmp_path: Path) -> None:
    code, output = told(tmp_path, answers().drop(columns="label").assign(sweep="ens"))
    assert code == 0
    assert "--sweep ens brings the truth" in " ".join(output.split())


def test_infinite_degrees_of_freedom_are_null_and_said(tmp_path: Path) -> None:
    found = json.loads(told(tmp_path, answers(60), "--json")[1])
    analyses = found["comparisons"][0]["analyses"]
    fixed, random = (analyses[each]["treatments"][0] for each in ("fixed_readers", "fixed_cases"))
    assert (fixed["df"], fixed["df_infinite"]) == (None, True)
    assert (random["df"], random["df_infinite"]) == (2, False)


def test_words_of_agreement_are_of_the_printed_number() -> None:
    assert agreement_band(0.6004) == agreement_band(0.6) == "moderate"
    assert agreement_band(0.6006) == "substantial"


def test_of_whom_something_holds_is_said_only_where_it_is_shown() -> None:
    def said(low: float, high: float, margin: float | None) -> str:
        error = (high - low) / 2 / stats.t.ppf(0.975, 9)
        found = contrast("a - b", (low + high) / 2, error**2, 9, tested=True)
        return treatment_verdict(found, margin, "random", contrast_tests([found], margin)[0])

    assert "It holds" not in said(-0.2, 0.3, None)
    assert "It holds" not in said(-0.2, 0.3, 0.1)
    for low, high, margin in ((0.1, 0.3, None), (-0.05, 0.3, 0.1), (-0.05, 0.05, 0.1)):
        assert "It holds for other readers on other cases." in said(low, high, margin)
        assert "undecided" not in said(low, high, margin)
