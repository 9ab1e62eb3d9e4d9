"""Patients with images of several classes, scored as one: said how, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from abl.data.load import load_dataset
from abl.data.unit_labels import unit_label
from abl.errors import InputError
from abl.spec.data import Data
from abl.studies.shared.analysis import units_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """p0: three benign, one malignant; p1: one of each; p2 and p3: of one class."""
    rows = []
    for patient, labels in enumerate(([0, 0, 0, 1], [0, 1], [0, 0], [1])):
        for at, label in enumerate(labels):
            name = f"p{patient}_{at}.png"
            Image.fromarray(np.full((16, 16), len(rows) * 20, np.uint8)).save(tmp_path / name)
            rows.append({"image": name, "label": label, "patient": f"p{patient}"})
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv", index=False)
    return tmp_path


def scored(folder: Path, **data: str) -> dict[str, int]:
    dataset = load_dataset(Data.model_validate({"manifest": "m.csv", **data}), base=folder)
    units = units_of(dataset.frame, np.arange(len(dataset)), data["unit"])
    return dict(zip(units.names.tolist(), units.labels.tolist(), strict=True))


def test_a_patient_of_both_classes_is_refused_unless_the_file_says_what_it_is(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        scored(folder, unit="patient")
    (problem,) = caught.value.problems
    assert "data.unit: 2 of 4 patients of " in str(problem)
    assert "(p0, p1); say how one is scored by data: {patient_label: highest} or maj" in str(
        problem
    )
    highest = scored(folder, unit="patient", patient_label="highest")
    assert highest == {"p0": 1, "p1": 1, "p2": 0, "p3": 1}
    majority = scored(folder, unit="patient", patient_label="majority")
    assert majority == {"p0": 0, "p1": 1, "p2": 0, "p3": 1}


def test_images_are_scored_as_they_are(folder: Path) -> None:
    assert sum(scored(folder, unit="image").values()) == 3


def test_the_table_says_what_was_assumed(folder: Path) -> None:
    data = Data.model_validate({"manifest": "m.csv", "unit": "patient", "patient_label": "highest"})
    assert any("scored by the highest of these" in n for n in load_dataset(data, base=folder).notes)


def test_three_classes() -> None:
    labels = pd.Series([2, 1, 1, 0, 2, 2, 0])
    units = pd.Series(["a", "a", "a", "b", "b", "b", "c"])
    assert unit_label(labels, units, "majority").tolist() == [1, 1, 1, 2, 2, 2, 0]
    assert unit_label(labels, units, "highest").tolist() == [2, 2, 2, 2, 2, 2, 0]
