"""`abl audit`: what it finds in files of predictions, what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from abl.app.auditing.command import AuditAsked, audited
from commands import abl


def planted(
    images: int = 160, networks: int = 3, *, flips: int = 8, seed: int = 0, classes: int = 3
):
    """Frames of networks that mostly know the truth, and the names of images labelled wrongly."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, images)
    label = truth.copy()
    wrong = random.choice(images, flips, replace=False)
    label[wrong] = (truth[wrong] + 1) % classes
    shared = random.normal(0, 1, (images, classes))
    frames = {}
    for at in range(networks):
        logits = shared + random.normal(0, 1, (images, classes)) + 3.5 * np.eye(classes)[truth]
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        frame = pd.DataFrame(
            {"image": [f"i{row:03d}.png" for row in range(images)], "label": label}
        )
        for column in range(classes):
            frame[f"p_{column}"] = p[:, column]
        frames[f"net{at}"] = frame
    return frames, {f"i{row:03d}.png" for row in wrong}


def written(folder: Path, frames: dict[str, pd.DataFrame]) -> list[str]:
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return [f"{name}.csv" for name in frames]


def facts_of(folder: Path, *words: str) -> dict:
    found = abl(folder, "audit", *words, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def refused(folder: Path, *words: str) -> str:
    found = abl(folder, "audit", *words)
    assert found.exit_code == 2
    assert "Traceback" not in found.output
    return found.output


def test_wrong_labels_come_first_and_the_file_says_so(tmp_path: Path) -> None:
    frames, wrong = planted()
    files = written(tmp_path, frames)
    found = abl(tmp_path, "audit", *files, "--out", "audit.csv")
    assert found.exit_code == 0, found.output
    table = pd.read_csv(tmp_path / "audit.csv")
    assert len(set(table["image"][:8]) & wrong) >= 7
    assert table["score"].is_monotonic_decreasing
    assert len(table) == 160
    assert ((table["low"] <= table["error_rate"]) & (table["error_rate"] <= table["high"])).all()
    flagged = set(table["image"][table["flagged"]])
    assert len(flagged & wrong) >= 6
    assert table["seen"].eq(3).all()
    first = table.iloc[0]
    assert first["said"] == (first["label"] - 1) % 3
    assert first["image"] in found.stdout
    facts = facts_of(tmp_path, *files)
    assert [row["image"] for row in facts["ranking"]] == table["image"].tolist()
    assert facts["flagged"] == len(flagged)
    assert facts["more_often_than_theta"] == int((table["wrong"] == 3).sum())
    assert facts["expected"]["equal"]["high"] < facts["more_often_than_theta"]
    top = facts["confused"][0]
    assert (top["label"], top["said"]) in {(1, 0), (2, 1), (0, 2)}
    assert top["flagged"] >= 2


def test_one_file_with_runs_of_every_network_is_the_same(tmp_path: Path) -> None:
    frames, _ = planted()
    files = written(tmp_path, frames)
    whole = pd.concat([frame.assign(network=name) for name, frame in frames.items()])
    whole.to_parquet(tmp_path / "whole.parquet")
    one, other = facts_of(tmp_path, *files), facts_of(tmp_path, "whole.parquet")
    assert one["ranking"] == other["ranking"]
    assert one["networks"] == other["networks"]


def test_runs_of_one_network_are_counted_together(tmp_path: Path) -> None:
    frames, _ = planted()
    written(tmp_path, frames)
    named = ["a=net0.csv", "a=net1.csv", "b=net2.csv"]
    assert [each["appearances"] for each in facts_of(tmp_path, *named)["networks"]] == [320, 160]
    repeats = pd.concat([f.assign(repeat=at, network="a") for at, f in enumerate(frames.values())])
    repeats.to_csv(tmp_path / "repeats.csv", index=False)
    facts = facts_of(tmp_path, "repeats.csv")
    assert facts["networks"][0]["appearances"] == 480
    assert facts["ranking"][0]["seen"] == 3


def test_rows_of_training_say_nothing(tmp_path: Path) -> None:
    frames, _ = planted()
    for at, name in enumerate(frames):
        split = np.where(np.arange(160) % 4 == at, "test", "train")
        frames[name] = frames[name].assign(split=split)
    files = written(tmp_path, frames)
    facts = facts_of(tmp_path, *files)
    assert facts["unseen"] == 40
    assert sum(each["appearances"] for each in facts["networks"]) == 120
    unseen = [row for row in facts["ranking"] if not row["seen"]]
    assert all(row["error_rate"] is None and not row["flagged"] for row in unseen)
    assert facts["ranking"][-40:] == unseen
    assert any("360 train rows are left out" in note for note in facts["notes"])
    assert any("40 images were in no test set" in warning for warning in facts["warnings"])
    frames["net0"]["split"] = "train"
    assert "no 'test' rows" in refused(tmp_path, *written(tmp_path, frames))


@pytest.mark.parametrize(
    ("flag", "theta"), [("share", 0.6), ("posterior", 0.5), ("share", 0.9), ("score", 0.9)]
)
def test_each_flag_flags_by_its_rule(tmp_path: Path, flag: str, theta: float) -> None:
    frames, _ = planted()
    files = [str(tmp_path / each) for each in written(tmp_path, frames)]
    table = audited(AuditAsked(files, theta=theta, flag=flag)).frame
    assert table["flagged"].any()
    if flag == "share":
        assert table["flagged"].equals(10 * table["wrong"] > 10 * theta * table["seen"])
    if flag == "posterior":
        assert table["flagged"].equals(table["above"] > 0.5)
    if flag == "score":
        assert (table["wrong"] > 0)[table["flagged"]].all()


def test_warnings_say_what_not_to_trust(tmp_path: Path) -> None:
    frames, _ = planted()
    files = written(tmp_path, frames)
    assert any("One network" in each for each in facts_of(tmp_path, files[0])["warnings"])
    label = frames["net0"]["label"].to_numpy()
    for column in range(3):
        frames["net0"][f"p_{column}"] = np.where(label == column, 0.98, 0.01)
    facts = facts_of(tmp_path, *written(tmp_path, frames))
    assert any("net0 is right in 100.0 %" in each for each in facts["warnings"])
    turned = frames["net1"].rename(columns={"p_0": "p_1", "p_1": "p_2", "p_2": "p_0"})
    frames["net1"] = turned[frames["net0"].columns]
    facts = facts_of(tmp_path, *written(tmp_path, frames))
    assert any("net1 is wrong" in each and "order" in each for each in facts["warnings"])


def test_patients_are_taken_from_the_files(tmp_path: Path) -> None:
    frames, _ = planted()
    files = written(tmp_path, frames)
    assert any("No column patient" in each for each in facts_of(tmp_path, *files)["warnings"])
    patients = [f"P{row // 2}" for row in range(160)]
    with_patients = {name: frame.assign(patient=patients) for name, frame in frames.items()}
    facts = facts_of(tmp_path, *written(tmp_path, with_patients))
    assert not any("No column patient" in each for each in facts["warnings"])
    assert facts["spreads"]["patient"] > 0


@pytest.mark.parametrize("width", [60, 80])
def test_lines_keep_to_the_terminal(tmp_path: Path, width: int) -> None:
    frames, _ = planted()
    files = [str(tmp_path / each) for each in written(tmp_path, frames)]
    names = ["a class with a long name", "b", "c"]
    text = audited(AuditAsked(files, classes=names), width).text
    assert max(map(len, text.splitlines())) <= width
    assert "Look first at:" in text


def test_near_duplicates_with_two_labels_are_found(tmp_path: Path) -> None:
    frames, _ = planted(12, 2, flips=0)
    random = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    drawn = random.integers(0, 255, (12, 8, 8), dtype=np.uint8)
    drawn[1] = drawn[0]
    for pixels, name in zip(drawn, frames["net0"]["image"], strict=True):
        Image.fromarray(pixels).resize((96, 96)).save(tmp_path / "images" / name)
    for frame in frames.values():
        frame.loc[0, "label"], frame.loc[1, "label"] = 0, 1
    files = written(tmp_path, frames)
    facts = facts_of(tmp_path, *files, "--images", "images")
    pairs = facts["contradicting_duplicates"]
    assert [(pair["image_a"], pair["image_b"]) for pair in pairs] == [("i000.png", "i001.png")]
    assert (pairs[0]["label_a"], pairs[0]["label_b"]) == (0, 1)
    manifest = frames["net0"][["image", "label"]]
    manifest.to_csv(tmp_path / "images" / "manifest.csv", index=False)
    again = facts_of(
        tmp_path, *files, "--images", "images/manifest.csv", "--classes", "one,two,three"
    )
    assert again["contradicting_duplicates"] == pairs
    shown = abl(tmp_path, "audit", *files, "--images", "images").stdout
    assert "contradicting labels: 1 pair" in shown
    (tmp_path / "empty").mkdir()
    assert "holds none of the images" in refused(tmp_path, *files, "--images", "empty")


def test_bad_input_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    frames, _ = planted()
    files = written(tmp_path, frames)
    out = ("--out", "audit.csv")
    other = frames["net1"].copy()
    other.loc[3, "label"] = (other.loc[3, "label"] + 1) % 3
    other.to_csv(tmp_path / "other.csv", index=False)
    told = refused(tmp_path, files[0], "other.csv", *out)
    assert "other.csv:5" in told
    assert "i003.png" in told
    twice = pd.concat([frames["net0"], frames["net0"].iloc[:1]])
    twice.to_csv(tmp_path / "twice.csv", index=False)
    assert "there again" in refused(tmp_path, "twice.csv", *out)
    two = frames["net0"].assign(p_0=lambda f: f["p_0"] + f["p_2"]).drop(columns="p_2")
    two["label"] %= 2
    two.to_csv(tmp_path / "two.csv", index=False)
    assert "has 2 classes" in refused(tmp_path, files[0], "two.csv", *out)
    assert "no such file" in refused(tmp_path, "none.csv", *out)
    assert "given twice" in refused(tmp_path, files[0], f"./{files[0]}", *out)
    told = refused(tmp_path, *files, "--theta", "1.5", "--flag", "scor", *out)
    assert "--theta" in told
    assert "did you mean 'score'" in told
    assert "overwritten" in refused(tmp_path, *files, "--out", files[0])
    assert "name it .csv or .parquet" in refused(tmp_path, *files, "--out", "audit.txt")
    assert "--classes" in refused(tmp_path, *files, "--classes", "one,two", *out)
    assert not (tmp_path / "audit.csv").exists()


def test_classes_of_other_names_and_doubled_rows_are_told_with_what_to_type(
    tmp_path: Path,
) -> None:
    frames, _ = planted(images=20, flips=1)
    named = frames["net0"].assign(label=frames["net0"]["label"].map({0: "cyst", 1: "b", 2: "m"}))
    named.to_csv(tmp_path / "named.csv", index=False)
    assert "name the classes there are with --classes" in refused(tmp_path, "named.csv")
    pd.concat(frames.values()).to_csv(tmp_path / "joined.csv", index=False)
    told = refused(tmp_path, "joined.csv")
    assert "joined.csv:1: 40 rows are of images that are there already" in told
    assert "a column network or run or fold tells them apart" in told.replace("\n", " ")


def test_one_file_under_two_names_is_told(tmp_path: Path) -> None:
    frames, _ = planted(images=40)
    again = frames["net0"].sample(frac=1, random_state=0)
    files = written(tmp_path, {**frames, "copy": again})
    (said,) = facts_of(tmp_path, *files)["warnings"][:1]
    assert said.startswith("net0 and copy say exactly the same of every image")
    apart = facts_of(tmp_path, *files[:3])
    assert not any("exactly the same" in each for each in apart["warnings"])


def test_the_numbers_of_a_network_are_those_of_its_file(tmp_path: Path) -> None:
    frames, _ = planted(images=40)
    first = facts_of(tmp_path, *written(tmp_path, frames))["networks"][0]
    frame = frames["net0"]
    wrong = (frame.filter(regex="^p_").to_numpy().argmax(axis=1) != frame["label"]).sum()
    assert (first["wrong"], first["appearances"]) == (wrong, 40)
    assert first["error_rate"] == pytest.approx(wrong / 40)


def test_one_is_written_as_one(tmp_path: Path) -> None:
    frames, _ = planted(images=1, networks=1, flips=0)
    said = abl(tmp_path, "audit", *written(tmp_path, frames)).stdout
    assert said.startswith("1 image, 1 network, 1 test appearance (")


def test_images_truly_above_are_counted_among_all_of_them(tmp_path: Path) -> None:
    frames, _ = planted(images=60)
    said = abl(tmp_path, "audit", *written(tmp_path, frames)).stdout
    # they may be more than are seen above it: no part of the row before
    assert "images truly above 90 % under that spread" in said
    assert "of these" not in said
