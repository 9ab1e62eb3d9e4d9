"""One person under two names is told wherever a person looks before and after a sweep is run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from commands import abl
from tiny_sweeps import pooled3, write_sweep

WORDS = "Names that may be one patient: 'P00' [row 3] and 'p000' [row 2] (upper and lower case, "


def test_it_is_told_in_plan_sweep_table_and_report(tmp_path: Path, tiny_images: Path) -> None:
    assert pooled3  # known to the sweep by its name
    shutil.copytree(tiny_images.parent, tmp_path / "images")
    manifest = pd.read_csv(tmp_path / "images/manifest.csv")
    manifest.loc[1, "patient"] = "P00"
    manifest.to_csv(tmp_path / "images/manifest.csv", index=False)
    axes = {"axes": {"consensus": [1], "rule": ["original"]}, "base": None}
    write_sweep(tmp_path, {**axes, "train.epochs": 1, "train.last_k": 1})
    assert f"note         {WORDS}leading zeros)" in abl(tmp_path, "plan", "tiny.yaml").stdout
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
