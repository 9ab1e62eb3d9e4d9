"""One image across many networks, against all predictions in one frame."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.errors import InputError, StageError
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.studies.shared.predictions import image_history, misclassified, predicting
from abl.train.predictions import ROLES, predictions_frame, write_predictions

IMAGES = [f"folder/{letter}.png" for letter in "abcdefgh"]


def keep(store: Store, name: str, frame: pd.DataFrame | None) -> str:
    """The digest of a finished stage with these predictions, or with none."""
    stage = Stage("train", 1, {"name": name}, label=name)
    with store.claim(stage.digest) as attempt:
        assert attempt is not None
        if frame is None:
            (attempt.folder / "other.txt").write_text("no network")
        else:
            write_predictions(attempt.folder / "predictions.parquet", frame)
        store.commit(attempt, stage, {}, {})
    return stage.digest


def drawn_frame(roles: dict[str, list[str]], classes: int, seed: int) -> pd.DataFrame:
    # whole numbers: ties are common
    draw = np.random.default_rng(seed)
    logits = {
        role: draw.integers(-1, 2, (2, len(images), classes)).astype(np.float32)
        for role, images in roles.items()
    }
    return predictions_frame(roles, logits)


@st.composite
def networks(draw: st.DrawFn) -> tuple[dict[str, list[str]], int, int]:
    """Images of each role, in any order and not all of them; classes; a seed."""
    order = draw(st.permutations(IMAGES))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), min_size=4, max_size=4)))
    ends = [0, *cuts]
    parts = {role: order[ends[at] : ends[at + 1]] for at, role in enumerate(ROLES)}
    roles = {role: images for role, images in parts.items() if images}
    return roles or {"test": [order[0]]}, draw(st.integers(2, 3)), draw(st.integers(0, 99))


@settings(max_examples=40)
@given(
    drawn=st.lists(networks(), min_size=1, max_size=5),
    image=st.sampled_from([*IMAGES, "nowhere.png"]),
    counted=st.sets(st.sampled_from(ROLES), min_size=1),
    unlabelled=st.sets(st.sampled_from(IMAGES), max_size=3),
)
def test_as_in_one_frame_of_all(
    drawn: list[tuple[dict[str, list[str]], int, int]],
    image: str,
    counted: set[str],
    unlabelled: set[str],
) -> None:
    labels = pd.Series({name: at % 3 for at, name in enumerate(IMAGES) if name not in unlabelled})
    with tempfile.TemporaryDirectory() as folder:
        store, frames = Store(Path(folder)), []
        for number, (roles, classes, seed) in enumerate(drawn):
            frame = drawn_frame(roles, classes, seed)
            digest = keep(store, f"network {number}", frame)
            frames.append(frame.assign(network=digest))
        digests = [str(frame["network"].iloc[0]) for frame in frames]
        history = image_history(store, digests, image)
        found = misclassified(store, digests, labels, sorted(counted))
    whole = pd.concat(frames, ignore_index=True).astype({"role": "str", "network": "str"})
    columns = sorted(name for name in whole if name.startswith("p_"))

    wanted = whole.loc[whole["image"] == image, ["network", "role", *columns]]
    wanted = wanted.dropna(axis=1, how="all") if len(wanted) else wanted[["network", "role"]]
    pd.testing.assert_frame_equal(history, wanted.reset_index(drop=True))

    counts = whole[whole["role"].isin(counted) & whole["image"].isin(labels.index)].copy()
    p = counts[columns].fillna(-1.0).to_numpy()
    # the last of the largest: a tie goes to the higher class
    counts["wrong"] = [
        int(max(range(len(row)), key=lambda c: (row[c], c))) != labels[name]
        for row, name in zip(p, counts["image"], strict=True)
    ]
    by_image = counts.groupby("image")["wrong"].agg(["size", "sum"]).reindex(labels.index)
    assert found["networks"].tolist() == by_image["size"].fillna(0).astype(int).tolist()
    assert found["wrong"].tolist() == by_image["sum"].fillna(0).astype(int).tolist()


def test_only_stages_with_predictions_are_networks(tmp_path: Path) -> None:
    store = Store(tmp_path)
    network = keep(store, "network", drawn_frame({"test": IMAGES}, 2, 0))
    other = keep(store, "selection", None)
    assert predicting(store, [other, "0" * 64, network]) == [network]


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    network = keep(store, "network", drawn_frame({"test": IMAGES}, 2, 0))
    file = store.folder(network) / "predictions.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(StageError, match="damaged"):
        image_history(Store(tmp_path), [network], IMAGES[0])
    with pytest.raises(StageError):
        misclassified(Store(tmp_path), [network], pd.Series(0, index=IMAGES))


def test_two_labels_of_an_image_are_refused(tmp_path: Path) -> None:
    labels = pd.Series([0, 1], index=[IMAGES[0], IMAGES[0]])
    with pytest.raises(InputError, match=r"a\.png' has more than one label"):
        misclassified(Store(tmp_path), [], labels)
