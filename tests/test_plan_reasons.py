"""`abl plan` says for what is to be computed why, as a person would who knows the sweep before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.torch import save_file

import abl as package
from abl.plan.reasons import NEVER, reasons_of
from abl.plan.stage import Stage
from abl.record.recipes import recipes_of
from abl.record.store import Store
from commands import abl
from tiny_sweeps import by_digest, double, pooled3, write_sweep

BASE = {"splits": {"kind": "column"}, "train.weights": "weights.safetensors"}
SELECT, TRUE = "select by 3 networks r0 f0 s0", "train pooled3 True-1 r0 f0 s0"
FIRST = "train pooled3 r0 f0 s0"
Planned = Callable[..., dict[str, list[str]]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, tiny_images: Path) -> Path:
    """A folder in which a sweep with a split column and a file of weights was run."""
    folder = tmp_path_factory.mktemp("ran")
    shutil.copytree(tiny_images.parent, folder / "images")
    manifest = pd.read_csv(folder / "images/manifest.csv")
    parts = ["train"] * 24 + ["validation"] * 12 + ["test"] * 12
    manifest.assign(split=parts).to_csv(folder / "images/manifest.csv", index=False)
    write_weights(folder, 0.0)
    sweep = package.load(write_sweep(folder, BASE), root=folder / "mlruns")
    package.run(sweep, executor="local", record=False)
    return folder


@pytest.fixture
def folder(ran: Path, tmp_path: Path) -> Path:
    """Such a folder, to be changed."""
    return Path(shutil.copytree(ran, tmp_path / "copy"))


@pytest.fixture
def planned(folder: Path) -> Planned:
    """Label -> why, of what a changed sweep would compute."""

    def reasons(changes: dict[str, Any] | None = None) -> dict[str, list[str]]:
        path = write_sweep(folder, BASE | (changes or {}), file="changed.yaml")
        sweep = package.load(path, root=folder / "mlruns")
        found = sweep.reasons(*sweep.store.usable(sweep.plan.stages))
        return {sweep.plan.stages[digest].label: why.lines for digest, why in found.items()}

    return reasons


def write_weights(folder: Path, shift: float) -> None:
    state = {name: value + shift for name, value in pooled3(2, 1, 24).state_dict().items()}
    save_file(state, folder / "weights.safetensors")


def edit_manifest(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = folder / "images/manifest.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)


def flipped(rows: list[int]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(manifest: pd.DataFrame) -> pd.DataFrame:
        other = {"benign": "malignant", "malignant": "benign"}
        manifest.loc[rows, "label"] = manifest.loc[rows, "label"].map(other)
        return manifest

    return change


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"train.epochs": 4}, ["train.epochs 3 -> 4"]),
        ({"train.balance": "none"}, ["train.balance duplicate -> none"]),
        ({"train.optimizer.name": "sgd"}, ["train.optimizer.name adam -> sgd"]),
        ({"train.early_stop": {"patience": 2}}, ["train.early_stop.patience none -> 2"]),
        (
            {"train.batch_size": 8, "train.epochs": 4},
            ["train.batch_size 4 -> 8", "train.epochs 3 -> 4"],
        ),
        ({"replicates.seeds": [1]}, ["new seed"]),
        ({"replicates.seeds": [1], "train.epochs": 4}, ["train.epochs 3 -> 4", "new seed"]),
        ({"image.size": 16}, ["image.size 24 -> 16"]),
    ],
)
def test_what_differs_from_the_nearest_finished_stage(
    planned: Planned, changes: dict[str, Any], why: list[str]
) -> None:
    found = planned(changes)
    for label, lines in found.items():
        if label.startswith("select"):
            assert lines == [f"input selector_0 and 2 more changed: {'; '.join(why)}"]
        else:
            assert sorted(lines) == sorted(why)
    assert len(found) == 5


def test_what_only_its_inputs_change_is_followed_to_the_setting(planned: Planned) -> None:
    found = planned({"options.epochs": 2})
    cause = "train.epochs 3 -> 2"
    assert found[FIRST] == found["train pooled6 r0 f0 s0"] == [cause]
    assert found[SELECT] == [f"input selector_0 and 2 more changed: {cause}"]
    assert found[TRUE] == [f"input select changed: {cause}"]


def test_another_split_is_told_by_its_settings(planned: Planned) -> None:
    for lines in planned({"splits": {"kind": "holdout", "test": 0.3}}).values():
        assert "splits.kind column -> holdout" in lines[0] + lines[-1]


def test_another_file_of_weights(planned: Planned, folder: Path) -> None:
    write_weights(folder, 1.0)
    found = planned()
    assert found[FIRST] == found[TRUE] == ["train.weights: its content changed"]
    assert "train pooled6 r0 f0 s0" not in found


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([0, 5, 9], ["3 labels of the training images changed"]),
        ([24], ["1 label of the validation images changed"]),
        (
            [1, 30, 31, 40],
            ["1 label of the training images changed", "2 labels of the validation images changed"],
        ),
        ([40, 41], None),
    ],
)
def test_corrected_labels_are_counted_where_they_are_read(
    planned: Planned, folder: Path, rows: list[int], why: list[str] | None
) -> None:
    edit_manifest(folder, flipped(rows))
    assert planned().get(FIRST) == why


def test_images_that_were_added_left_out_or_changed(planned: Planned, folder: Path) -> None:
    image = folder / "images/png/000a.png"
    shutil.copy(image, folder / "images/png/new.png")
    row = {"image": "png/new.png", "label": "benign", "patient": "p000", "split": "train"}
    edit_manifest(folder, lambda old: pd.concat([old, pd.DataFrame([row | {"nodule": "n1"}])]))
    assert planned()[TRUE] == ["1 image added"]
    edit_manifest(folder, lambda old: old.drop(index=[3, 4]))
    assert planned()[TRUE] == ["1 image added", "2 images removed"]
    image.write_bytes(image.read_bytes() + b"x")
    assert planned()[FIRST][-1] == "content of 1 image changed"


def test_images_that_moved_to_another_part(planned: Planned, folder: Path) -> None:
    def move(manifest: pd.DataFrame) -> pd.DataFrame:
        manifest.loc[manifest["patient"] == "p000", "split"] = "test"
        return manifest

    edit_manifest(folder, move)
    assert planned()[FIRST] == ["split of 2 images changed"]


def test_a_patient_that_changed_is_told_beside_labels(planned: Planned, folder: Path) -> None:
    def rename(manifest: pd.DataFrame) -> pd.DataFrame:
        manifest.loc[:3, "patient"] = [f"q{each}" for each in manifest.loc[:3, "patient"]]
        return flipped([0, 5, 9])(manifest)

    edit_manifest(folder, rename)
    labels = "3 labels of the training images changed"
    assert planned({"splits": {"kind": "column", "by": "nodule"}})[FIRST][:2] != [labels]
    assert planned()[FIRST] == [labels, "patient of 4 images changed"]


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"no rows")])
def test_where_the_earlier_images_are_not_kept_it_says_that_much(
    planned: Planned, folder: Path, harm: Callable[[Path], object]
) -> None:
    edit_manifest(folder, flipped([0]))
    for frame in (folder / "mlruns/store/cache").glob("view-*/frame.parquet"):
        harm(frame)
    assert planned()[FIRST] == ["images or labels changed"]


def test_a_damaged_stage_says_so(planned: Planned, folder: Path) -> None:
    for file in (folder / "mlruns/store/done").glob("*/history.parquet"):
        file.unlink()
    found = planned()
    assert found[FIRST] == ["damaged in the store"]
    assert len(found) == 4


def test_a_version_that_was_raised_and_what_is_read_from_it(tmp_path: Path) -> None:
    old, store = double("nap", "a"), Store(tmp_path)
    reader = double("double", "b", old)
    keep(store, old)
    keep(store, reader)
    new = Stage("nap", 2, old.settings, label=old.label)
    plan = by_digest(new, double("double", "b", new), double("other", "c", new))
    found = reasons_of(plan, set(), {}, recipes_of(store), lambda new, old: [])
    assert [why.lines for why in found.values()] == [
        ["version of nap 1 -> 2"],
        ["input input_0 changed: version of nap 1 -> 2"],
        [NEVER],
    ]


def test_the_command_sums_them_up_and_tells_those_of_an_arm(folder: Path) -> None:
    write_sweep(folder, BASE | {"options.epochs": 2}, file="changed.yaml")
    result = abl(folder, "plan", "changed.yaml")
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert "why          train.epochs 3 -> 2: 3 stages, 2 through their inputs" in lines
    assert not [line for line in lines if line.startswith("why consensus")]
    told = abl(folder, "plan", "changed.yaml", "--why", "model1").stdout
    assert told.startswith(result.stdout)
    arm = told.removeprefix(result.stdout)
    assert arm.startswith("\nwhy consensus 1 · model1 · threshold 0.5\n")
    assert f"  {TRUE}, beside {TRUE} (" in arm
    assert "    input select changed: train.epochs 3 -> 2\n" in arm
    # nothing of this arm is to be computed
    told = abl(folder, "plan", "changed.yaml", "--why", "#1").stdout
    assert told.endswith("why original\n  every stage is in the store\n")
    numbers = json.loads(abl(folder, "plan", "changed.yaml", "--json", "--why", "model1").stdout)
    assert numbers["reasons"] == [{"reason": "train.epochs 3 -> 2", "stages": 3, "readers": 2}]
    assert [each["label"] for each in numbers["why"]["stages"]][-1] == TRUE


def test_what_was_never_run_and_what_is_finished(folder: Path, tmp_path: Path) -> None:
    write_sweep(folder, BASE)
    assert "why" not in abl(folder, "plan", "tiny.yaml").stdout
    told = abl(folder, "plan", "tiny.yaml", "--mlruns", str(tmp_path / "none")).stdout
    assert "  why          never run: 5 stages\n" in told
    assert not (tmp_path / "none" / "store" / "done").exists()  # images alone were looked at


def test_an_arm_that_is_not_there_exits_with_2_and_says_what_to_type(folder: Path) -> None:
    result = abl(folder, "plan", "tiny.yaml", "--why", "modle1")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == "abl: tiny: no arm has 'modle1': did you mean 'model1'?\n"


def test_words_of_several_arms_are_answered_with_what_this_command_takes(folder: Path) -> None:
    write_sweep(folder, BASE | {"axes.rule": ["original", "model1", "model2"]}, file="three.yaml")
    told = abl(folder, "plan", "three.yaml", "--why", "0.5").stderr
    assert told.startswith("abl: 0.5 fits 2 arms: #2 ")
    assert told.endswith("; add a word, or write #2\n")
    assert abl(folder, "plan", "three.yaml", "--why", "#2").exit_code == 0


def test_another_split_of_the_same_images_is_a_new_replicate(tmp_path: Path) -> None:
    def at(repeat: int, fold: int) -> Stage:
        context = {"view": "v", "splits": {"kind": "kfold"}, "repeat": repeat, "fold": fold}
        return Stage("nap", 1, {}, reads=f"{repeat} {fold}", seed=0, context=context)

    store = Store(tmp_path)
    keep(store, at(0, 0))
    plan = by_digest(at(0, 1), at(1, 0), at(1, 1))
    found = reasons_of(plan, set(), {}, recipes_of(store), lambda new, old: [])
    lines = [["new fold"], ["new repeat"], ["new repeat", "new fold"]]
    assert [why.lines for why in found.values()] == lines


def test_a_new_fold_hides_no_setting_of_the_splits(tmp_path: Path) -> None:
    def at(fold: int, validation: float) -> Stage:
        splits = {"kind": "kfold", "validation": validation}
        context = {"view": "v", "splits": splits, "repeat": 0, "fold": fold}
        return Stage("nap", 1, {}, reads=f"{fold} {validation}", seed=0, context=context)

    store = Store(tmp_path)
    keep(store, at(0, 0.25))
    found = reasons_of(by_digest(at(1, 0.5)), set(), {}, recipes_of(store), lambda new, old: [])
    assert [why.lines for why in found.values()] == [["new fold", "splits.validation 0.25 -> 0.5"]]


def test_what_is_trained_on_everything_has_nothing_near_it_that_is_not(tmp_path: Path) -> None:
    part = {"view": "v", "splits": {"kind": "kfold"}, "repeat": 0, "fold": 0}
    store = Store(tmp_path)
    keep(store, Stage("nap", 1, {}, reads="a part", seed=0, context=part))
    plan = by_digest(Stage("nap", 1, {}, reads="all", seed=0, context={"view": "v"}))
    found = reasons_of(plan, set(), {}, recipes_of(store), lambda new, old: [])
    assert [why.lines for why in found.values()] == [[NEVER]]


def test_an_input_that_was_not_there_is_called_new(tmp_path: Path) -> None:
    store, source = Store(tmp_path), double("nap", "a")
    keep(store, source)
    keep(store, Stage("double", 1, {}))
    plan = by_digest(source, Stage("double", 1, {}, {"weights": source.digest}))
    found = reasons_of(plan, {source.digest}, {}, recipes_of(store), lambda new, old: [])
    assert [why.lines for why in found.values()] == [["new input weights"]]


def keep(store: Store, stage: Stage) -> None:
    with store.claim(stage.digest) as attempt:
        assert attempt is not None
        store.commit(attempt, stage, {}, {})
