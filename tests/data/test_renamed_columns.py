"""`abl data tissue`, `group` and `split-frames` of a table whose columns have other names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from commands import abl
from tiny_sweeps import write_tiny_set

NAMED = ["--column", "image=File", "--column", "label=Diagnosis"]
COMMANDS = {
    "tissue": ["tissue", "table.csv", "--out", "cut"],
    "group": ["group", "table.csv", "--out", "grouped.csv"],
    "split-frames": ["split-frames", "table.csv", "--out", "pairs"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Frames that are grey on the left and coloured on the right, named in columns of others."""
    manifest = write_tiny_set(tmp_path, patients=6)
    table = pd.read_csv(manifest, dtype=str)
    for name in table["image"]:
        grey = np.asarray(Image.open(tmp_path / name).resize((80, 80)))
        frame = np.zeros((100, 200, 3), np.uint8)
        frame[10:90, 10:90] = grey[..., None]
        frame[10:90, 110:190] = np.stack([grey, grey // 4, 255 - grey], axis=-1)
        Image.fromarray(frame).save(tmp_path / name)
    table = table.rename(columns={"image": "File", "label": "Diagnosis"})
    table.to_csv(tmp_path / "table.csv", index=False)
    manifest.unlink()
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_columns_of_other_names_are_advised_and_read(folder: Path, name: str) -> None:
    refused = abl(folder, "data", *COMMANDS[name])
    assert refused.exit_code == 2
    assert "--column image=" in refused.stderr
    assert "--column label=" in refused.stderr
    found = abl(folder, "data", *COMMANDS[name], *NAMED)
    assert found.exit_code == 0, found.output
    written = {
        "tissue": "cut/manifest.csv",
        "group": "grouped.csv",
        "split-frames": "pairs/pairs.csv",
    }
    table = pd.read_csv(folder / written[name], dtype=str)
    own = ["File", "Diagnosis"] if name == "group" else ["image", "label"]
    assert set(own) <= set(table.columns)
    assert not {"File", "Diagnosis", "image", "label"} - set(own) & set(table.columns)
    path = table[own[0]].iloc[0]
    assert (folder / written[name]).parent.joinpath(path).is_file()


def test_a_column_that_is_not_there_is_told_as_the_option(folder: Path) -> None:
    words = ["--column", "image=Files", "--column", "label=Diagnosis"]
    found = abl(folder, "data", *COMMANDS["group"], *words)
    assert found.exit_code == 2
    assert "--column: no column 'Files'; did you mean 'File'?" in found.stderr
