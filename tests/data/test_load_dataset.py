from __future__ import annotations

import pytest
from image_folders import noise_image, write_set

from abl.data.load import load_dataset
from abl.errors import InputError
from abl.spec.data import Data


def images():
    return [noise_image(seed) for seed in range(4)]


def test_a_manifest_is_relative_to_the_sweep(tmp_path):
    write_set(tmp_path / "sweeps" / "mine", images())
    data = Data(manifest="mine/manifest.csv")
    assert len(load_dataset(data, base=tmp_path / "sweeps")) == 4


def test_a_manifest_elsewhere_needs_data(tmp_path):
    write_set(tmp_path / "elsewhere", images())
    base = tmp_path / "sweeps"
    base.mkdir()
    data = Data(manifest="../elsewhere/manifest.csv")
    with pytest.raises(InputError, match="--data FOLDER"):
        load_dataset(data, base=base)
    assert len(load_dataset(data, base=base, roots=[tmp_path / "elsewhere"])) == 4


def test_a_set_is_looked_for_in_every_folder_given(tmp_path):
    write_set(tmp_path / "two" / "mine", images())
    (tmp_path / "one").mkdir()
    roots = [tmp_path / "one", tmp_path / "two"]
    assert len(load_dataset(Data(set="mine"), base=tmp_path, roots=roots)) == 4
    with pytest.raises(InputError) as error:
        load_dataset(Data(set="other"), base=tmp_path, roots=roots)
    for words in ("other/manifest.csv", "--data FOLDER", str(roots[0]), str(roots[1])):
        assert words in str(error.value)


def test_a_set_may_not_leave_its_root(tmp_path):
    write_set(tmp_path / "outside", images())
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(InputError, match=r"outside/manifest\.csv"):
        load_dataset(Data(set="../outside"), base=tmp_path, roots=[root])
