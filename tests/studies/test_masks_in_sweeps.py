"""Masks in a sweep: the same results however they were written, and nothing counted as right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from masked_sets import (
    Encode,
    by_1,
    by_255,
    by_colour_of_class,
    by_label_map,
    inverted,
    write_masked_images,
)
from transfer_sweeps import load, run

from abl.app.loaded import LoadedSweep
from abl.app.sweep_result import SweepResult
from abl.data.masks.mask_sets import MASK_SCORES, open_masks
from abl.errors import InputError
from abl.plan.stage import PREDICTIONS

SWEEP: dict[str, Any] = {
    "name": "masked",
    "study": "mask_guided",
    "data": {"manifest": "set/manifest.csv"},
    "image": {"size": 32, "channels": 1, "normalize": "half"},
    "splits": {"kind": "holdout", "test": 0.4, "validation": 0.25},
    "train": {
        "network": "tiny_resnet",
        "epochs": 1,
        "last_k": 1,
        "batch_size": 8,
        "optimizer": {"lr": 0.01},
        "attention": {
            "segmentation": {
                "encoder": "test_resnet", "depth": 3, "width": 4, "epochs": 1, "lr": 0.01,
            }
        },
    },
    "arms": [{"variant": "none"}, {"variant": "spatial", "mask": ["predicted", "true"]}],
    "base": {"variant": "none"},
    "metrics": ["acc", "auc"],
    "primary": "auc",
    "resamples": 200,
}  # fmt: skip


def ran(folder: Path, encode: Encode, **changes: Any) -> tuple[LoadedSweep, SweepResult]:
    folder.mkdir()
    bare = changes.pop("bare", None)
    write_masked_images(folder / "set", encode, bare=bare)
    loaded = load(folder, SWEEP, **changes)
    return loaded, run(loaded)


def files_of(loaded: LoadedSweep, kind: str, name: str) -> list[pd.DataFrame]:
    stages = {d: s for d, s in loaded.plan.stages.items() if s.kind == kind}
    found = [d for d in sorted(stages, key=lambda d: stages[d].label) if loaded.store.has(d)]
    done = [digest for digest in found if name in loaded.store.done(digest).files]
    return [pd.read_parquet(loaded.store.file(digest, name)) for digest in done]


def test_results_are_the_same_however_masks_were_written(tmp_path: Path) -> None:
    known, first = ran(tmp_path / "by 255", by_255)
    loaded, result = ran(tmp_path / "by colour", by_colour_of_class)
    assert result.outcome.metrics == first.outcome.metrics
    assert not [note for note in result.outcome.notes if "empty" in note]
    cases = (("train", PREDICTIONS), ("segment", MASK_SCORES), ("activation", "activation.parquet"))
    for kind, name in cases:
        pairs = zip(files_of(known, kind, name), files_of(loaded, kind, name), strict=True)
        assert [pd.testing.assert_frame_equal(*pair) for pair in pairs]
    # of the base, which reads no mask, it is the same stage
    trained = [d for d, s in loaded.plan.stages.items() if s.kind == "train"]
    assert len(set(trained) & set(known.plan.stages)) == 1


@pytest.fixture(scope="module")
def without_benign(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedSweep, SweepResult]:
    return ran(tmp_path_factory.mktemp("bare") / "run", by_1, bare=0)


def test_nothing_found_in_nothing_is_no_dice_and_is_counted(without_benign) -> None:
    loaded, result = without_benign
    (scores,) = [each for each in files_of(loaded, "train", MASK_SCORES) if len(each)]
    test = scores[scores["role"] == "test"]
    empty, missed = test["nodule"] == 0, test["area"] == 0
    assert empty.any()
    assert test.loc[empty & missed, ["dice", "iou"]].isna().all(axis=None)
    assert (test.loc[empty & ~missed, "dice"] == 0).all()
    guided = next(arm for arm in result.outcome.arms if arm.params.get("mask") == "predicted")
    np.testing.assert_allclose(guided.cells["dice"].mean, test["dice"].mean())
    (said,) = [note for note in result.outcome.notes if note.startswith("Dice, IoU")]
    assert f"Masks of {int(empty.sum())} of {len(test)} images show no nodule" in said
    assert f"(at most {int((empty & missed).sum())} of an arm)" in said
    for frame in files_of(loaded, "segment", "history.parquet"):
        assert frame["train_dice"].between(0, 1).all()


def test_no_map_lies_inside_nothing(without_benign) -> None:
    loaded, result = without_benign
    maps = files_of(loaded, "activation", "activation.parquet")
    base = next(arm for arm in result.outcome.arms if arm.params["variant"] == "none")
    shown = [frame.loc[frame["area"] > 0, "inside"].mean() for frame in maps]
    assert any(base.cells["inside"].mean == pytest.approx(share) for share in shown)
    (said,) = [note for note in result.outcome.notes if "a flat map has" in note]
    assert "images without a nodule in the mask are left out" in said


def test_masks_that_tell_the_class_are_told_by_plan_and_table(without_benign) -> None:
    loaded, result = without_benign
    for notes in (loaded.plan.notes, result.outcome.notes):
        assert any("All 12 masks of class benign of set/manifest.csv are empty" in n for n in notes)
        assert any("12 of 24 masks" in note and "0.png (row 2)" in note for note in notes)


def test_a_stored_dice_of_nothing_in_nothing_is_read_as_none(without_benign) -> None:
    from abl.studies.mask_guided.localisation import _of_test_masks

    old = pd.DataFrame({
        "image": ["a", "b", "c"], "role": "test",
        "dice": [1.0, 0.5, 1.0], "iou": [1.0, 0.4, 1.0], "area": [0.0, 0.2, 0.3],
    })  # fmt: skip
    assert _of_test_masks(old)["dice"].tolist() == pytest.approx([np.nan, 0.5, 1.0], nan_ok=True)


@pytest.mark.parametrize(
    ("encode", "said"), [(by_label_map, "holds 3 values: 0"), (inverted, "may be inverted: 255")]
)
@pytest.mark.parametrize("mask", ["predicted", "true", "ellipse"])
def test_what_is_not_clear_is_refused_when_planning(tmp_path, encode, said, mask) -> None:
    write_masked_images(tmp_path / "set", encode)
    loaded = load(tmp_path, SWEEP, arms=[{"variant": "none"}, {"variant": "spatial", "mask": mask}])
    with pytest.raises(InputError) as caught:
        _ = loaded.plan
    told = [str(problem) for problem in caught.value.problems]
    assert "manifest.csv:2: 'm0.png'" in told[0]
    assert said in told[0]
    assert len(told) == 21  # the first of a kind, and how many more
    assert not (tmp_path / "mlruns").exists()


def test_a_setting_makes_it_clear(tmp_path: Path) -> None:
    for name, encode, data in (
        ("labels", by_label_map, {"mask_value": 2}),
        ("inverted", inverted, {"mask_inverted": True}),
    ):
        (tmp_path / name).mkdir()
        write_masked_images(tmp_path / name / "set", encode)
        loaded = load(tmp_path / name, SWEEP, data=data)
        segment = next(s for s in loaded.plan.stages.values() if s.kind == "segment")
        loaded.workspace.prepare(str)
        masks = open_masks(loaded.store.cache / str(segment.context["masks"]))
        shares = (np.asarray(masks.true) > 127).mean(axis=(1, 2, 3))
        assert ((shares > 0.05) & (shares < 0.25)).all()


def test_a_sweep_that_reads_no_mask_does_not_ask(tmp_path: Path) -> None:
    write_masked_images(tmp_path / "set", by_label_map)
    loaded = load(
        tmp_path, SWEEP, arms=[{"variant": ["none", "se"]}], options={"activation": False}
    )
    assert run(loaded).report.failed == {}


def test_masks_none_of_which_shows_a_nodule_are_refused(tmp_path: Path) -> None:
    write_masked_images(tmp_path / "set", lambda mask, label: np.zeros((32, 32), np.uint8))
    with pytest.raises(InputError, match="none of its 24 masks shows a nodule"):
        _ = load(tmp_path, SWEEP).plan


def test_an_ellipse_of_an_empty_mask_is_empty(tmp_path: Path) -> None:
    arms = [{"variant": "none"}, {"variant": "spatial", "mask": ["ellipse", "random"]}]
    write_masked_images(tmp_path / "set", by_1, bare=0)
    loaded = load(tmp_path, SWEEP, arms=arms)
    trained = [s for s in loaded.plan.stages.values() if s.kind == "train"]
    assert sorted(s.settings.get("empty_masks", "") for s in trained) == ["", *["no nodule"] * 2]


def test_a_nodule_that_vanishes_in_small_images_is_told(tmp_path: Path) -> None:
    def dot(mask: np.ndarray, label: int) -> np.ndarray:
        if label:
            return mask.astype(np.uint8)
        large = np.zeros((32, 32), np.uint8)
        large[15, 15] = 1
        return large

    write_masked_images(tmp_path / "set", dot)
    loaded = load(tmp_path, SWEEP, image={"size": 8})
    assert loaded.plan.arms
    (said,) = [note for note in loaded.workspace.prepare(str) if "at 8 x 8 pixels" in note]
    assert said.startswith("12 masks show nothing of the nodule")


def test_only_trainings_in_a_shorter_type_are_others_than_before(tmp_path: Path) -> None:
    write_masked_images(tmp_path / "set", by_255)
    for precision, expected in (("fp32", set()), ("bf16", {"fp32"})):
        plan = load(tmp_path, SWEEP, train={"precision": precision}).plan
        stages = [s for s in plan.stages.values() if s.kind in ("train", "segment")]
        assert {s.settings.get("last_layer") for s in stages} - {None} == expected
        assert all(("last_layer" in s.settings) == bool(expected) for s in stages)
