"""What is chosen for a machine, and what is said of its power."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_folders import of_classes, started, write_pictures

from abl.app.init.machine import MINUTES, SIZES, Machine, chosen_panel
from abl.app.init.sweep_text import comment, quoted

LAPTOP = Machine(cpus=4, gpu="", gpus=0, with_weights=())
CLUSTER = Machine(cpus=64, gpu="H200", gpus=2, with_weights=())
IMAGES = st.integers(20, 200_000)


def asked(machine: Machine, images: int = 800, side: int = 500) -> tuple[int, int, float, bool]:
    panel = chosen_panel(machine, images=images, side=side, most_folds=5, seeds=3)
    return panel.size, panel.folds, panel.minutes, panel.pretrained


@given(IMAGES, IMAGES, st.integers(20, 2000))
def test_more_images_never_make_them_larger(one: int, other: int, side: int) -> None:
    few, many = sorted((one, other))
    assert asked(LAPTOP, few, side)[:2] >= asked(LAPTOP, many, side)[:2]


@given(IMAGES, st.integers(20, 2000))
def test_the_time_is_kept_where_some_size_keeps_it(images: int, side: int) -> None:
    size, folds, minutes, _ = asked(LAPTOP, images, side)
    assert size in SIZES
    assert size <= max(side, SIZES[-1])
    if minutes > MINUTES:  # then nothing smaller was left to try
        assert (folds, size) == (3, 64 if side >= 64 else size)


def test_a_larger_machine_takes_larger_images() -> None:
    assert asked(Machine(16, "", 0, ()), 5000)[0] > asked(Machine(1, "", 0, ()), 5000)[0]


def test_imagenet_networks_only_with_two_sets_of_weights_at_hand() -> None:
    assert not asked(CLUSTER)[3]
    assert not asked(Machine(64, "H200", 2, ("resnet18",)))[3]
    assert asked(Machine(64, "H200", 2, ("resnet18", "densenet121")))[3]


def test_more_classes_than_two_are_told_one_by_one(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", of_classes("a", "b", "c"))
    said, _ = started(tmp_path)
    assert "of 15 test images" in said
    for name in "abc":
        assert f"{name} (5) " in said


def test_few_images_are_said_to_allow_no_verdict(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", of_classes("a", "b", count=3))
    said, _ = started(tmp_path)
    assert "6 test images (3 positive): a difference in AUC" in said


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" ")), max_size=4))
def test_names_of_classes_are_read_as_they_are(names: list[str]) -> None:
    text = f"classes: [{', '.join(map(quoted, names))}]"
    assert yaml.safe_load(text)["classes"] == names


@given(st.text())
def test_no_text_leaves_its_comment(text: str) -> None:
    lines = comment(text)
    assert all(line.startswith("#") for line in lines)
    assert yaml.safe_load("\n".join([*lines, "a: 1"])) == {"a": 1}
