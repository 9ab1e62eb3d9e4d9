"""What of the training part is trained on: a pool of images, a share of the patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.data.splits.splits import split_of
from abl.errors import InputError
from abl.spec.splits import SharedSplits, Splits


def frame_of(patients: int = 60, benign: float = 0.7) -> pd.DataFrame:
    rows = [
        {
            "image": f"i{patient}_{plane}",
            "label": int(patient >= benign * patients),
            "train_label": int(patient >= benign * patients),
            "patient": f"p{patient}",
            "nodule": f"p{patient}",
        }
        for patient in range(patients)
        for plane in range(1 + patient % 3)
    ]
    return pd.DataFrame(rows)


def part(splits: Splits, frame: pd.DataFrame, repeat: int = 0) -> pd.DataFrame:
    return frame.iloc[split_of(frame, splits, repeat, 0).train]


def test_a_pool_has_so_many_images_of_each_class_and_leaves_the_other_parts_alone() -> None:
    frame = frame_of()
    whole, pooled = split_of(frame, Splits(), 0, 0), split_of(frame, Splits(pool=12), 0, 0)
    assert frame["label"].iloc[pooled.train].value_counts().to_dict() == {0: 12, 1: 12}
    assert set(pooled.train) < set(whole.train)
    assert np.array_equal(pooled.validation, whole.validation)
    assert np.array_equal(pooled.test, whole.test)
    smallest = part(Splits(pool="smallest"), frame)
    assert set(smallest["label"].value_counts()) == {
        int(frame["label"].iloc[whole.train].value_counts().min())
    }
    assert set(part(Splits(pool=12), frame)["image"]) < set(smallest["image"])
    assert set(part(Splits(pool=12), frame, repeat=1)["image"]) != set(
        part(Splits(pool=12), frame)["image"]
    )


def test_a_pool_larger_than_a_class_is_refused_with_what_to_write() -> None:
    with pytest.raises(InputError, match=r"splits.pool: 500 images of each class.*or pool: smal"):
        part(Splits(pool=500), frame_of())


@settings(deadline=None, max_examples=30)
@given(st.floats(0.05, 1), st.floats(0.05, 1), st.sampled_from([1, 2]))
def test_smaller_shares_of_patients_lie_within_larger_ones(one, other, draw) -> None:
    frame = frame_of()
    low, high = sorted([one, other])
    few = part(SharedSplits(share=low, draw=draw), frame)
    many = part(SharedSplits(share=high, draw=draw), frame)
    assert set(few["image"]) <= set(many["image"])
    assert set(few["label"]) == {0, 1}
    whole = part(Splits(draw=draw), frame)
    assert set(many["image"]) <= set(whole["image"])
    # whole patients
    assert set(whole.loc[whole["patient"].isin(few["patient"]), "image"]) == set(few["image"])


def test_a_share_is_of_the_patients_of_each_class() -> None:
    frame = frame_of()
    of_class = [part(s, frame).groupby("label")["patient"].nunique() for s in (
        Splits(), SharedSplits(share=0.5))]  # fmt: skip
    assert (of_class[1] == np.floor(of_class[0] / 2 + 0.5)).all()
