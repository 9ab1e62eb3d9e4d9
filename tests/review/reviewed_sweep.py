"""A finished sweep over the tiny set with some wrong labels, and sheets that are filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from abl.spec.yaml_file import yaml_text
from commands import abl
from tiny_sweeps import TWO_NETWORKS, changed, write_tiny_set

WRONG = ("png/000a.png", "png/005b.png")  # images whose label in the manifest is wrong
MARK = "<b>bold</b>"
FORMULA = "=1+2"
SWEEP = changed(TWO_NETWORKS, {"splits.folds": 3, "replicates.repeats": 2})


def write_reviewed(folder: Path, changes: Mapping[str, object] | None = None) -> Path:
    """The tiny set with two wrong labels and columns of others' making, and its sweep file."""
    manifest = write_tiny_set(folder / "images")
    table = pd.read_csv(manifest, dtype=str)
    wrong = table["image"].isin(WRONG)
    other = {"benign": "malignant", "malignant": "benign"}
    table.loc[wrong, "label"] = table.loc[wrong, "label"].map(other)
    table["site"] = [MARK, FORMULA, "-3.5", "it's"] * (len(table) // 4)
    table["patient_name"] = "Jane Roe"
    table.to_csv(manifest, index=False)
    path = folder / "tiny.yaml"
    path.write_text(yaml_text(changed(SWEEP, changes or {})), encoding="utf-8")
    return path


def ran(folder: Path, file: str = "tiny.yaml", *words: str) -> str:
    """What `abl sweep` prints of a sweep in a folder."""
    result = abl(folder, "sweep", file, "--executor", "local", "--record", "off", *words)
    assert result.exit_code == 0, result.output
    return result.output


def sheet_of(folder: Path) -> pd.DataFrame:
    """The newest review.csv of the sweep, as a person finds it."""
    (path,) = (folder / "mlruns/store/sweeps/tiny").glob("*/review.csv")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def filled(
    folder: Path,
    name: str,
    decided: Mapping[str, tuple[str, str]],
    *,
    reader: str = "AB",
    edit: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> Path:
    """The sheet with (decision, new_label) of some images."""
    sheet = sheet_of(folder)
    for image, (decision, new_label) in decided.items():
        at = sheet["image"] == image
        sheet.loc[at, ["decision", "new_label", "reader"]] = [decision, new_label, reader]
    path = folder / name
    (sheet if edit is None else edit(sheet)).to_csv(path, index=False)
    return path
