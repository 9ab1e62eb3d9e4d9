"""From the command: what files of other programs mean, and what is told of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import torch

from commands import abl
from tiny_sweeps import pooled3, write_sweep

WORDS = "Names that may be one patient: 'P00' [row 3] and 'p000' [row 2] (upper and lower case, "


def test_one_person_under_two_names_is_told_in_plan_sweep_table_and_report(
    tmp_path: Path, tiny_images: Path
) -> None:
    assert pooled3  # known to the sweep by its name
    shutil.copytree(tiny_images.parent, tmp_path / "images")
    manifest = pd.read_csv(tmp_path / "images/manifest.csv")
    manifest["split"] = [("train", "validation", "test")[at // 4 % 3] for at in manifest.index]
    manifest.loc[1, ["patient", "split"]] = ["P00", "test"]  # of p000, who trains
    manifest.to_csv(tmp_path / "images/manifest.csv", index=False)
    axes = {"axes": {"consensus": [1], "rule": ["original"]}, "base": None}
    axes |= {"splits": {"kind": "column"}}
    write_sweep(tmp_path, {**axes, "train.epochs": 1, "train.last_k": 1})
    planned = abl(tmp_path, "plan", "tiny.yaml").stdout
    assert f"note         {WORDS}leading zeros)" in planned
    assert "lie on two sides of a split: 1 of 1, the first are 'P00' and 'p000'." in planned
    ran = abl(tmp_path, "sweep", "tiny.yaml", "--executor", "local", "--record", "off")
    assert ran.exit_code == 0, ran.output
    said = " ".join(ran.output.split())
    assert f"warning: {WORDS}" in said
    assert said.rindex(WORDS) > said.index(f"warning: {WORDS}")  # under the table too
    (page,) = (tmp_path / "mlruns").rglob("report.html")
    words = "Names that may be one patient: &#39;P00&#39; [row 3]"
    weak = page.read_text(encoding="utf-8").partition("Weak points")[2]
    assert words in weak
    alike = {**axes, "data.patient_names": "alike"}
    write_sweep(tmp_path, alike, file="alike.yaml")
    assert "may be one" not in abl(tmp_path, "plan", "alike.yaml").stdout


def test_a_plan_says_how_names_of_a_checkpoint_are_read(tiny_folder: Path) -> None:
    state = {f"model.{name}": value for name, value in pooled3(2, 1, 24).state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tiny_folder / "pl.ckpt")
    write_sweep(tiny_folder, {"train.weights": "pl.ckpt"})
    planned = abl(tiny_folder, "plan", "tiny.yaml")
    assert planned.exit_code == 0, planned.output
    said = "weights: pl.ckpt is read by names without the 'model.' in front of them"
    assert planned.stdout.count(said) == 1


def test_a_fold_without_a_class_is_left_out_by_every_metric_that_needs_it(tmp_path: Path) -> None:
    lines = ["image,label,fold,p_0,p_1,p_2"]
    for at in range(24):
        fold = at // 6
        label = at % (3 if fold < 3 else 2)
        p = [0.1 + 0.02 * (at % 5)] * 3
        p[label] = 1 - sum(p) + p[label]
        lines.append(f"i{at},{label},{fold},{','.join(map(repr, p))}")
    (tmp_path / "three.csv").write_text("\n".join(lines))
    words = ["decide", "--original", "three.csv", "--rule", "original", "--classes", "a,b,c"]
    shown = abl(tmp_path, *words).stdout
    assert shown.count("(3 of 4 folds)") == 3  # SEN, F1 and AUC; ACC and SPE are defined in all
    facts = json.loads(abl(tmp_path, *words, "--format", "json").stdout)
    metrics = facts["decisions"][0]["metrics"]
    assert {name: each["folds"][3] is None for name, each in metrics.items()} == {
        "acc": False, "spe": False, "sen": True, "f1": True, "auc": True,
    }  # fmt: skip


def test_a_decision_says_how_its_files_were_read(tmp_path: Path) -> None:
    head = "image;label;patient;fold;p_0;p_1"
    rows = ["a;Benign ;007;fold 1;0,33;0,66", "b;True;7;2;0,5;0,5", "c;0.0;8;3;1;0", "d;1;9;3;0;1"]
    (tmp_path / "O.csv").write_text("\n".join([head, *rows, ";;;;;", ""]))
    theirs = ["c,0,8,2,0.9,0.1", "d,1,9,2,0,1", "a,0,007,0,0.2,0.8", "b,1,7,1,0.5,0.5"]
    lines = [head.replace(";", ","), *theirs]
    (tmp_path / "T.csv").write_text("\n".join(lines))
    words = ["--original", "O.csv", "--true", "T.csv", "--rule", "model1", "--threshold", "0.5"]
    said = abl(tmp_path, "decide", *words, "--format", "json")
    assert said.exit_code == 0, said.output
    notes = "\n".join(json.loads(said.stdout)["notes"])
    for part in (
        "O.csv: fields separated by semicolons, 1 row of empty fields passed over, 4",
        "O.csv: the probabilities of 1 row sum to 0.99, as they were rounded, and were",
        "O.csv: Names that may be one patient: '007' [row 2] and '7' [row 3] (leading zeros)",
        "O.csv counts fold from 1, T.csv from 0: they were taken as the same.",
    ):
        assert part in notes
