"""Readers who name one of three classes: what is of all of them, what of one against the rest."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from abl.data.image_codes import image_code
from abl.data.readers.answer_files import read_reader_answers
from abl.errors import InputError
from abl.spec.yaml_file import yaml_text
from commands import abl, facts_of
from tiny_sweeps import TWO_NETWORKS, changed, write_tiny_set

CLASSES = ("normal", "benign", "malignant")


def three(readers: int = 4, cases: int = 60, *, seed: int = 3) -> pd.DataFrame:
    """Answers of readers who are mostly right, and take neighbours for each other."""
    draw = np.random.default_rng(seed)
    truth = np.arange(cases) % 3
    parts = []
    for reader in range(readers):
        beside = np.clip(truth + draw.choice([-1, 1], cases), 0, 2)
        said = np.where(draw.random(cases) < 0.7, truth, beside)
        parts.append(
            pd.DataFrame(
                {
                    "image": [f"i{at:02d}" for at in range(cases)],
                    "reader": f"R{reader}",
                    "label": np.array(CLASSES)[truth],
                    "answer": np.array(CLASSES)[said],
                    "experience": ["resident", "faculty"][reader % 2],
                    "rating": said * 2 + draw.integers(0, 3, cases),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def refused(folder: Path, *words: str) -> str:
    found = abl(folder, "readers", *words)
    assert found.exit_code == 2, found.output
    return found.output.strip()


def test_accuracy_is_of_all_classes_and_each_is_held_against_the_rest(tmp_path: Path) -> None:
    frame = three()
    frame.drop(columns="rating").to_csv(tmp_path / "a.csv", index=False)
    found = facts_of(tmp_path, "a.csv")
    assert found["classes"] == list(CLASSES)
    assert found["cases_by_class"] == dict.fromkeys(CLASSES, 20)
    assert found["positive"] is found["positives"] is None
    right = (frame["label"] == frame["answer"]).groupby(frame["reader"]).mean()
    for each in found["raters"]:
        assert each["acc"]["estimate"] == pytest.approx(right[each["reader"]])
        assert each["sen"] is each["tp"] is None
    assert len(found["each_class"]) == 12
    for each in found["each_class"]:
        own = frame[frame["reader"] == each["reader"]]
        true, called = own["label"] == each["name"], own["answer"] == each["name"]
        assert (each["tp"], each["fp"]) == ((true & called).sum(), (~true & called).sum())
        assert each["sen"]["estimate"] == pytest.approx(called[true].mean())
        assert each["spe"]["estimate"] == pytest.approx((~called[~true]).mean())
    (only,) = found["comparisons"]
    mean = only["analyses"]["random"]["treatments"][0]
    assert only["statistic"] == "acc"
    assert mean["estimate"] == pytest.approx(right.mean())
    assert 0 < mean["low"] < mean["estimate"] < mean["high"] < 1
    pair = found["pairs"][0]
    assert pair["acc"]["estimate"] == pytest.approx(right["R0"] - right["R1"])
    assert pair["sen"] is None
    group = found["experience"][0]
    members = frame[frame["experience"] == group["group"]]
    assert group["acc"]["estimate"] == pytest.approx((members["label"] == members["answer"]).mean())
    said = abl(tmp_path, "readers", "a.csv").stdout
    assert "60 cases (20 normal, 20 benign, 20 malignant)" in said
    assert not re.search(r"\bnan\b", said)


def test_kappa_is_of_all_classes_and_weighted_where_they_have_an_order(tmp_path: Path) -> None:
    frame = three()
    frame.to_csv(tmp_path / "a.csv", index=False)
    number = frame["answer"].map({name: at for at, name in enumerate(CLASSES)})
    first, second = (number[frame["reader"] == name] for name in ("R0", "R1"))
    plain = facts_of(tmp_path, "a.csv")["pairs"][0]
    assert plain["kappa"]["estimate"] == pytest.approx(cohen_kappa_score(first, second))
    assert plain["weighted"] is None
    words = ("--classes", "normal,benign,malignant", "--weighted")
    for weights in ("linear", "quadratic"):
        found = facts_of(tmp_path, "a.csv", *words, weights)
        want = cohen_kappa_score(first, second, weights=weights)
        assert found["pairs"][0]["weighted"]["estimate"] == pytest.approx(want)
    coefficients = found["groups"][0]["coefficients"]
    # neighbours are taken for each other, which is little in an order
    assert coefficients["alpha_classes"]["estimate"] > coefficients["fleiss"]["estimate"]
    said = abl(tmp_path, "readers", "a.csv", *words, "linear").stdout
    assert "Kappa weighted (linear) in the order normal, benign, malignant." in said
    assert "--classes normal,benign,malignant" in refused(tmp_path, "a.csv", "--weighted", "linear")


def test_auc_of_ratings_is_of_the_class_that_is_named(tmp_path: Path) -> None:
    frame = three()
    frame.to_csv(tmp_path / "a.csv", index=False)
    plain = facts_of(tmp_path, "a.csv")
    assert [each["statistic"] for each in plain["comparisons"]] == ["acc"]
    assert all(each["auc"] is None for each in plain["raters"])
    assert any("--positive CLASS" in note for note in plain["notes"])
    found = facts_of(tmp_path, "a.csv", "--positive", "Malignant")
    kinds = {each["statistic"]: each for each in found["comparisons"]}
    assert list(kinds) == ["auc", "acc", "sen", "spe"]
    assert (found["positive"], found["positives"]) == ("malignant", 20)
    means = {
        name: each["analyses"]["random"]["treatments"][0]["estimate"]
        for name, each in kinds.items()
    }
    true = frame["label"] == "malignant"
    called = frame["answer"] == "malignant"
    aucs = [roc_auc_score(true[own.index], own["rating"]) for _, own in frame.groupby("reader")]
    assert means["auc"] == pytest.approx(np.mean(aucs))
    assert means["sen"] == pytest.approx(called[true].mean())
    assert means["spe"] == pytest.approx((~called[~true]).mean())
    assert means["acc"] == pytest.approx((frame["label"] == frame["answer"]).mean())
    assert found["pairs"][0]["sen"] is not None
    assert found["pairs"][0]["auc"] is not None


def test_predictions_of_three_classes_stand_beside_the_readers(tmp_path: Path) -> None:
    frame = three()
    frame.drop(columns=["label", "rating"]).to_csv(tmp_path / "a.csv", index=False)
    once = frame.drop_duplicates("image")
    truth = once["label"].map({name: at for at, name in enumerate(CLASSES)}).to_numpy()
    p = np.eye(3)[truth] * 0.5 + np.random.default_rng(1).dirichlet(np.ones(3), 60) * 0.5
    net = once[["image", "label"]].assign(**{f"p_{at}": p[:, at] for at in range(3)})
    net.to_csv(tmp_path / "net.csv", index=False)
    words = ("a.csv", "--predictions", "net.csv", "--classes", ",".join(CLASSES))
    found = facts_of(tmp_path, *words)
    own = next(each for each in found["raters"] if each["reader"] == "net")
    assert own["acc"]["estimate"] == pytest.approx((p.argmax(axis=1) == truth).mean())
    assert own["auc"] is None
    assert [each["statistic"] for each in found["against"]] == ["acc"]
    found = facts_of(tmp_path, *words, "--positive", "benign")
    own = next(each for each in found["raters"] if each["reader"] == "net")
    assert own["auc"]["estimate"] == pytest.approx(roc_auc_score(truth == 1, p[:, 1]))
    said = refused(tmp_path, "a.csv", "--predictions", "net.csv")
    assert "--classes" in said


def test_each_readers_classes_are_written(tmp_path: Path) -> None:
    three().to_csv(tmp_path / "a.csv", index=False)
    assert abl(tmp_path, "readers", "a.csv", "--out", "each.csv").exit_code == 0
    table = pd.read_csv(tmp_path / "each.csv")
    assert table["reader"].tolist() == ["R0", "R1", "R2", "R3"]
    for name in CLASSES:
        assert (table[f"sen@{name}_low"] < table[f"sen@{name}"]).all()
    assert table["tp"].isna().all()


def test_what_needs_two_classes_says_what_to_write(tmp_path: Path) -> None:
    three().to_csv(tmp_path / "a.csv", index=False)
    for words, told in (
        (("--statistic", "sen"), "write --positive with one of normal, benign, malignant"),
        (("--statistic", "auc"), "write --positive with one of normal, benign, malignant"),
        (("--cutoff", "3"), "--cutoff: makes answers of two classes"),
        (("--positive", "malign"), "--positive malign: did you mean 'malignant'?"),
        (("--classes", "normal"), "name two or more"),
    ):
        said = refused(tmp_path, "a.csv", *words)
        assert told in said
        assert len(said.splitlines()) == 1


def test_a_misspelt_answer_is_no_class_of_its_own(tmp_path: Path) -> None:
    frame = three()
    frame.loc[7, "answer"] = "malignent"
    frame.to_csv(tmp_path / "a.csv", index=False)
    said = refused(tmp_path, "a.csv")
    assert said.startswith("abl: a.csv:9: answer: label 'malignent'")
    assert "did you mean 'malignant'?" in said


def test_classes_by_number_are_those_that_both_columns_hold(tmp_path: Path) -> None:
    text = "case,reader,truth,answer\n" + "".join(
        f"{case},{reader},{case % 3 + 1},{(case + (case == at)) % 3 + 1}\n"
        for at, reader in enumerate("AB")
        for case in range(12)
    )
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    read = read_reader_answers([tmp_path / "a.csv"])
    assert read.classes == ("1", "2", "3")
    assert read.positive is None
    assert not read.has_ratings
    found = facts_of(tmp_path, "a.csv", "--weighted", "linear")
    assert found["raters"][0]["acc"]["estimate"] == pytest.approx(11 / 12)


def test_of_two_classes_either_may_be_the_positive_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "case,reader,truth,answer\n1,A,cyst,fibroma\n2,A,fibroma,fibroma\n", encoding="utf-8"
    )
    read = read_reader_answers([tmp_path / "a.csv"], positive="cyst")
    assert read.classes == ("fibroma", "cyst")
    assert read.frame["truth"].tolist() == [1.0, 0.0]
    with pytest.raises(InputError, match="fibroma is positive"):
        read_reader_answers(
            [tmp_path / "a.csv"],
            classes=["cyst", "fibroma"],
            positive="cyst",
            labels={"1": 0, "2": 1},
        )


def test_arms_of_a_sweep_of_three_classes_stand_beside_the_readers(tmp_path: Path) -> None:
    manifest = write_tiny_set(tmp_path / "images")
    table = pd.read_csv(manifest, dtype=str)
    names = sorted(set(table["patient"]))
    table["label"] = table["patient"].map({name: CLASSES[at % 3] for at, name in enumerate(names)})
    table.to_csv(manifest, index=False)
    sweep = changed(TWO_NETWORKS, {"data.classes": list(CLASSES)})
    (tmp_path / "tiny.yaml").write_text(yaml_text(sweep), encoding="utf-8")
    ran = abl(tmp_path, "sweep", "tiny.yaml", "--executor", "local", "--record", "off")
    assert ran.exit_code == 0, ran.output
    assert abl(tmp_path, "readers", "page", "tiny", "--out", "page").exit_code == 0
    # as the page saves them: the code of an image, a class, and no rating
    rows = [
        {"image": image_code(image), "reader": reader, "answer": CLASSES[(at % 9 == nth) + 1]}
        for nth, reader in enumerate(("Ann", "Bo"))
        for at, image in enumerate(table["image"])
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "answers.csv", index=False)
    found = facts_of(tmp_path, "answers.csv", "--sweep", "tiny", "--positive", "malignant")
    assert found["classes"] == list(CLASSES)
    assert found["algorithms"] == ["pooled3", "pooled6"]
    raters = {each["reader"]: each for each in found["raters"]}
    assert raters["pooled3"]["auc"] is not None
    assert raters["Ann"]["auc"] is None
    assert {each["statistic"] for each in found["against"]} == {"acc", "sen", "spe"}
