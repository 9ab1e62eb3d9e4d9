"""Activation maps in a sweep: stages beside the trainings, numbers beside the metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from transfer_sweeps import load, run

from abl.app.results import kept_analysis
from abl.app.sweep_result import SweepResult
from abl.decide.intervals import patient_interval
from abl.decide.metric_registry import Metric
from abl.decide.replicates import Scores
from abl.errors import InputError
from abl.plan.graph import Plan
from abl.record.mlflow_arms import arm_metrics
from abl.report.tables import printed, styled_table
from tiny_sweeps import write_tiny_set

SWEEP: dict[str, Any] = {
    "name": "looking",
    "study": "mask_guided",
    "data": {"phantom": {"patients": 30, "size": 32, "seed": 3}},
    "image": {"size": 32, "channels": 1, "normalize": "half"},
    "splits": {"kind": "holdout", "test": 0.4},
    "replicates": {"seeds": [0, 1]},
    "train": {
        "network": "tiny_resnet",
        "epochs": 2,
        "last_k": 1,
        "optimizer": {"lr": 0.01},
        "attention": {
            "segmentation": {
                "encoder": "test_resnet", "depth": 3, "width": 4, "epochs": 3, "lr": 0.01,
            }
        },
    },
    "axes": {"variant": ["none", "parallel"], "placement": ["all", "-L0"]},
    "base": {"variant": "none"},
    "metrics": ["acc", "auc"],
    "primary": "auc",
    "resamples": 200,
}  # fmt: skip


def kinds(plan: Plan, kind: str) -> list[str]:
    return [digest for digest, stage in plan.stages.items() if stage.kind == kind]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, SweepResult]:
    loaded = load(tmp_path_factory.mktemp("looking"), SWEEP)
    return loaded, run(loaded)


def test_one_map_stage_a_training_and_no_training_changes(tmp_path: Path):
    with_maps = load(tmp_path, SWEEP).plan
    without = load(tmp_path, SWEEP, options={"activation": False}).plan
    assert kinds(without, "activation") == []
    assert without.beside == {}
    assert kinds(with_maps, "train") == kinds(without, "train")
    assert sorted(with_maps.beside["activation"]) == sorted(kinds(with_maps, "train"))
    assert len(kinds(with_maps, "activation")) == len(kinds(with_maps, "train")) == 3 * 2


def test_networks_without_a_last_map_have_none(tmp_path: Path):
    plan = load(
        tmp_path,
        SWEEP,
        image={"size": 160},
        axes={"variant": ["none"], "network": ["tiny_resnet", "timm/test_vit"]},
        base={"network": "tiny_resnet"},
    ).plan
    mapped = {
        plan.stages[training].settings["train"]["network"] for training in plan.beside["activation"]
    }
    assert len(kinds(plan, "train")) == 4
    assert mapped == {"tiny_resnet"}


def test_without_masks_and_boxes_there_is_nothing_to_measure(tmp_path: Path):
    write_tiny_set(tmp_path / "images")
    sweep = SWEEP | {"data": {"manifest": "images/manifest.csv"}}
    plan = load(tmp_path, sweep, axes={"variant": ["none", "se"]}).plan
    assert len(kinds(plan, "train")) == 4
    assert kinds(plan, "activation") == []


def test_a_nodule_known_by_its_box_is_the_ellipse_in_it(tmp_path: Path):
    manifest = write_tiny_set(tmp_path / "images", patients=12)
    head, *rows = manifest.read_text(encoding="utf-8").splitlines()
    boxes = ["4,6,20,18"] * (len(rows) - 1) + [",,,"]  # of the last image nothing is known
    lines = [f"{head},box_x0,box_y0,box_x1,box_y1"]
    lines += [f"{row},{box}" for row, box in zip(rows, boxes, strict=True)]
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    splits = {"kind": "kfold", "folds": 2}
    changes: dict[str, Any] = {
        "splits": splits, "axes": {"variant": ["none", "se"]}, "image": {"size": 24},
        "replicates": {"seeds": [0]}, "train": {"batch_size": 4},
    }  # fmt: skip
    loaded = load(tmp_path, SWEEP | {"data": {"manifest": "images/manifest.csv"}}, **changes)
    result = run(loaded)
    digests = [
        loaded.plan.beside["activation"][c.uses["original"]] for c in loaded.plan.cells_by_arm()[0]
    ]
    frames = [pd.read_parquet(loaded.store.file(each, "activation.parquet")) for each in digests]
    frame = pd.concat(frames).set_index("image")
    assert len(frame) == len(rows)
    last = frame.loc[rows[-1].split(",")[0]]
    assert last["source"] == "none"
    assert np.isnan(last["inside"])
    known = frame[frame["source"] == "ellipse"]
    assert len(known) == len(rows) - 1
    # half axes of 8 and 6 pixels in an image of 24
    np.testing.assert_allclose(known["area"], np.pi * 8 * 6 / 24**2, rtol=0.03)
    assert any("the nodule is the ellipse in its box" in note for note in result.outcome.notes)
    pictures = kept_analysis(loaded.store, result.outcome).pictures
    assert pictures is not None
    assert all(row.nodule is None for row in pictures.rows)
    assert pictures.rows[0].box == (4, 6, 20, 18)


def test_images_to_show_must_be_there(tmp_path: Path):
    with pytest.raises(InputError, match=r"no image 'nowhere\.png'"):
        _ = load(tmp_path, SWEEP, options={"show": ["nowhere.png"]}).plan


def test_every_test_image_has_a_map_and_its_share(done: tuple[Any, SweepResult]):
    loaded, result = done
    assert result.report.failed == {}
    store, plan = loaded.store, loaded.plan
    for training, digest in plan.beside["activation"].items():
        frame = pd.read_parquet(store.file(digest, "activation.parquet"))
        predictions = pd.read_parquet(store.file(training, "predictions.parquet"))
        tested = predictions[predictions["role"] == "test"].set_index("image")
        assert sorted(frame["image"]) == sorted(tested.index)
        # of one kept epoch, so that both are of the same weights
        np.testing.assert_allclose(frame["p"], tested.loc[frame["image"], "p_1"], atol=1e-5)
        assert frame["inside"].dropna().between(0, 1).all()
        assert frame["area"].between(0.01, 0.9).all()
        assert set(frame["source"]) == {"true"}
        with np.load(store.file(digest, "maps.npz")) as maps:
            assert maps["images"].tolist() == frame["image"].tolist()
            assert maps["cam"].shape[0] == len(frame)
            empty = maps["cam"].max(axis=(1, 2)) == 0
            assert (maps["cam"].max(axis=(1, 2))[~empty] == 255).all()
            assert empty.tolist() == frame["inside"].isna().tolist()
            is_predicted = "attention" in plan.stages[training].settings["train"]
            assert ("mask" in maps.files) == is_predicted
            if is_predicted:
                assert maps["mask"].shape == (len(frame), 32, 32)


def test_the_table_has_their_means_and_intervals_beside_the_metrics(done: tuple[Any, SweepResult]):
    loaded, result = done
    outcome = result.outcome
    assert outcome.metrics == ("acc", "auc", "inside", "dice", "iou")
    frame = loaded.workspace.data(loaded.file.sweep.data).dataset.frame.set_index("image")
    for arm, cells in zip(outcome.arms, loaded.plan.cells_by_arm(), strict=True):
        shares, replicates = [], []
        for cell in cells:
            digest = loaded.plan.beside["activation"][cell.uses["original"]]
            known = pd.read_parquet(loaded.store.file(digest, "activation.parquet")).dropna()
            shares.append(known["inside"].mean())
            rows, share = frame.loc[known["image"]], known["inside"].to_numpy()
            key = cell.replicate
            replicates.append(
                Scores(key.repeat, key.fold, key.seed, rows["label"].to_numpy(),
                          rows["patient"].to_numpy(), np.column_stack([1 - share, share]))
            )  # fmt: skip
        cell = arm.cells["inside"]
        assert cell.mean == pytest.approx(np.mean(shares))
        mean = Metric("mean", "mean", _weighted_mean, False, None, "", bounds=(0.0, 1.0))
        interval = patient_interval(replicates, mean, resamples=40)
        assert (cell.low, cell.high) == pytest.approx((interval.low, interval.high))
        assert cell.low <= cell.mean <= cell.high
        assert arm.replicates["inside"].tolist() == pytest.approx(shares)
        assert arm_metrics(arm, "auc")["inside"] == pytest.approx(cell.mean)
    base, guided = outcome.arms[0], outcome.arms[1]
    assert "dice" not in base.cells
    assert 0 < guided.cells["iou"].mean < guided.cells["dice"].mean < 1
    assert guided.cells["dice"].low < guided.cells["dice"].mean < guided.cells["dice"].high
    assert any("CAM inside" in note and "a flat map has" in note for note in outcome.notes)
    assert "CAM inside" in printed(styled_table(outcome), "text")
    assert {row["arm"] for row in outcome.facts.tests} == {
        "parallel · all", "parallel · -L0",
    }  # fmt: skip


def _weighted_mean(labels: Any, p: Any, weights: Any = None) -> float:
    weights = np.ones(len(p)) if weights is None else weights
    return float((p[:, 1] * weights).sum() / weights.sum())


def test_the_figures_are_drawn_and_the_pictures_kept(done: tuple[Any, SweepResult]):
    loaded, result = done
    drawn = {path.name for path in result.folder.glob("*.png")}
    assert {"maps.png", "inside.png", "confusion.png", "placement.png"} <= drawn
    pictures = kept_analysis(loaded.store, result.outcome).pictures
    assert pictures is not None
    assert pictures.columns == ("variant none", "parallel · all")
    first = loaded.plan.cells_by_arm()
    # the best that was trained so little may call everything one class, and then has no mark
    best = pictures.columns.index(pictures.worst_of)
    predictions = pd.read_parquet(
        loaded.store.file(first[best][0].uses["original"], "predictions.parquet")
    )
    tested = predictions[predictions["role"] == "test"].set_index("image")
    frame = loaded.workspace.data(loaded.file.sweep.data).dataset.frame.set_index("image")
    right = np.where(frame.loc[tested.index, "label"] == 1, tested["p_1"], tested["p_0"])
    worst = tested.index[np.argsort(right)][: len(pictures.rows)]
    assert [row.name for row in pictures.rows] == worst.tolist()
    assert all(row.nodule is not None and row.box is not None for row in pictures.rows)


def test_again_nothing_is_computed(done: tuple[Any, SweepResult], tmp_path: Path):
    loaded, _ = done
    shown = loaded.workspace.data(loaded.file.sweep.data).dataset.frame["image"].tolist()
    replicate = loaded.plan.replicates[0]
    split = loaded.workspace.data(loaded.file.sweep.data).split(
        loaded.file.sweep.splits, replicate.repeat, replicate.fold
    )
    tested, trained = shown[split.test[0]], shown[split.train[0]]
    options = {"show": [tested, trained]}
    again = load(loaded.file.folder, SWEEP, options=options)
    result = run(again)
    assert sorted(again.plan.stages) == sorted(loaded.plan.stages)
    assert result.report.ran == []
    pictures = kept_analysis(again.store, result.outcome).pictures
    assert pictures is not None
    assert (pictures.rows[0].name, pictures.rows[0].why) == (tested, "chosen")
    assert trained not in [row.name for row in pictures.rows]
    assert "1 of 2 chosen images" in pictures.cut
