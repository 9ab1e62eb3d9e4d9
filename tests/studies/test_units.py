"""What is scored: images, or the means of nodules and patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.studies.shared.analysis import units_of

FRAME = pd.DataFrame(
    {
        "image": ["d", "a", "c", "b", "e"],
        "patient": ["p2", "p1", "p1", "p1", "p2"],
        "nodule": ["n1", "n1", "n2", "n1", "n1"],
        "label": [0, 0, 1, 0, 1],
    }
)
P = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6], [0.5, 0.5]])


def test_images_are_themselves_in_a_fixed_order() -> None:
    units = units_of(FRAME, np.array([0, 1, 2]), "image")
    assert units.names.tolist() == ["a", "c", "d"]
    assert units.labels.tolist() == [0, 1, 0]
    assert units.mean(P[:3]).tolist() == [P[1].tolist(), P[2].tolist(), P[0].tolist()]


def test_a_patient_is_the_mean_of_its_images_and_malignant_if_one_is() -> None:
    units = units_of(FRAME, np.arange(5), "patient")
    assert units.names.tolist() == ["p1", "p2"]
    assert units.labels.tolist() == [1, 1]
    assert units.mean(P) == pytest.approx(np.array([[0.3, 0.7], [0.3, 0.7]]))


def test_nodules_of_two_patients_are_two_though_they_share_a_name() -> None:
    units = units_of(FRAME, np.arange(5), "nodule")
    assert units.names.tolist() == ["p1/n1", "p1/n2", "p2/n1"]
    assert units.patients.tolist() == ["p1", "p1", "p2"]
    assert units.labels.tolist() == [0, 1, 1]
    assert units.mean(P)[0] == pytest.approx([0.3, 0.7])


@given(st.permutations(range(5)), st.sampled_from(["image", "nodule", "patient"]))
def test_the_order_of_the_rows_does_not_matter(order: list[int], unit: str) -> None:
    units, turned = units_of(FRAME, np.arange(5), unit), units_of(FRAME, np.array(order), unit)
    assert turned.names.tolist() == units.names.tolist()
    assert turned.labels.tolist() == units.labels.tolist()
    assert turned.mean(P[order]) == pytest.approx(units.mean(P))
