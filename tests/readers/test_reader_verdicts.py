"""`abl readers`: what its verdicts go by, and of whom rows and sentences say that they speak."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from abl.app.readers.asked import ReadersAsked
from abl.app.readers.command import readers_analysed
from abl.decide.readers.contrast_tests import contrast_tests
from abl.decide.readers.contrasts import ReaderContrast, contrast

OTHERS = ("other readers on other cases", "these readers on other cases",
          "other readers on these cases")  # fmt: skip


def rated(treatments: str, better: str = "", seed: int = 0, gain: float = 2.0) -> pd.DataFrame:
    """Ratings of five readers in treatments that are equal, but for one."""
    draw = np.random.default_rng(seed)
    shared = draw.normal(size=60)
    rows = []
    for treatment, reader in itertools.product(treatments, range(5)):
        apart = 1.5 + gain * (treatment == better)
        for case in range(60):
            rating = shared[case] + apart * (case % 2) + draw.normal()
            rows.append((f"c{case}", f"R{reader}", treatment, case % 2, rating))
    return pd.DataFrame(rows, columns=["case", "reader", "treatment", "truth", "rating"])


def answered(wrong: dict[tuple[str, str], set[int]], cases: int) -> pd.DataFrame:
    """Answers by reader and treatment, half of the cases negative, some of which are called
    positive."""
    rows = [
        (f"{truth}-{case}", reader, treatment, truth, int(truth or case in misses))
        for (reader, treatment), misses in wrong.items()
        for truth in (0, 1)
        for case in range(cases)
    ]
    return pd.DataFrame(rows, columns=["case", "reader", "treatment", "truth", "answer"])


def text_of(folder: Path, frame: pd.DataFrame, **asked) -> str:
    frame.to_csv(folder / "a.csv", index=False)
    return readers_analysed(ReadersAsked([folder / "a.csv"], **asked), 200).text


def facts_of(folder: Path, frame: pd.DataFrame, **asked):
    return json.loads(text_of(folder, frame, as_json=True, **asked))


def differences(facts):
    return facts["comparisons"][0]["analyses"]["random"]["differences"]


def row_of(text: str, name: str) -> str:
    """The one row of a table that starts so."""
    (found,) = [line.strip() for line in text.splitlines() if line.startswith(f"  {name}  ")]
    return found


def test_of_many_equal_treatments_a_pair_that_is_small_by_chance_is_undecided(
    tmp_path: Path,
) -> None:
    frame = rated("abcdef", seed=3)
    found = differences(facts_of(tmp_path, frame, margin=0.02))
    p = [each["p"] for each in found]
    assert min(p) < 0.05  # by chance
    assert [each["p_holm"] for each in found] == pytest.approx(multipletests(p, method="holm")[1])
    text = text_of(tmp_path, frame)
    verdicts = [line for line in text.splitlines() if line[1:4] == " - " and ": " in line]
    assert len(verdicts) == 15
    assert all(line.endswith(": undecided.") for line in verdicts)
    assert "It holds for" not in text
    assert "P, Holm: corrected over 15 pairs; verdicts go by it." in text
    assert "Each interval is that of its pair alone." in text
    least = min(found, key=lambda each: each["p"])
    row = row_of(text, least["name"])
    assert row.endswith(f"{least['p']:.4f}  {least['p_holm']:.4f}")
    assert "P of each reader alone, not corrected for 75 differences." in text


def test_a_treatment_that_is_better_is_said_to_be_so_of_several(tmp_path: Path) -> None:
    text = text_of(tmp_path, rated("abc", better="b"), base="a", margin=0.05)
    assert "c - a: undecided" in text
    assert "b - a: higher, non-inferior by 0.05 (one-sided P" in text
    assert ", Holm). It holds for other readers on other cases." in text
    assert "corrected over 2 differences to a, as is the one-sided P; verdicts go by it." in text


def test_with_a_base_each_other_treatment_is_tested_against_it_and_no_other(tmp_path: Path) -> None:
    frame = rated("abcd", better="b", gain=0.3)
    every = {each["name"]: each for each in differences(facts_of(tmp_path, frame))}
    facts = facts_of(tmp_path, frame, base="b")
    found = differences(facts)
    assert [each["name"] for each in found] == ["a - b", "c - b", "d - b"]
    assert len(every) == 6
    for each in found:  # the difference of a pair is what it was
        same = every.get(each["name"]) or every[" - ".join(reversed(each["name"].split(" - ")))]
        assert each["p"] == pytest.approx(same["p"])
    corrected = multipletests([each["p"] for each in found], method="holm")[1]
    assert [each["p_holm"] for each in found] == pytest.approx(corrected)
    assert {each["name"].partition(": ")[2] for each in facts["comparisons"][0]["of_readers"]} == {
        "a - b", "c - b", "d - b"
    }  # fmt: skip
    text = text_of(tmp_path, frame, base="b")
    assert "P, Holm: corrected over 3 differences to b; verdicts go by it." in text
    assert "c - d" not in text


def beside_algorithms(*names: str, seed: int = 0) -> pd.DataFrame:
    """Five readers, and algorithms that are none of them better or worse."""
    frame = rated("x", seed=seed)
    more = [
        frame[frame["reader"] == "R0"].assign(
            reader=name,
            rating=lambda part, at=at: (
                part["truth"] * 1.2 + np.random.default_rng([seed, at]).normal(size=len(part))
            ),
        )
        for at, name in enumerate(names)
    ]
    return pd.concat([frame, *more], ignore_index=True)


def test_several_algorithms_are_one_family_by_which_verdicts_go(tmp_path: Path) -> None:
    names = ["one", "two", "three", "four"]
    frame = beside_algorithms(*names)
    facts = facts_of(tmp_path, frame, algorithms=names, margin=0.05)
    for effects in ("random", "fixed_readers", "fixed_cases"):
        apart = [each["analyses"][effects]["difference"] for each in facts["against"]]
        for own, adjusted in (("p", "p_holm"), ("p_noninferiority", "p_noninferiority_holm")):
            wanted = multipletests([each[own] for each in apart], method="holm")[1]
            assert [each[adjusted] for each in apart] == pytest.approx(wanted)
    text = text_of(tmp_path, frame, algorithms=names, margin=0.05)
    said = "P, Holm: corrected over 4 algorithms, as is the one-sided P; verdicts go by it."
    assert text.count(said) == len(names)
    assert text.count("Intervals are those of this algorithm alone.") == len(names)
    shown = [line for line in text.splitlines() if "non-inferior by" in line]
    assert len(shown) == len(names)
    assert all(", Holm)" in line for line in shown)


def test_an_algorithm_that_differs_by_itself_and_not_of_several_is_undecided(
    tmp_path: Path,
) -> None:
    names = ["one", "two", "three", "four"]

    def verdicts(seed: int) -> list[tuple[float, float, str]]:
        frame = beside_algorithms(*names, seed=seed)
        facts = facts_of(tmp_path, frame, algorithms=names)
        lines = text_of(tmp_path, frame, algorithms=names).splitlines()
        found = [each["analyses"]["random"]["difference"] for each in facts["against"]]
        return [
            (
                one["p"],
                one["p_holm"],
                next(each for each in lines if each.startswith(f"{one['name']}, ")),
            )
            for one in found
        ]

    every = [each for seed in range(12) for each in verdicts(seed)]
    small = [each for each in every if each[0] < 0.05 <= each[1]]
    assert small
    assert all("undecided" in said and "It holds for" not in said for _, _, said in small)


def test_of_one_algorithm_nothing_is_corrected(tmp_path: Path) -> None:
    frame = beside_algorithms("one")
    assert "Holm" not in text_of(tmp_path, frame, algorithms=["one"], margin=0.05)
    (found,) = facts_of(tmp_path, frame, algorithms=["one"])["against"]
    assert "p_holm" not in found["analyses"]["random"]["difference"]


def test_two_treatments_are_one_pair_and_nothing_is_corrected(tmp_path: Path) -> None:
    frame = rated("ab", better="b")
    assert "Holm" not in text_of(tmp_path, frame, margin=0.05)
    assert not any("holm" in key for key in differences(facts_of(tmp_path, frame))[0])


def test_tests_of_one_difference_say_what_its_interval_says() -> None:
    draw = np.random.default_rng(0)
    said = set()
    for estimate in draw.normal(scale=0.15, size=300):
        found = contrast("a - b", estimate, 0.05**2, 6, tested=True)
        (test,) = contrast_tests([found], 0.1)
        assert test.differs == (found.low > 0 or found.high < 0)
        assert test.noninferior == (found.low > -0.1)
        assert test.equivalent == (found.low > -0.1 and found.high < 0.1)
        assert not test.corrected
        said.add((test.differs, test.noninferior))
    assert len(said) == 4


def test_of_a_family_no_p_is_below_its_own_and_what_has_none_does_not_count() -> None:
    draw = np.random.default_rng(1)
    made = [contrast("", each, 0.02**2, 8, tested=True) for each in draw.normal(scale=0.05, size=9)]
    nothing = ReaderContrast("", 0.1, why="no spread")
    tests = contrast_tests([*made, nothing], 0.1)
    assert math.isnan(tests[-1].p)
    assert {each.family for each in tests} == {9}
    for own, test in zip(made, tests[:-1], strict=True):
        assert own.p <= test.p
        assert own.p_above(-0.1) <= test.p_noninferior <= test.p_equivalent


@pytest.mark.parametrize("cases", [3, 18])
def test_a_readers_own_difference_is_that_of_two_raters(tmp_path: Path, cases: int) -> None:
    """3 of 3 right against 1 of 3: of so few cases a plain normal has P = 0.0455."""
    two = {("A", "u"): set(), ("A", "v"): {0, 1}, ("B", "u"): {2}, ("B", "v"): {0}}
    own = facts_of(tmp_path, answered(two, cases), statistics=["spe"])["comparisons"][0]
    one = {(reader + treatment, ""): wrong for (reader, treatment), wrong in two.items()}
    frame = answered(one, cases).drop(columns="treatment")
    pairs = facts_of(tmp_path, frame)["pairs"]
    pair = next(each for each in pairs if (each["first"], each["second"]) == ("Au", "Av"))["spe"]
    for key in ("estimate", "error", "df", "low", "high", "p"):
        assert own["of_readers"][0][key] == pytest.approx(pair[key])
    if cases == 3:
        text = text_of(tmp_path, answered(two, cases), statistics=["spe"])
        assert row_of(text, "A: u - v").endswith("0.2441")
    against = facts_of(tmp_path, frame, algorithms=["Au"], statistics=["spe"])["against"][0]
    each = against["analyses"]["random"]["each"]
    assert next(one["p"] for one in each if one["name"] == "Au - Av") == pytest.approx(pair["p"])


def test_cases_of_a_treatments_own_are_compared_too(tmp_path: Path) -> None:
    wrong = {
        (reader, treatment): {0, at} for at, reader in enumerate("AB", 1) for treatment in "uv"
    }
    frame = answered(wrong | {("A", "v"): set(range(9))}, 12)
    frame["case"] += frame["treatment"]
    own = facts_of(tmp_path, frame, statistics=["spe", "acc"])["comparisons"]
    assert own[0]["design"].startswith("cases nested in treatments")
    assert own[0]["of_readers"][0]["estimate"] == pytest.approx(7 / 12)
    assert own[1]["of_readers"][0]["estimate"] == pytest.approx(7 / 24)
    assert own[0]["of_readers"][0]["df"] == 23  # patients of either treatment


def test_a_small_one_sided_p_is_below_the_last_decimal(tmp_path: Path) -> None:
    frame = rated("ab", better="b")
    text = text_of(tmp_path, frame, margin=0.05, base="a", effects="fixed_readers")
    assert "b - a: higher, non-inferior by 0.05 (one-sided P < 0.0001)." in text
    assert "0.0000)" not in text


def test_rows_and_sentences_name_alike_of_whom_they_speak(tmp_path: Path) -> None:
    wrong = {
        ("cad", ""): {0},
        ("R1", ""): {1, 2, 3},
        ("R2", ""): {1, 2, 3},
        ("R3", ""): {1, 2, 4, 5},
    }
    frame = answered(wrong, 20).drop(columns="treatment")
    text = text_of(tmp_path, frame, algorithms=["cad"], statistics=["spe"])
    p = [float(row_of(text, name).split()[-1]) for name in OTHERS]
    assert p[2] < 0.05 < min(p[:2])
    assert (
        "cad - readers, for other readers on other cases: undecided. For other readers on these "
        "cases the difference is clear, which says nothing of other cases."
    ) in " ".join(text.split())
    assert "alone random" not in text
    shown = text_of(tmp_path, frame, algorithms=["cad"], statistics=["spe"], effects="fixed_cases")
    said = " ".join(shown.split())
    assert "specificity for other readers on these cases; covariance delong" in said
    assert "higher. It holds for other readers on these cases." in said
