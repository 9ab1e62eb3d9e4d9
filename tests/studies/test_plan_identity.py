"""On real plans: what leaves finished work alone, and what makes a sweep train anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import abl
from abl.plan.graph import Plan
from abl.report.plan_text import plan_numbers
from tiny_sweeps import PANEL, TINY, write_sweep

AXES = TINY["axes"]


@pytest.fixture
def plan_of(tiny_folder: Path):
    def planned(changes: dict[str, Any] | None = None) -> Plan:
        return abl.load(write_sweep(tiny_folder, changes), root=tiny_folder / "mlruns").plan

    return planned


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "another"},
        {"title": "Another"},
        {"resources": {"cpus": 2, "gpus": 0.5}},
        {"base": None, "margin": 0.1, "resamples": 500, "primary": "auc", "select_by": "acc"},
        {"metrics": ["acc"], "table": {"decimals": 3}},
        {"axes": {"threshold": [0.5], "rule": ["model1", "original"], "consensus": [1]}},
        {"axes": AXES | {"rule": ["average", "original", "true", "model1"]}},
        {"axes": AXES | {"threshold": {"from": 0, "to": 1, "steps": 11, "curve": True}}},
        {"data.unit": "patient"},
        {"train.weights": "none", "train.schedule": {"name": "constant", "every": 5}},
        {"splits.seed": 0, "image.crop": {"to": "frame", "margin": 0.0}},
    ],
)
def test_what_names_or_analyses_changes_no_stage(plan_of, changes: dict[str, Any]) -> None:
    assert set(plan_of(changes).stages) == set(plan_of().stages)


@pytest.mark.parametrize(
    "changes",
    [
        {"axes": AXES | {"consensus": [2, 1, 3]}},
        {"axes": AXES | {"network": ["pooled3", "pooled6"]}},
        {"axes": AXES | {"train.epochs": [4, 3]}},
        {"axes": AXES | {"second": ["true", "retrained", "matched"]}, "base": None},
        {"replicates": {"repeats": 3, "seeds": [2, 0, 1]}},
        {"arms": [{"rule": "original"}, {"rule": "model1"}, {"rule": "true", "consensus": 3}]},
    ],
)
def test_adding_a_value_or_a_replicate_keeps_every_stage(plan_of, changes: dict[str, Any]) -> None:
    before, after = set(plan_of().stages), set(plan_of(changes).stages)
    assert before < after


@pytest.mark.parametrize(
    "changes",
    [
        {"train.epochs": 4},
        {"replicates.seeds": [7]},
        {"train.batch_size": 8},
        {"train.optimizer": {"lr": 0.01}},
        {"train.threads": 2},
        {"train.deterministic": False},
        {"image.size": 16},
        {"splits.seed": 1},
        {"splits.test": 0.4},
    ],
)
def test_what_changes_results_changes_every_stage(plan_of, changes: dict[str, Any]) -> None:
    assert set(plan_of().stages).isdisjoint(plan_of(changes).stages)


def test_a_fold_of_cross_validation_is_a_replicate(plan_of) -> None:
    plan = plan_of({"splits": {"kind": "kfold", "folds": 3}, "replicates": {"seeds": [0, 1]}})
    assert [(r.repeat, r.fold, r.seed) for r in plan.replicates] == [
        (0, fold, seed) for fold in range(3) for seed in (0, 1)
    ]
    assert len(plan.cells) == 2 * 6


def test_an_image_or_a_label_that_a_split_reads_changes_its_stages(
    plan_of, tiny_folder: Path
) -> None:
    before = plan_of()
    manifest = tiny_folder / "images/manifest.csv"
    rows = manifest.read_text().splitlines()
    manifest.write_text("\n".join([rows[0], *reversed(rows[1:])]) + "\n")
    assert set(plan_of().stages) == set(before.stages)
    # moved to another folder, or with another column: the same images
    (tiny_folder / "images").rename(tiny_folder / "elsewhere")
    moved = {"data.manifest": "elsewhere/manifest.csv"}
    assert set(plan_of(moved).stages) == set(before.stages)
    image = next((tiny_folder / "elsewhere/png").iterdir())
    image.write_bytes(image.read_bytes() + b"x")
    assert set(plan_of(moved).stages).isdisjoint(before.stages)


def test_an_external_row_that_no_split_reads_changes_nothing(plan_of, tiny_folder: Path) -> None:
    manifest = pd.read_csv(tiny_folder / "images/manifest.csv")
    split = np.where(
        manifest.index < 28, "train", np.where(manifest.index < 38, "validation", "test")
    )
    manifest.assign(split=split, centre="A").to_csv(tiny_folder / "images/a.csv", index=False)
    manifest.assign(split=split, centre="B").to_csv(tiny_folder / "images/b.csv", index=False)
    column = {"splits": {"kind": "column"}}
    one = plan_of(column | {"data.manifest": "images/a.csv"})
    other = plan_of(column | {"data.manifest": "images/b.csv"})
    assert set(one.stages) == set(other.stages)


def test_a_network_that_selects_and_is_original_is_trained_once(plan_of) -> None:
    plan = plan_of({"axes": AXES | {"network": PANEL}})
    by_label = [stage.label for stage in plan.stages.values()]
    assert sorted(by_label) == sorted(
        [f"train {name} r0 f0 s0" for name in PANEL]
        + [f"train {name} True-1 r0 f0 s0" for name in PANEL]
        + ["select by 3 networks r0 f0 s0"]
    )
    numbers = plan_numbers(plan, set(), {}, 2)
    assert (numbers["trainings"], numbers["trainings_without_sharing"]) == (6, 3 * (1 + 4))


def test_the_second_run_of_the_planner_is_the_same_to_the_letter(plan_of) -> None:
    one, two = plan_of(), plan_of()
    assert list(one.stages) == list(two.stages)
    assert one.cells == two.cells


def test_a_network_of_ones_own_is_part_of_the_identity_and_a_comment_is_not(
    plan_of, tiny_folder: Path
) -> None:
    module = tiny_folder / "nets.py"
    text = (
        "from torch import nn\nfrom abl.nets.registry import network\n"
        "@network('of_mine')\ndef of_mine(classes, channels, image_size):\n"
        "    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))\n"
    )
    module.write_text(text)
    changes = {"module": "nets.py", "train.network": "of_mine"}
    before = plan_of(changes)
    assert set(plan_of(changes).stages) == set(before.stages)
    module.write_text(text + "# edited\n")
    assert set(plan_of(changes).stages) == set(before.stages)
    module.write_text(text.replace("LazyLinear(classes)", "LazyLinear(classes, bias=False)"))
    assert set(plan_of(changes).stages) != set(before.stages)


def test_corrected_boxes_train_anew_where_images_are_cut_by_them(tiny_folder: Path) -> None:
    def trainings(shift: int, crop: str) -> set[str]:
        path = tiny_folder / "images" / "manifest.csv"
        frame = pd.read_csv(path)
        boxes = {"box_x0": 2 + shift, "box_y0": 2, "box_x1": 20, "box_y1": 20}
        frame.assign(**boxes).to_csv(path, index=False)
        changes = {"image.crop": {"to": crop}}
        plan = abl.load(write_sweep(tiny_folder, changes), root=tiny_folder / "mlruns").plan
        return {digest for digest, stage in plan.stages.items() if stage.kind == "train"}

    assert trainings(0, "box") != trainings(1, "box")
    assert trainings(0, "frame") == trainings(1, "frame")
