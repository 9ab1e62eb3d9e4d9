"""`abl readers ANSWERS.csv`: what it prints, what its JSON holds, what it refuses."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abl.app.readers.asked import ReadersAsked
from abl.app.readers.command import readers_analysed
from commands import abl, facts_of


def rated(readers: int = 4, treatments: int = 1, cases: int = 40, *, seed: int = 0):
    """Ratings of readers who see the truth; the second treatment shows more of it."""
    draw = np.random.default_rng(seed)
    shared = draw.normal(size=cases)
    rows = []
    for r, t in itertools.product(range(readers), range(treatments)):
        scores = shared + (np.arange(cases) % 2) * (1.5 + t) + draw.normal(size=cases)
        rows.append(
            pd.DataFrame(
                {
                    "image": [f"i{at:03d}.png" for at in range(cases)],
                    "reader": f"reader {r}",
                    "treatment": ["unaided", "aided"][t],
                    "label": np.where(np.arange(cases) % 2, "malignant", "benign"),
                    "patient": [f"p{at // 2}" for at in range(cases)],
                    "experience": ["resident", "faculty"][r % 2],
                    "rating": np.round(scores, 1),
                }
            )
        )
    return pd.concat(rows)


def binary(frame: pd.DataFrame) -> pd.DataFrame:
    said = np.where(frame["rating"] > 0.7, "malignant", "benign")
    return frame.drop(columns="rating").assign(answer=said)


def refused(folder: Path, *words: str) -> str:
    found = abl(folder, "readers", *words)
    assert found.exit_code == 2, found.output
    assert "Traceback" not in found.output
    return found.output


def test_the_command_needs_no_name_of_its_own(tmp_path: Path) -> None:
    rated().to_csv(tmp_path / "a.csv", index=False)
    short = abl(tmp_path, "readers", "a.csv")
    long = abl(tmp_path, "readers", "compare", "a.csv")
    assert short.exit_code == 0
    assert short.stdout == long.stdout
    options_first = abl(tmp_path, "readers", "--effects", "fixed_cases", "a.csv")
    assert options_first.exit_code == 0
    assert "4 readers, 40 cases (20 malignant) of 20 patients." in short.stdout


@pytest.mark.parametrize("width", [80, 120])
def test_text_fits_the_terminal(tmp_path: Path, width: int) -> None:
    frame = rated(treatments=2)
    frame["answer"] = np.where(frame["rating"] > 1, "malignant", "benign")
    frame.to_csv(tmp_path / "a.csv", index=False)
    asked = ReadersAsked([tmp_path / "a.csv"], size=0.1, margin=0.05)
    text = readers_analysed(asked, width).text
    assert max(map(len, text.splitlines())) <= width
    assert not re.search(r"\bnan\b", text)
    for words in (
        "other readers on other cases",
        "F(1, ",
        "unaided",
        "sensitivity",
        "Fleiss' kappa",
    ):
        assert words in text


def test_means_of_readers_are_on_the_scale_that_is_asked_for(tmp_path: Path) -> None:
    rated(treatments=2).to_csv(tmp_path / "a.csv", index=False)
    found = {
        scale: facts_of(tmp_path, "a.csv", *words)["comparisons"][0]["analyses"]["random"]
        for scale, words in (("logit", ()), ("plain", ("--scale", "plain")))
    }
    assert found["logit"]["differences"] == found["plain"]["differences"]
    one, other = (found[scale]["treatments"][1] for scale in ("logit", "plain"))
    assert one["name"] == "unaided"
    assert other["low"] + other["high"] == pytest.approx(2 * one["estimate"])
    assert one["low"] + one["high"] < 2 * one["estimate"]
    assert "on the logit scale" in abl(tmp_path, "readers", "a.csv").stdout


def test_binary_answers_have_sensitivity_and_specificity_and_no_auc(tmp_path: Path) -> None:
    binary(rated()).to_csv(tmp_path / "a.csv", index=False)
    found = facts_of(tmp_path, "a.csv")
    assert [each["statistic"] for each in found["comparisons"]] == ["sen", "spe"]
    assert all(each["auc"] is None for each in found["raters"])
    assert "AUC" not in abl(tmp_path, "readers", "a.csv").stdout
    assert "no reader gave a rating" in refused(tmp_path, "a.csv", "--statistic", "auc")


def test_with_and_without_aid(tmp_path: Path) -> None:
    rated(treatments=2).to_csv(tmp_path / "a.csv", index=False)
    words = ("--base", "unaided", "--order", "unaided,aided", "--washout", "4 weeks")
    found = facts_of(tmp_path, "a.csv", *words)
    apart = found["comparisons"][0]["analyses"]["random"]["differences"][0]
    assert apart["name"] == "aided - unaided"
    assert apart["low"] > 0
    assert found["comparisons"][0]["clustered_by_patient"]
    said = " ".join(abl(tmp_path, "readers", "a.csv", *words).stdout.split())
    assert "aided - unaided: higher." in said
    assert "order of the treatments unaided, then aided; time between them 4 weeks" in said
    assert "not said (--washout)" in " ".join(abl(tmp_path, "readers", "a.csv").stdout.split())


def test_predictions_are_raters_and_may_bring_the_truth(tmp_path: Path) -> None:
    frame = binary(rated())
    frame.drop(columns=["label", "patient"]).to_csv(tmp_path / "a.csv", index=False)
    once = frame.drop_duplicates("image")
    draw = np.random.default_rng(5)
    p = np.clip((once["label"] == "malignant") * 0.4 + draw.random(len(once)) * 0.6, 0, 1)
    several = [
        once[["image", "label", "patient"]].assign(split=split, seed=seed, p_0=1 - p, p_1=p)
        for split, seed in (("test", 0), ("test", 1), ("train", 0))
    ]
    pd.concat(several).to_csv(tmp_path / "net.csv", index=False)
    found = facts_of(tmp_path, "a.csv", "--predictions", "network=net.csv", "--margin", "0.1")
    assert found["algorithms"] == ["network"]
    assert found["patients"] == 20
    own = next(each for each in found["raters"] if each["reader"] == "network")
    assert own["tp"] + own["fn"] == 20
    assert own["auc"]["estimate"] > 0.8
    for each in found["against"]:
        difference = each["analyses"]["random"]["difference"]
        assert (difference["p_noninferiority"] < 0.025) == (difference["low"] > -0.1)
    assert [each["statistic"] for each in found["against"]] == ["sen", "spe"]


def test_an_arm_stands_beside_the_readers_of_every_treatment(tmp_path: Path) -> None:
    frame = rated(treatments=2)
    frame.to_csv(tmp_path / "a.csv", index=False)
    once = frame.drop_duplicates("image")
    p = np.random.default_rng(1).random(len(once))
    once[["image", "label"]].assign(p_0=1 - p, p_1=p).to_csv(tmp_path / "net.csv", index=False)
    found = facts_of(tmp_path, "a.csv", "--predictions", "net.csv")
    assert found["treatments"] == ["aided", "unaided"]
    assert [each["treatment"] for each in found["against"]] == ["aided", "unaided"]
    apart = [each["analyses"]["random"]["difference"]["estimate"] for each in found["against"]]
    assert apart[0] < apart[1] < 0  # chance, against readers who see more with the aid
    with_net = [each for each in found["pairs"] if "net" in (each["first"], each["second"])]
    assert len(with_net) == 8


def test_the_cut_off_is_of_readers_and_not_of_probabilities(tmp_path: Path) -> None:
    frame = rated()
    frame.to_csv(tmp_path / "a.csv", index=False)
    once = frame.drop_duplicates("image")
    p = np.where(once["label"] == "malignant", 0.8, 0.2)
    once[["image", "label"]].assign(p_0=1 - p, p_1=p).to_csv(tmp_path / "net.csv", index=False)
    found = facts_of(tmp_path, "a.csv", "--predictions", "net.csv", "--cutoff", "0.9")
    own = next(each for each in found["raters"] if each["reader"] == "net")
    assert (own["sen"]["estimate"], own["spe"]["estimate"]) == (1, 1)
    reader = next(each for each in found["raters"] if each["reader"] == "reader 0")
    first = frame[(frame["reader"] == "reader 0") & (frame["label"] == "malignant")]
    assert reader["sen"]["estimate"] == pytest.approx((first["rating"] >= 0.9).mean())


def test_experience_and_sessions_and_gaps(tmp_path: Path) -> None:
    frame = binary(rated())
    again = frame[frame["reader"] == "reader 0"].copy()
    again["answer"] = again["answer"].where(np.arange(len(again)) > 3, "malignant")
    whole = pd.concat([frame.assign(session=1), again.assign(session=2)], ignore_index=True)
    whole.loc[[0, 41], "answer"] = ""
    whole.to_csv(tmp_path / "a.csv", index=False)
    found = facts_of(tmp_path, "a.csv")
    assert {each["group"] for each in found["groups"]} == {"", "resident", "faculty"}
    assert [(each["group"], each["readers"]) for each in found["experience"]] == [
        ("faculty", 2),
        ("resident", 2),
    ]
    within = found["sessions_compared"][0]
    assert (within["reader"], within["sessions"], within["cases"]) == ("reader 0", ["1", "2"], 39)
    assert within["kappa"]["estimate"] > 0.8
    missing = {each["reader"]: each["missing"] for each in found["raters"]}
    assert missing == {"reader 0": 1, "reader 1": 1, "reader 2": 0, "reader 3": 0}
    assert sum(each["left_out"] for each in found["comparisons"]) == 4  # two cases, twice


def test_answers_without_a_truth_agree_all_the_same(tmp_path: Path) -> None:
    binary(rated()).drop(columns="label").to_csv(tmp_path / "a.csv", index=False)
    found = facts_of(tmp_path, "a.csv")
    assert found["comparisons"] == []
    assert "fleiss" in found["groups"][0]["coefficients"]
    assert "No truth is known" in abl(tmp_path, "readers", "a.csv").stdout


def test_readers_and_cases_for_a_difference(tmp_path: Path) -> None:
    rated(treatments=2).to_csv(tmp_path / "a.csv", index=False)
    found = facts_of(tmp_path, "a.csv", "--size", "0.1", "--power", "0.9", "--readers", "8")
    only = found["sizes"][0]["sizes"]
    assert [each["readers"] for each in only] == [8]
    assert only[0]["power"] >= 0.9
    both = facts_of(tmp_path, "a.csv", "--size", "0.1", "--readers", "8", "--cases", "60")
    assert both["sizes"][0]["sizes"][0]["cases"] == 60
    assert "belongs to --size" in refused(tmp_path, "a.csv", "--cases", "60")
    rated().to_csv(tmp_path / "one.csv", index=False)
    assert "no pilot" in refused(tmp_path, "one.csv", "--size", "0.1")


def test_each_readers_numbers_are_written(tmp_path: Path) -> None:
    binary(rated()).to_csv(tmp_path / "a.csv", index=False)
    assert abl(tmp_path, "readers", "a.csv", "--out", "each.csv").exit_code == 0
    table = pd.read_csv(tmp_path / "each.csv")
    assert table["reader"].tolist() == [f"reader {at}" for at in range(4)]
    assert (table["sen_low"] < table["sen"]).all()
    assert "would be overwritten" in refused(tmp_path, "a.csv", "--out", "a.csv")


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    rated().to_csv(tmp_path / "a.csv", index=False)
    said = refused(tmp_path, "a.csv", "--margin", "2", "--statistic", "aux", "--size", "3")
    for words in ("--margin 2", "--statistic aux: did you mean 'auc'", "--size 3"):
        assert words in said
    assert "--algorithm reader: did you mean 'reader " in refused(
        tmp_path, "a.csv", "--algorithm", "reader"
    )
    assert "--base aide" in refused(tmp_path, "a.csv", "--base", "aide")
    assert "none.csv: no such file" in refused(tmp_path, "none.csv")
    assert "of ratings" in refused_binary(tmp_path)


def refused_binary(folder: Path) -> str:
    binary(rated()).to_csv(folder / "b.csv", index=False)
    return refused(folder, "b.csv", "--cutoff", "3")
