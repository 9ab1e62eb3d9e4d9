"""Settings that change nothing, that can hardly be meant, or that an arm is given twice: a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commands import abl
from tiny_sweeps import TWO_NETWORKS, write_sweep

ALONE = {name: TWO_NETWORKS[name] for name in ("study", "splits", "replicates")} | {
    "options": {},
    "base": None,
}
NETWORKS = {"network": ["pooled3", "pooled6"]}
TWO = {**ALONE, "axes": NETWORKS}
GUIDED = "it is read only if train.attention.variant is guided by a mask (serial), and it is none"
ALIKE = "changes nothing: arms that differ in it alone have the same predictions: leave it out"
SET = "images/manifest.csv"
OPTIMIZERS = [{"name": "adam", "lr": 0.05}, {"name": "sgd", "lr": 0.05}]

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "alpha without attention": (
        {"axes": {"train.attention.alpha": [0.1, 0.5]}},
        f"axes.train.attention.alpha: changes nothing: {GUIDED}",
    ),
    "a branch without attention": (
        {"axes": {"train.attention.segmentation.width": [8, 16]}},
        f"axes.train.attention.segmentation.width: changes nothing: {GUIDED}",
    ),
    "points without attention": (
        {"axes": {"train.attention.points": ["all", "L0"]}},
        "axes.train.attention.points: changes nothing: it is read only if train.attention.variant "
        "is serial, se, cbam, ..., and it is none",
    ),
    "in a block of arms": (
        {"axes": NETWORKS, "arms": [{"train.attention.alpha": [0.1, 0.5]}]},
        f"arms.train.attention.alpha: changes nothing: {GUIDED}",
    ),
    "how tissue is found in whole frames": (
        {"axes": {"image.crop.threshold": ["global", "local"]}},
        "axes.image.crop.threshold: changes nothing: it is read only if image.crop.to is tissue, "
        "and it is frame",
    ),
    "a block and a setting in it": (
        {"axes": {"train.optimizer": OPTIMIZERS, "train.optimizer.lr": [0.1, 0.2]}},
        "axes: train.optimizer and train.optimizer.lr both set train.optimizer.lr: leave "
        "train.optimizer.lr out, and give each block of train.optimizer its lr",
    ),
    "a setting before its block": (
        {"axes": {"train.optimizer.lr": [0.1, 0.2], "train.optimizer": OPTIMIZERS}},
        "axes: train.optimizer and train.optimizer.lr both set train.optimizer.lr: leave "
        "train.optimizer.lr out, and give each block of train.optimizer its lr",
    ),
    "a block, and arms with a setting in it": (
        {"axes": {"train.optimizer": OPTIMIZERS}, "arms": [{"train.optimizer.lr": [0.1, 0.2]}]},
        "arms: train.optimizer and train.optimizer.lr both set train.optimizer.lr: leave "
        "train.optimizer.lr out, and give each block of train.optimizer its lr",
    ),
}

NOTED: dict[str, tuple[dict[str, Any], str]] = {
    "a setting without attention": (
        {"train.attention": {"alpha": 0.9}},
        f"train.attention.alpha: 0.9 changes nothing: {GUIDED}: leave it out, or change "
        "train.attention.variant",
    ),
    "folds of a holdout": (
        {"splits": {"kind": "holdout", "folds": 5}},
        "splits.folds: 5 changes nothing: it is read only if splits.kind is kfold, and it is "
        "holdout: leave it out, or change splits.kind",
    ),
    "a test share of folds": (
        {"splits": {"kind": "kfold", "folds": 2, "test": 0.3}},
        "splits.test: 0.3 changes nothing: it is read only if splits.kind is holdout or "
        "monte_carlo, and it is kfold: leave it out, or change splits.kind",
    ),
    "bits of files of 8 bits": (
        {"data.bits": 12},
        "bits: 12 changes nothing: no PNG, TIFF or PPM file of 16 bits is among the images of "
        f"{SET}.",
    ),
    "an axis of bits": (
        {"axes": {"data.bits": [0, 12]}},
        "axes.data.bits: changes nothing: no PNG, TIFF or PPM file of 16 bits is among the images "
        f"of {SET}.",
    ),
    "a format of no boxes": (
        {"data.box_format": "xywh"},
        f"box_format: xywh changes nothing: no row of {SET} has a box or a region "
        "(box_x0, roi_x0, ...).",
    ),
    "how masks are read that nobody reads": (
        {"data.mask_cut": 0.3},
        f"mask_cut: 0.3 changes nothing: no arm reads masks of {SET}: leave it out",
    ),
    "an axis of it": (
        {"axes": {"data.mask_cut": [0.3, 0.5]}},
        f"axes.data.mask_cut: changes nothing: no arm reads masks of {SET}: leave it out",
    ),
    "an axis without a use that the plan alone shows": (
        {"axes": {**NETWORKS, "data.patient_names": ["written", "alike"]}},
        f"axes.data.patient_names: {ALIKE}",
    ),
    "nearly all for validation": (
        {"splits": {"kind": "holdout", "validation": 0.95}},
        "splits: test: 0.25 and validation: 0.95 leave 2 patients of 24 to train on: write "
        "validation: 0.2",
    ),
    "nearly all of folds for validation": (
        {"splits": {"kind": "kfold", "folds": 2, "validation": 0.9}},
        "splits: validation: 0.9 leaves 2 patients of 24 to train on: write validation: 0.2",
    ),
    "blocks that leave out what the file gives": (
        {"axes": {"train.optimizer": [{"name": "adam"}, {"name": "sgd"}]}},
        "axes.train.optimizer: a block of it replaces all of train.optimizer: where it leaves out "
        "lr, that is 0.001 and not 0.05: write it in each block",
    ),
    "blocks of arms that do": (
        {
            "axes": {},
            "arms": [{"train.augment": [{"crop": 0.8}, {"crop": 0.7, "rotate_deg": 0}]}],
        },
        "arms.train.augment: a block of it replaces all of train.augment: where it leaves out "
        "rotate_deg, that is 30.0 and not 0.0: write it in each block",
    ),
    "a warm-up without end": (
        {"train.schedule": {"warmup": 9}},
        "train.schedule.warmup: 9 is not over after train.epochs: 3: the learning rate ends at "
        "0.015 and never is 0.05: write fewer epochs of warm-up",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_matter_is_refused(tiny_folder: Path, name: str) -> None:
    changes, said = REFUSED[name]
    write_sweep(tiny_folder, {**ALONE, **changes})
    found = abl(tiny_folder, "plan", "tiny.yaml", "--mlruns", "runs")
    assert found.exit_code == 2, found.output
    (line,) = found.stderr.splitlines()
    assert line.partition(": ")[2].partition(": ")[2] == said


def notes_of(folder: Path) -> list[str]:
    found = abl(folder, "plan", "tiny.yaml", "--mlruns", "runs")
    assert found.exit_code == 0, found.output
    start = "  note         "
    return [each.removeprefix(start) for each in found.stdout.splitlines() if start in each]


@pytest.mark.parametrize("splits", [{"kind": "kfold", "folds": 2}, {"kind": "holdout"}])
def test_a_split_of_the_manifest_that_is_not_taken_is_told(
    tiny_folder: Path, splits: dict[str, Any]
) -> None:
    table = tiny_folder / "images" / "manifest.csv"
    head, *rows = table.read_text().splitlines()
    roles = [["train", "val", "test"][at // 4 % 3] for at in range(len(rows))]
    rows = [f"{row},{role}" for row, role in zip(rows, roles, strict=True)]
    table.write_text("\n".join([f"{head},split", *rows, ""]))
    said = (
        f"column split of {SET} (train, val, test) is passed over: splits.kind: {splits['kind']} "
        "draws its own test sets: write splits: {kind: column} to take the column's"
    )
    write_sweep(tiny_folder, {**TWO, "splits": splits})
    assert notes_of(tiny_folder).count(said) == 1
    write_sweep(tiny_folder, {**TWO, "splits": {"kind": "column"}})
    assert not any("passed over" in note for note in notes_of(tiny_folder))


def test_faults_of_a_manifest_name_it_as_it_was_given(tiny_folder: Path) -> None:
    table = tiny_folder / "images" / "manifest.csv"
    table.write_text(table.read_text().replace("malignant", "cancer"))
    write_sweep(tiny_folder, TWO)
    for at, (folder, given) in enumerate(
        [(tiny_folder, ""), (tiny_folder.parent, f"{tiny_folder.name}/"), (Path("/"), tiny_folder)]
    ):
        given = f"{given}/" if at == 2 else given
        found = abl(folder, "plan", f"{given}tiny.yaml", "--mlruns", str(tiny_folder / "runs"))
        assert found.exit_code == 2, found.output
        first, *others = found.stderr.splitlines()
        assert first.startswith(f"abl: {given}images/manifest.csv:4: label 'cancer' is not a class")
        assert first.endswith("(24 rows have it)")
        assert not any("cancer" in line for line in others)


def test_blocks_that_give_what_the_file_gives_or_do_not_read_it_are_not_told(
    tiny_folder: Path,
) -> None:
    optimizer = {"name": "sgd", "lr": 0.05, "momentum": 0.5}
    blocks = [{"name": "adam", "lr": 0.05}, {"name": "sgd", "lr": 0.01, "momentum": 0}]
    axes = {"train.optimizer": blocks}
    write_sweep(tiny_folder, {**TWO, "train.optimizer": optimizer, "axes": axes})
    assert not any("replaces all" in note for note in notes_of(tiny_folder))


@pytest.mark.parametrize("name", NOTED)
def test_what_does_not_matter_is_said_once(tiny_folder: Path, name: str) -> None:
    changes, said = NOTED[name]
    write_sweep(tiny_folder, {**TWO, **changes})
    notes = notes_of(tiny_folder)
    assert notes.count(said) == 1, notes
    assert sum("changes nothing" in note for note in notes) == ("changes nothing" in said)
    assert not any("are one network" in note for note in notes)


def test_a_plan_without_such_settings_says_nothing_of_them(tiny_folder: Path) -> None:
    for changes in ({}, {"axes": {"data.unit": ["image", "nodule"]}}):
        write_sweep(tiny_folder, {**TWO, **changes})
        assert not [note for note in notes_of(tiny_folder) if "changes nothing" in note]


def rewritten(folder: Path, *columns: str, **added: str) -> None:
    """The manifest without some columns, with others of one value."""
    path = folder / "images" / "manifest.csv"
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    kept = [at for at, name in enumerate(header) if name not in columns]
    lines = [[*(header[at] for at in kept), *added]]
    lines += [[*(row[at] for at in kept), *added.values()] for row in rows]
    path.write_text("".join(",".join(line) + "\n" for line in lines))


def test_nodules_that_a_manifest_does_not_name_are_said(tiny_folder: Path) -> None:
    rewritten(tiny_folder, "nodule")
    write_sweep(tiny_folder, {**TWO, "data.unit": "nodule", "splits.by": "nodule"})
    notes = [note for note in notes_of(tiny_folder) if "changes nothing" in note]
    for key, note in zip(("unit", "by"), notes, strict=True):
        assert note.startswith(
            f"{key}: nodule changes nothing beside {key}: patient: {SET} has no column nodule, and "
            "each patient counts as one: name it with data: {columns: {nodule: ...}}, or write "
            f"{key}: patient"
        )


def test_rows_that_lack_nothing_are_said(tiny_folder: Path) -> None:
    rewritten(tiny_folder, box_x0="2", box_y0="2", box_x1="20", box_y1="20")
    write_sweep(tiny_folder, {**TWO, "data.drop_missing": ["box"]})
    assert f"drop_missing: [box] changes nothing: every row of {SET} has its box." in notes_of(
        tiny_folder
    )


def test_a_sweep_says_it_before_it_trains_and_under_its_table(tiny_folder: Path) -> None:
    write_sweep(tiny_folder, {**TWO, "data.bits": 12, "splits.test": 0.3})
    words = ["--executor", "local", "--record", "off", "--mlruns", "runs"]
    found = abl(tiny_folder, "sweep", "tiny.yaml", *words)
    assert found.exit_code == 0, found.output
    told = " ".join(found.output.split())
    for said in ("bits: 12 changes nothing", "splits.test: 0.3 changes nothing"):
        assert told.count(said) == 2
        assert f"note: {said}" in told


def test_values_of_an_axis_stay_as_they_were_written(tiny_folder: Path) -> None:
    from abl.spec.read import read_sweep, sweep_with

    axes = {"train.optimizer": OPTIMIZERS}
    file = read_sweep(write_sweep(tiny_folder, {**ALONE, "axes": axes}))
    (block, _) = file.sweep.axes["train.optimizer"].listed()
    sweep = sweep_with(file, {"train.optimizer": block, "train.optimizer.lr": 0.3})
    assert (sweep.train.optimizer.lr, block["lr"]) == (0.3, 0.05)
