"""`data: {manifest: FOLDER}`: a folder a class, with masks and what systems leave behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_folders import noise_image, write_png

from abl.data.annotations.importing import ImportOptions, import_annotations
from abl.data.manifest import load_manifest
from abl.errors import InputError
from busi_files import COUNTS, write_busi

CLASSES = ("normal", "benign", "malignant")


def test_masks_of_busi_are_no_images(tmp_path: Path) -> None:
    dataset = load_manifest(write_busi(tmp_path / "busi"), classes=CLASSES)
    assert len(dataset) == sum(COUNTS.values())
    assert not any("_mask" in image for image in dataset.frame["image"])
    masks = dict(zip(dataset.frame["image"], dataset.frame["mask"], strict=True))
    assert masks["malignant/malignant (3).png"] == "malignant/malignant (3)_mask.png"
    assert masks["benign/benign (2).png"] == (
        "benign/benign (2)_mask.png;benign/benign (2)_mask_1.png"
    )
    assert "20 files are taken as masks of 19 images by name." in dataset.notes


def test_hidden_files_are_passed_over_and_counted(tmp_path: Path) -> None:
    for name in ("benign/a.png", "malignant/b.png"):
        write_png(tmp_path / name, noise_image(len(name)))
    for name in ("benign/._a.png", ".DS_Store", "__MACOSX/benign/._a.png", "malignant/.x/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    dataset = load_manifest(tmp_path)
    assert dataset.frame["image"].tolist() == ["benign/a.png", "malignant/b.png"]
    assert any(note.startswith("4 hidden files") for note in dataset.notes)


def test_a_folder_of_masks_beside_the_classes_is_no_class(tmp_path: Path) -> None:
    for name in ("benign/a.png", "malignant/b.png", "masks/a.png", "masks/b.png"):
        write_png(tmp_path / name, noise_image(len(name)))
    assert load_manifest(tmp_path).frame["mask"].tolist() == ["masks/a.png", "masks/b.png"]


def test_without_masks_there_is_no_column_of_them(tmp_path: Path) -> None:
    for name in ("benign/x_mask.png", "malignant/b.png"):
        write_png(tmp_path / name, noise_image(len(name)))
    dataset = load_manifest(tmp_path)
    assert "mask" not in dataset.frame
    assert len(dataset) == 2


def test_a_folder_within_a_class_is_refused_once(tmp_path: Path) -> None:
    for name in ("benign/p1/a.png", "benign/p1/b.png", "malignant/b.png"):
        write_png(tmp_path / name, noise_image(len(name)))
    with pytest.raises(InputError) as caught:
        load_manifest(tmp_path)
    (problem,) = caught.value.problems
    assert "'benign/p1' is a folder within a class" in str(problem)


def test_a_link_that_leads_round_is_not_followed(tmp_path: Path) -> None:
    for name in ("benign/a.png", "malignant/b.png"):
        write_png(tmp_path / name, noise_image(len(name)))
    (tmp_path / "benign/up").symlink_to(tmp_path)
    assert len(load_manifest(tmp_path)) == 2


def test_a_manifest_may_lie_elsewhere_than_its_images(tmp_path: Path) -> None:
    for name in ("set/a.png", "set/b.png"):
        write_png(tmp_path / name, noise_image(len(name)))
    manifest = tmp_path / "work/manifest.csv"
    manifest.parent.mkdir()
    manifest.write_text("image,label\na.png,0\nb.png,1\n", encoding="utf-8")
    dataset = load_manifest(manifest, images=tmp_path / "set")
    assert dataset.source.decode(1).shape == noise_image(0).shape
    with pytest.raises(InputError, match="no such file"):
        load_manifest(manifest)


def test_an_import_knows_masks_beside_images(tmp_path: Path) -> None:
    write_busi(tmp_path / "busi")
    said = import_annotations(tmp_path / "busi", tmp_path / "manifest.csv", ImportOptions())
    assert "read as masks beside images" in said
    assert "20 masks of 19 images" in said
    imported = load_manifest(tmp_path / "manifest.csv", classes=CLASSES).frame
    plain = load_manifest(tmp_path / "busi", classes=CLASSES).frame
    masks = dict(zip(plain["image"], plain["mask"], strict=True))
    assert len(imported) == len(plain)
    for image, mask in zip(imported["image"], imported["mask"], strict=True):
        assert mask.replace("busi/", "") == masks[image.removeprefix("busi/")]
    assert not (tmp_path / "masks").exists()
