"""The generated set on disk."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from abl.data.load import load_dataset
from abl.data.manifest import load_manifest
from abl.data.phantom import (
    phantom_dataset,
    phantom_truth,
    render,
    sample_sheet,
    write_phantom,
)
from abl.data.phantom.files import png_bytes
from abl.errors import InputError
from abl.spec.data import Data, Phantom
from commands import abl

SMALL = Phantom(patients=8, size=48, flip=0.3, centre_b=0.5)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_written_set_is_the_generated_one(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_phantom(SMALL, tmp_path / "set")
    read = load_manifest(tmp_path / "set" / "manifest.csv")
    made = phantom_dataset(SMALL)
    for name in ("image", "label", "patient", "centre", "box_x0", "mask", "image2"):
        assert read.frame[name].tolist() == made.frame[name].tolist(), name
    noisy = load_manifest(tmp_path / "set" / "manifest.csv", columns={"label": "noisy_label"})
    assert noisy.frame["label"].tolist() == made.frame["train_label"].tolist()
    assert noisy.frame["label"].tolist() != made.frame["label"].tolist()
    for position in (0, len(made) - 1):
        images = render(SMALL, position)
        np.testing.assert_array_equal(read.source.decode(position), images.bmode)
        row = read.frame.loc[position]
        stiff = np.asarray(Image.open(tmp_path / "set" / row["elasticity"]))
        np.testing.assert_array_equal(stiff, images.elasticity)
        mask = np.asarray(Image.open(tmp_path / "set" / row["mask"]))
        np.testing.assert_array_equal(mask == 255, images.mask)
    truth = pd.read_csv(tmp_path / "set" / "truth" / "truth.csv")
    pd.testing.assert_frame_equal(truth, phantom_truth(SMALL), check_dtype=False)
    assert "truth" not in (tmp_path / "set" / "manifest.csv").read_text()
    assert not [path for path in tmp_path.iterdir() if path.name != "set"]


def test_one_process_or_two_write_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        monkeypatch.setattr("abl.data.workers.processes_for", lambda *_, n=workers, **__: n)
        write_phantom(SMALL, tmp_path / name)
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    assert len(one) == 3 * len(phantom_dataset(SMALL)) + 3


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        write_phantom(SMALL, tmp_path)
    with pytest.raises(InputError, match="not an empty folder"):
        write_phantom(SMALL, tmp_path / "notes.txt")
    assert contents(tmp_path) == {"notes.txt": b"mine"}


@settings(max_examples=20, deadline=None)
@given(
    image=arrays(np.uint8, st.tuples(st.integers(1, 300), st.integers(1, 300))),
    compress=st.booleans(),
)
def test_png_files_read_back(image: np.ndarray, compress: bool) -> None:
    with Image.open(io.BytesIO(png_bytes(image, compress=compress))) as read:
        assert read.mode == "L"
        np.testing.assert_array_equal(np.asarray(read), image)


def test_the_sample_sheet_is_small_and_shows_both_classes(tmp_path: Path) -> None:
    sample_sheet(Phantom(patients=20, size=64), tmp_path / "sheet.png", pairs=3)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (6 * 66, 3 * 66)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_the_door_to_data_opens_it(tmp_path: Path) -> None:
    dataset = load_dataset(Data(phantom=SMALL), base=tmp_path)
    assert dataset.classes == ("benign", "malignant")
    assert {"fingerprint", "box_x0", "roi_x1", "elasticity"} <= set(dataset.frame.columns)
    assert dataset.source.decode(0).shape == (48, 48)


def test_more_patients_than_a_sweep_file_may_ask_for_are_one_line(tmp_path: Path) -> None:
    found = abl(tmp_path, "data", "phantom", "out", "--patients", "1000001")
    said = "abl: --patients: input should be less than or equal to 1000000, not 1000001\n"
    assert (found.exit_code, found.stderr) == (2, said)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_takes_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = abl(tmp_path, "data", "phantom", "file/out", "--patients", "4", "--size", "32")
    assert (found.exit_code, found.stderr) == (
        2, "abl: file/out: cannot be written (Not a directory)\n"
    )  # fmt: skip
