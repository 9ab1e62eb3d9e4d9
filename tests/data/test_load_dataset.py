from __future__ import annotations

import pytest
from image_folders import noise_image, write_set

from abl.data.checks.checking import check_report
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


def test_a_folder_that_holds_a_manifest_is_told_to_be_none(tmp_path):
    write_set(tmp_path / "set", images())
    with pytest.raises(InputError) as error:
        load_dataset(Data(manifest="set"), base=tmp_path)
    (problem,) = error.value.problems
    assert problem.message.startswith("data.manifest: 'set' is a folder without a folder for each")
    assert problem.message.endswith("manifest: set/manifest.csv")


def test_an_image_is_no_manifest(tmp_path):
    write_set(tmp_path, images())
    with pytest.raises(InputError) as error:
        load_dataset(Data(manifest="images/0.png"), base=tmp_path)
    (problem,) = error.value.problems
    assert problem.message.startswith("data.manifest: 'images/0.png' is an image, not a table")
    with pytest.raises(InputError, match=r"images/0\.png: is an image, not a table"):
        check_report(tmp_path / "images/0.png", ("benign", "malignant"))


def test_a_column_that_is_not_known_is_one_of_the_data_block(tmp_path):
    write_set(tmp_path, images())
    with pytest.raises(InputError) as error:
        load_dataset(Data(manifest="manifest.csv", columns={"foo": "label"}), base=tmp_path)
    assert error.value.problems[0].message.startswith("data.columns: 'foo' is not a column")
