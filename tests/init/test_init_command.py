"""`abl init`: from a folder as it comes to a table, as a person types it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import abl
from abl.app.init.command import InitOptions, init_sweep
from abl.app.init.machine import Machine
from abl.data.manifest import load_manifest
from abl.errors import InputError
from busi_files import COUNTS, write_busi
from commands import abl as run

LAPTOP = Machine(cpus=2, gpu="", gpus=0, with_weights=())
CLASSES = ("normal", "benign", "malignant")


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_from_busi_as_downloaded_to_a_table_in_three_commands(tmp_path: Path) -> None:
    write_busi(tmp_path / "Dataset_BUSI_with_GT", copies=2)
    made = run(tmp_path, "init", "Dataset_BUSI_with_GT", "--networks", "plain4,tiny_resnet")
    assert made.exit_code == 0, made.output
    planned = run(tmp_path, "plan", "sweep.yaml")
    assert planned.exit_code == 0, planned.output
    assert "verdicts are about recipes" in planned.output
    assert "names no patients: each image without a group counts as its own" in " ".join(
        planned.output.split()
    )
    swept = run(
        tmp_path, "sweep", "sweep.yaml", "--smoke", "--executor", "local", "--workers", "1",
        "--record", "off",
    )  # fmt: skip
    assert swept.exit_code == 0, swept.output
    table = swept.output[swept.output.index("network  ") :]
    assert "plain4" in table
    assert "tiny_resnet" in table
    assert "names no patients" in table
    assert "2 groups of 4 images" in table


@pytest.fixture(scope="module")
def busi(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with BUSI in it and what `abl init` made of it, and what it said."""
    home = tmp_path_factory.mktemp("busi")
    write_busi(home / "set", copies=2)
    return home, init_sweep(home / "set", InitOptions(home), machine=LAPTOP)


def test_the_manifest_holds_images_with_their_masks(busi: tuple[Path, str]) -> None:
    home, _ = busi
    dataset = load_manifest(home / "manifest.csv", classes=CLASSES)
    frame = dataset.frame.set_index("image")
    assert len(frame) == sum(COUNTS.values()) + 2
    assert not frame.index.str.contains("_mask").any()
    assert frame.loc["set/benign/benign (2).png", "mask"] == (
        "set/benign/benign (2)_mask.png;set/benign/benign (2)_mask_1.png"
    )
    for name in CLASSES:
        of_class = frame[frame.index.str.startswith(f"set/{name}/")]
        assert set(of_class["label"]) == {CLASSES.index(name)}


def test_brighter_copies_share_a_group(busi: tuple[Path, str]) -> None:
    table = pd.read_csv(busi[0] / "manifest.csv").set_index("image")["group"]
    for original, copy in ((1, 8), (2, 9)):
        own = [f"set/benign/benign ({number}).png" for number in (original, copy)]
        assert table[own].nunique() == 1
        assert (table == table[own[0]]).sum() == 2
    assert table.notna().sum() == 4


def test_what_was_taken_and_left_is_said_and_stands_in_the_sweep(busi: tuple[Path, str]) -> None:
    home, said = busi
    shown = [
        "normal 6, benign 9, malignant 6",
        "1 image has several masks",
        "masks that mark nothing: normal 6",
        "22 hidden files",
        "patients unknown",
        "near-duplicates: 4 images in 2 groups",
    ]
    assert [each for each in shown if each not in said] == []
    lines = (home / "sweep.yaml").read_text(encoding="utf-8").splitlines()
    comments = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
    assert [each for each in shown if each not in comments] == []
    assert "abl sweep" in said
    assert "in points: normal (6)" in said


def test_the_sweep_allows_verdicts(busi: tuple[Path, str]) -> None:
    sweep = abl.load(busi[0] / "sweep.yaml", root=busi[0] / "mlruns").file.sweep
    assert sweep.data.classes == CLASSES
    assert (sweep.splits.kind, sweep.splits.folds) == ("kfold", 5)
    assert len(sweep.replicates.seeds) == 3
    assert sweep.primary in sweep.metrics
    assert sweep.base == {"network": sweep.train.network}
    assert sweep.image.channels == 1
    assert sweep.image.size <= 40  # no larger than the images


def test_nothing_is_written_over_without_being_asked(tmp_path: Path) -> None:
    write_busi(tmp_path / "set")
    (tmp_path / "sweep.yaml").write_text("mine", encoding="utf-8")
    before = files_below(tmp_path)
    refused = run(tmp_path, "init", "set")
    assert refused.exit_code == 2
    assert "sweep.yaml: is there already; --force" in refused.output
    assert files_below(tmp_path) == before
    init_sweep(tmp_path / "set", InitOptions(tmp_path, force=True), machine=LAPTOP)
    assert "mine" not in (tmp_path / "sweep.yaml").read_text(encoding="utf-8")
    # and again, in the folder of the images, beside its own files
    for _ in range(2):
        options = InitOptions(tmp_path / "set", force=True)
        said = init_sweep(tmp_path / "set", options, machine=LAPTOP)
    assert f"{sum(COUNTS.values())} images" in said


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    write_busi(tmp_path / "far/set")
    before = files_below(tmp_path / "far")
    (tmp_path / "work").mkdir()
    made = run(tmp_path / "work", "init", "../far/set", "--networks", "plain4")
    assert made.exit_code == 0, made.output
    assert files_below(tmp_path / "far") == before
    (command,) = [line.split() for line in made.output.splitlines() if "abl plan" in line]
    assert command[:3] == ["abl", "plan", "sweep.yaml"]
    assert run(tmp_path / "work", *command[1:]).exit_code == 0
    lacking = run(tmp_path / "work", *command[1:3])
    assert lacking.exit_code == 2
    assert "data.images: there is no 'set'" in lacking.output
    assert "--data" in lacking.output


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    write_busi(tmp_path / "set")
    (tmp_path / "file").write_text("", encoding="utf-8")
    before = files_below(tmp_path)
    with pytest.raises(InputError, match=r"--out .*cannot be written"):
        init_sweep(tmp_path / "set", InitOptions(tmp_path / "file/out"), machine=LAPTOP)
    assert files_below(tmp_path) == before


def test_the_help_names_every_option_in_words() -> None:
    shown = run(Path(), "init", "--help").output
    for option in ("--out", "--classes", "--table", "--label", "--patients", "--patient-from"):
        assert option in shown


def test_a_network_given_twice_is_told_of_the_option(tmp_path: Path) -> None:
    write_busi(tmp_path / "set")
    refused = run(tmp_path, "init", "set", "--networks", "plain4,plain4", "--out", "new")
    assert (refused.exit_code, refused.stderr) == (
        2, "abl: --networks: 'plain4' is there twice\n"
    )  # fmt: skip
    assert not (tmp_path / "new").exists()
