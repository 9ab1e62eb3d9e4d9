"""`abl plan` refuses whatever `abl sweep` refuses, and says what it says of the images."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import commands
from abl.cli.every import app
from tiny_sweeps import write_sweep


def run(folder: Path, command: str, *words: object) -> tuple[int, str, str]:
    given = [command, folder / "tiny.yaml", "--mlruns", folder / "runs", *words]
    found = CliRunner().invoke(app, [str(word) for word in given])
    return found.exit_code, found.stdout, found.stderr


def faults(told: str) -> list[str]:
    return sorted(line for line in told.splitlines() if line.startswith("abl: "))


def copied(folder: Path) -> None:
    """One picture in every patient."""
    files = sorted((folder / "images" / "png").iterdir())
    for file in files[2:]:
        shutil.copy(files[0], file)


def damaged(folder: Path) -> None:
    (folder / "images" / "png" / "003a.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")


def boxed(folder: Path) -> None:
    """A box in every row but one, which leaves its image in another."""
    path = folder / "images" / "manifest.csv"
    table = pd.read_csv(path, dtype=str)
    for name, edge in zip(("x0", "y0", "x1", "y1"), ("2", "2", "20", "20"), strict=True):
        table[f"box_{name}"] = edge
    table.loc[5, [f"box_{name}" for name in ("x0", "y0", "x1", "y1")]] = ""
    table.loc[7, "box_x1"] = "99"
    table.to_csv(path, index=False)


CASES = {
    "copies": (copied, {"data.duplicates": "refuse"}, "are near-duplicates (0 of 256 bits differ)"),
    "damaged": (damaged, {}, "'png/003a.png'"),
    "crops": (boxed, {"image.crop": {"to": "box"}}, "has no box, which crop.to: box needs"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_plan_refuses_what_the_sweep_refuses(tiny_folder: Path, name: str) -> None:
    spoil, changes, said = CASES[name]
    spoil(tiny_folder)
    write_sweep(tiny_folder, changes)
    code, out, err = run(tiny_folder, "plan")
    assert (code, out) == (2, "")
    assert said in err
    again = run(tiny_folder, "sweep", "--executor", "local", "--record", "off")
    assert again[0] == 2
    assert faults(again[2]) == faults(err)
    assert not (tiny_folder / "runs" / "store" / "done").exists()


def test_copies_are_told_contradicting_labels_first_and_counted(tiny_folder: Path) -> None:
    copied(tiny_folder)
    write_sweep(tiny_folder, {"data.duplicates": "refuse"})
    lines = faults(run(tiny_folder, "plan")[2])
    told = [line for line in lines if "are near-duplicates" in line]
    assert len(told) == 20
    assert all("their labels contradict" in line for line in told)
    (last,) = set(lines) - set(told)
    assert "more such pairs; `abl data group` writes a column group for all of them" in last


def test_a_plan_notes_what_the_table_says_of_the_images(tiny_folder: Path) -> None:
    copied(tiny_folder)
    write_sweep(tiny_folder, {"data.duplicates": "report"})
    code, out, err = run(tiny_folder, "plan")
    assert code == 0
    assert "decoding 48 images" in err
    assert "pairs of near-duplicate images of images/manifest.csv lie across a split." in out
    code, _, err = run(tiny_folder, "plan")
    assert (code, err) == (0, "")  # decoded once


def test_a_shortcut_stands_in_plan_and_table(tiny_folder: Path) -> None:
    from PIL import Image

    table = pd.read_csv(tiny_folder / "images" / "manifest.csv")
    for name, label in zip(table["image"], table["label"], strict=True):
        file = tiny_folder / "images" / name
        image = np.asarray(Image.open(file)) // 2
        image[:2] = 200 if label == "malignant" else 0
        Image.fromarray(image).save(file)
    write_sweep(tiny_folder)
    said = "shortcut: border text alone tells malignant (larger in malignant): AUC 1.00"
    assert said in run(tiny_folder, "plan")[1].replace("\n", " ")
    code, out, _ = run(tiny_folder, "sweep", "--executor", "local", "--record", "off")
    assert code == 0
    assert said in " ".join(out.split())


@pytest.mark.parametrize(("said", "end"), [("is it so?", "is it so?"), ("it is so", "it is so.")])
def test_notes_of_the_images_end_as_sentences_do(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, said: str, end: str
) -> None:
    monkeypatch.setattr("abl.stages.inputs.content_words", lambda content, classes: [said])
    write_sweep(tiny_folder)
    lines = run(tiny_folder, "plan")[1].splitlines()
    assert any(line.endswith(f": {end}") for line in lines)


def test_a_cache_that_cannot_be_written_is_said(
    tiny_sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abl.app.watching._can_write", lambda folder: False)
    code, out, err = run(tiny_sweep.parent, "plan")
    assert (code, err) == (0, "")
    assert "images are not looked at" in out
    assert not (tiny_sweep.parent / "runs").exists()


def test_a_plan_reads_no_pixels_again_and_the_sweep_finds_damaged_ones(tiny_folder: Path) -> None:
    write_sweep(tiny_folder)
    assert run(tiny_folder, "plan")[0] == 0
    (pixels,) = (tiny_folder / "runs" / "store" / "cache").glob("pixels-*/pixels.npy")
    content = bytearray(pixels.read_bytes())
    content[-1] ^= 1
    pixels.write_bytes(content)
    assert run(tiny_folder, "plan")[2] == ""
    _, out, err = run(tiny_folder, "sweep", "--executor", "local", "--record", "off")
    assert "decoded images of images/manifest.csv are damaged on the disk: made again" in out + err


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("plain4", r"time +about [\d.]+ (s|min) by a rule of thumb, on an idle machine: no such"),
        ("tiny_vgg", "time +not known: no such stage was ever run here"),  # was not measured
    ],
)
def test_what_never_ran_has_a_time_by_the_rule_of_init(
    tmp_path: Path, network: str, said: str
) -> None:
    (tmp_path / "sweep.yaml").write_text(
        "name: first\nstudy: compare\ndata: {phantom: {patients: 40}}\n"
        f"image: {{size: 32, channels: 1}}\ntrain: {{network: {network}, epochs: 20}}\n"
        "axes: {train.augment.rotate_deg: [0, 30]}\nmetrics: [acc]\nprimary: acc\n"
    )
    planned = commands.abl(tmp_path, "plan", "sweep.yaml")
    assert planned.exit_code == 0, planned.output
    assert re.search(said, planned.stdout), planned.stdout


def test_patients_of_all_random_splits_count_in_what_can_be_seen(tiny_folder: Path) -> None:
    said = {}
    for repeats in (1, 6):
        write_sweep(
            tiny_folder,
            {"splits": {"kind": "monte_carlo", "test": 0.3, "validation": 0.2}, "primary": "auc",
             "metrics": ["auc"], "replicates.repeats": repeats, "study": "compare",
             "options": None, "base": None, "axes": {"train.network": ["pooled3", "pooled6"]}},
        )  # fmt: skip
        output = " ".join(run(tiny_folder, "plan")[1].split())
        (found,) = re.findall(r"(\d+) test patients \((\d+) positive\).*?about ([\d.]+)", output)
        said[repeats] = [float(each) for each in found]
    assert said[1][:2] == [8, 4]
    # of 24 patients 0.7^6, two or three, are in none of six test sets
    assert 18 <= said[6][0] <= 24
    assert said[6][2] < said[1][2]
