"""The persistent study on a small generated set with wrong labels, in-process: tiny networks."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import abl
from abl.app.loaded import LoadedSweep
from abl.app.results import own_frames, recorded_files
from abl.app.showing import shown_table
from abl.app.sweep_result import SweepResult
from abl.errors import InputError
from abl.plan.graph import Plan
from abl.plan.stage import PREDICTIONS
from abl.record.store import Store
from abl.stages.select import SELECTION
from abl.studies.persistent.findings import Findings
from abl.studies.persistent.notes import finding_notes
from tiny_sweeps import changed, write_tiny_set

SWEEP: dict[str, Any] = {
    "name": "persist",
    "study": "persistent",
    "data": {"phantom": {"patients": 40, "size": 32, "seed": 2, "flip": 0.1}},
    "image": {"size": 32, "channels": 1, "normalize": "half"},
    "splits": {"kind": "monte_carlo", "test": 0.25, "validation": 0.2},
    "replicates": {"repeats": 3, "seeds": [0, 1]},
    "train": {"network": "pooled3", "epochs": 2, "last_k": 1, "optimizer": {"lr": 0.05}},
    "options": {"inner": {"splits": 2, "test": 0.4}, "training_and_test": True},
    "axes": {
        "network": ["pooled3", "pooled6"],
        "excluded": ["none", "flagged", "random", "matched", "flipped"],
    },
    "base": {"excluded": "none"},
    "metrics": ["auc", "acc", "g_mean"],
    "primary": "auc",
    "resamples": 200,
}


def load(folder: Path, changes: dict[str, Any] | None = None) -> LoadedSweep:
    path = folder / "persist.yaml"
    path.write_text(yaml.safe_dump(changed(SWEEP, changes or {}), sort_keys=False), "utf-8")
    return abl.load(path, root=folder / "mlruns")


def trained(sweep: LoadedSweep, word: str = "") -> dict[str, str]:
    """Label -> digest of the trainings whose label holds a word."""
    stages = sweep.plan.stages.items()
    return {s.label: d for d, s in stages if s.kind == "train" and word in s.label}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("persistent")


@pytest.fixture(scope="module")
def whole(home: Path) -> SweepResult:
    result = abl.run(load(home), executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return result


@pytest.fixture(scope="module")
def sweep(home: Path, whole: SweepResult) -> LoadedSweep:
    return load(home)


def of_digest(sweep: LoadedSweep, digest: str, role: str) -> pd.DataFrame:
    frame = pd.read_parquet(sweep.store.file(digest, PREDICTIONS))
    return frame[frame["role"] == role].set_index("image")


def test_every_arm_is_scored_on_whole_test_sets(whole: SweepResult, sweep: LoadedSweep) -> None:
    assert len(whole.outcome.arms) == 10
    assert not any(arm.failed for arm in whole.outcome.arms)
    for cell in sweep.plan.cells:
        key = cell.replicate
        data = sweep.workspace.data(sweep.file.sweep.data)
        split = data.split(sweep.file.sweep.splits, key.repeat, key.fold)
        tested = of_digest(sweep, cell.uses["original"], "test").index
        assert set(tested) == set(data.dataset.frame["image"].to_numpy()[split.test])


def test_what_leaves_out_nothing_is_the_stage_of_a_plain_sweep(home: Path, tmp_path: Path) -> None:
    every, plain = trained(load(home)), load(tmp_path, {"axes.excluded": ["none"], "base": None})
    assert len(trained(plain)) == 2 * 3 * 2
    assert trained(plain).items() <= every.items()
    # and of another study
    other = {"study": "compare", "options": {}, "axes": {"network": ["pooled3", "pooled6"]}}
    assert trained(load(tmp_path, {**other, "base": {"network": "pooled3"}})) == trained(plain)


def test_more_splits_train_only_what_is_new(home: Path, tmp_path: Path) -> None:
    four, six = (load(tmp_path, {"replicates.repeats": n}).plan.stages for n in (4, 6))
    assert four.keys() < six.keys()
    assert len(six) == len(four) * 6 / 4
    # and more inner splits keep those that are there
    more = load(tmp_path, {"replicates.repeats": 4, "options.inner.splits": 3})
    assert (
        trained(load(tmp_path, {"replicates.repeats": 4}), "inner").items()
        < trained(more, "inner").items()
    )


def test_the_cutoff_is_the_best_on_validation_and_kept_with_every_prediction(
    whole: SweepResult, sweep: LoadedSweep
) -> None:
    predictions = pd.read_parquet(whole.folder / "predictions.parquet")
    row = whole.outcome.arms[0]
    cells = [cell for cell in sweep.plan.cells if cell.arm == 0]
    labels = sweep.workspace.data(sweep.file.sweep.data).dataset.frame.set_index("image")["label"]
    for cell, chosen in zip(cells, row.replicates.to_dict("records"), strict=True):
        found = of_digest(sweep, cell.uses["original"], "validation")
        true = labels.loc[found.index].to_numpy()
        scores = found["p_1"].to_numpy()

        def g_mean(cutoff: float, true=true, scores=scores) -> float:
            called = scores >= cutoff
            return float(np.sqrt((called[true == 1]).mean() * (~called[true == 0]).mean()))

        assert g_mean(chosen["cutoff"]) == pytest.approx(max(map(g_mean, scores)))
        assert chosen["validation_g_mean"] == pytest.approx(g_mean(chosen["cutoff"]))
        key = cell.replicate
        kept = predictions[
            (predictions["arm"] == row.key) & (predictions["role"] == "test")
            & (predictions["repeat"] == key.repeat) & (predictions["seed"] == key.seed)
        ].set_index("unit")  # fmt: skip
        assert set(kept["cutoff"]) == {chosen["cutoff"]}
        raw = of_digest(sweep, cell.uses["original"], "test").loc[kept.index]
        assert np.array_equal(kept["p_1"] >= 0.5, raw["p_1"] >= chosen["cutoff"])


def test_counts_of_each_image_are_those_of_the_stored_predictions(
    whole: SweepResult, sweep: LoadedSweep
) -> None:
    images = pd.read_parquet(whole.folder / "images.parquet").set_index("image")
    frame = sweep.workspace.data(sweep.file.sweep.data).dataset.frame.set_index("image")
    given = frame["train_label"]
    assert images.index.sort_values().equals(frame.index.sort_values())
    assert np.array_equal(images["flipped"], (frame["label"] != given).loc[images.index])
    for arm, name in ((0, "pooled3"), (5, "pooled6")):
        seen, wrong, in_training = (pd.Series(0, images.index) for _ in range(3))
        cutoffs = whole.outcome.arms[arm].replicates["cutoff"].to_numpy()
        cells = [cell for cell in sweep.plan.cells if cell.arm == arm]
        for cell, cutoff in zip(cells, cutoffs, strict=True):
            tested = of_digest(sweep, cell.uses["original"], "test")
            seen[tested.index] += 1
            called = (tested["p_1"] >= cutoff).astype(int)
            wrong[tested.index] += (called != given.loc[tested.index]).astype(int)
            in_training[of_digest(sweep, cell.uses["original"], "train").index] += 1
        assert np.array_equal(images[f"seen_{name}"], seen)
        assert np.array_equal(images[f"wrong_{name}"], wrong)
        assert np.array_equal(images[f"trained_{name}"], in_training)
    assert np.array_equal(images["right"] + images["wrong"], images["seen"])
    unseen = images["seen"] == 0
    assert images.loc[unseen, "share"].isna().all()
    assert not images.loc[unseen, "flagged"].any()


def test_arms_train_without_what_they_leave_out(sweep: LoadedSweep) -> None:
    plan, store = sweep.plan, sweep.store
    data = sweep.workspace.data(sweep.file.sweep.data)
    frame, flagged = data.dataset.frame, 0
    by_replicate: dict[Any, dict[str, str]] = {}
    for cell in plan.cells_by_arm():
        for each in cell:
            what = str(plan.arms[each.arm].params["excluded"])
            network = str(plan.arms[each.arm].params["network"])
            by_replicate.setdefault(each.replicate, {})[f"{network} {what}"] = each.uses["original"]
    for key, networks in by_replicate.items():
        split = data.split(sweep.file.sweep.splits, key.repeat, key.fold)
        part = frame.iloc[split.train]
        [select] = {
            digest
            for name, training in networks.items()
            if (digest := plan.stages[training].inputs.get("select"))
            and not name.endswith("flipped")
        }
        selection = pd.read_parquet(store.file(select, SELECTION)).set_index("image")
        assert set(selection.index) == set(part["image"])
        # nothing is said of images outside the training part
        leave = selection["flagged"]
        flagged += int(leave.sum())
        assert (selection.loc[leave, "wrong"] * 10 > 5 * selection.loc[leave, "seen"]).all()
        trained = {n: store.done(d).facts["images_by_class"] for n, d in networks.items()}
        given = part.set_index("image")["train_label"].loc[selection.index]
        whole = np.bincount(part["train_label"], minlength=2)
        out = np.bincount(given[leave.to_numpy()], minlength=2)
        for network in ("pooled3", "pooled6"):
            assert trained[f"{network} none"] == whole.tolist()
            assert trained[f"{network} flagged"] == (whole - out).tolist()
            assert trained[f"{network} matched"] == (whole - out).tolist()
            assert sum(trained[f"{network} random"]) == whole.sum() - out.sum()
            wrong = part["label"] != part["train_label"]
            right = np.bincount(part.loc[~wrong, "train_label"], minlength=2)
            assert trained[f"{network} flipped"] == right.tolist()
        assert not (selection["flagged"] & selection["matched"]).any()
    assert flagged > 0


def test_matched_images_are_the_hardest_of_those_that_stay(sweep: LoadedSweep) -> None:
    for digest, stage in sweep.plan.stages.items():
        if stage.kind != "flag":
            continue
        rows = pd.read_parquet(sweep.store.file(digest, SELECTION))
        rows["share"] = (rows["wrong"] / rows["seen"].where(rows["seen"] > 0)).fillna(-1)
        for _, each in rows[~rows["flagged"]].groupby("label"):
            taken, left = each[each["matched"]], each[~each["matched"]]
            if len(taken):
                assert taken["share"].min() >= left["share"].max()


def test_inner_trainings_are_shared_by_arms_and_of_one_shape(sweep: LoadedSweep) -> None:
    inner = {d for label, d in trained(sweep, "inner-draw").items() if "pooled3" in label}
    assert len(inner) == 3 * 2 * 2  # splits, seeds, inner splits
    assert len({sweep.plan.stages[digest].shape for digest in inner}) == 1
    flags = [stage for stage in sweep.plan.stages.values() if stage.kind == "flag"]
    assert len(flags) == 3 * 2
    assert all(len(stage.inputs) == 2 * 2 for stage in flags)


def test_flags_by_the_posterior_are_the_most_probable_ones(home: Path, whole: SweepResult) -> None:
    posterior = {
        "options": {
            **SWEEP["options"], "flag": "posterior", "theta": 0.5, "level": 0.6, "cap": 0.04
        },
        "axes.excluded": ["none", "flagged"],
        "axes.network": ["pooled3"],
        "replicates": {"repeats": 2, "seeds": [0]},
    }  # fmt: skip
    loaded = load(home, {**posterior, "name": "posterior"})
    result = abl.run(loaded, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    # inner trainings are those of the share: flags, and what leaves by them, are new
    ran = {loaded.plan.stages[digest].label.split(" r")[0] for digest in result.report.ran}
    assert ran <= {"flag by 1 network, 2 inner splits,", "train pooled3 without-flagged"}
    images = pd.read_parquet(result.folder / "images.parquet")
    flagged, rest = images[images["flagged"]], images[~images["flagged"]]
    assert 0 < len(flagged) <= 0.04 * (images["seen"] > 0).sum()
    assert flagged["above"].min() > 0.6
    assert flagged["above"].min() >= rest["above"].max()
    assert "with a probability over 60 %" in " ".join(result.outcome.notes)


def test_no_test_label_has_a_part_in_the_flags(tmp_path: Path) -> None:
    manifest = write_tiny_set(tmp_path / "images")
    rows = pd.read_csv(manifest)
    number = rows["patient"].str[1:].astype(int)
    rows["split"] = np.where(number % 6 < 2, "test", "train")
    changes = {
        "data": {"manifest": "images/manifest.csv"},
        "splits": {"kind": "column", "validation": 0.25},
        "replicates": {"repeats": 1, "seeds": [0]},
        "axes.excluded": ["none", "flagged", "matched"],
        "image.size": 24,
    }
    digests = []
    for corrected in (False, True):
        written = rows.copy()
        if corrected:
            at = written["patient"] == "p000"
            assert set(written.loc[at, "split"]) == {"test"}
            written.loc[at, "label"] = "malignant"
        written.to_csv(manifest, index=False)
        digests.append(set(load(tmp_path, changes).plan.stages))
    assert digests[0] == digests[1]


def test_tables_of_networks_and_images(home: Path, whole: SweepResult, sweep: LoadedSweep) -> None:
    store = sweep.store
    networks = shown_table(store, "persist", show="networks")
    values = dict(zip(networks.raw_columns, networks.raw_rows[0], strict=True))
    assert (values["network"], values["runs"]) == ("pooled3", 6)
    assert values["low"] <= values["auc"] <= values["high"]
    assert values["improvement"] == pytest.approx(values["after"] - values["auc"])
    assert "rises by construction" in " ".join(note.text for note in networks.notes)
    file = home / "paper.csv"
    file.write_text("network,auc,auc_sd,auc_min,auc_max\npooled6,0.83,0.04,0.74,0.9\n", "utf-8")
    beside = shown_table(store, "persist", show="networks", published=file)
    at = [column.label for column in beside.columns].index("published")
    assert [row[at].text for row in beside.rows] == ["", "0.830 ± 0.040 (0.740, 0.900)"]
    features = shown_table(store, "persist", show="features")
    rows = [dict(zip(features.raw_columns, raw, strict=True)) for raw in features.raw_rows]
    first = next(row for row in rows if row["share"] > 0.2)
    file.write_text(
        "feature,percent_of_dataset,images\n"
        f"{first['value']},{100 * first['share']:.1f},2\nunheard of,1,1\n", "utf-8"
    )  # fmt: skip
    stated = shown_table(store, "persist", show="features", published=file)
    values = [dict(zip(stated.raw_columns, raw, strict=True)) for raw in stated.raw_rows]
    beside_ours = [row for row in values if row["share_published"] != ""]
    assert {row["value"] for row in beside_ours} == {first["value"]}
    assert beside_ours[0]["share_published"] == pytest.approx(first["share"], abs=1e-3)
    said = " ".join(note.text for note in stated.notes)
    assert "paper.csv: no row here for row 3 (unheard of)" in said
    noise = shown_table(store, "persist", show="noise")
    assert [row[2].text for row in noise.rows] == ["flagged", "matched", "confident learning"]
    images = shown_table(store, "persist", show="images")
    scores = [row[images.raw_columns.index("score")] for row in images.raw_rows]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(InputError, match="--show image: did you mean 'images'"):
        shown_table(store, "persist", show="image")
    files = recorded_files(whole.folder)
    assert {"images.parquet", "images_table.json", "networks_table.json"} <= files.keys()
    assert {"images", "exclusion_curve"} <= own_frames(store, whole.outcome).keys()


def test_notes_say_what_was_flagged_and_what_is_no_result(whole: SweepResult) -> None:
    notes = " ".join(whole.outcome.notes)
    assert "images are flagged: misclassified in more than" in notes
    assert "expected with no label wrong" in notes
    assert "it rises by construction, and gets no verdict" in notes
    assert "Known wrong labels:" in notes
    assert "Inner flags leave" in notes
    controls = [whole.outcome.arms[at].params["excluded"] for at in (4, 9)]
    assert controls == ["flipped", "flipped"]
    assert {whole.outcome.arms[at].key for at in (4, 9)} == set(whole.outcome.facts.controls)


def test_wrong_labels_of_which_none_was_tested_have_no_average_precision(
    whole: SweepResult, tmp_path: Path
) -> None:
    (facts,) = whole.outcome.facts.study["persistence"]
    known = {**facts["known"], "average_precision": math.nan, "by_share": math.nan}
    found = Findings({**facts, "known": known}, pd.DataFrame(), pd.DataFrame())
    notes = " ".join(finding_notes([found], Plan({}, [], [], []), Store(tmp_path / "store")))
    assert "none of them was tested" in notes
    assert "nan" not in notes


def test_every_fault_is_told_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(
            tmp_path,
            {
                "options.cutoff_on": "test",
                "options.cutoff": "metric",
                "splits.by": "image",
                "data.unit": "nodule",
                "data.phantom.flip": 0,
                "axes.excluded": ["none", "flaged", "flipped"],
            },
        )
    told = str(caught.value)
    for line in (
        "options.cutoff_on: test chooses the cut-off on the images that it is scored on: it needs "
        "published: [cutoff_on_test]",
        "splits.by: image lets images of one patient train and test: write by: patient; it needs "
        "published: [splits_by_image]",
        "data.unit: nodule: this study counts images",
        "excluded: 'flaged' is not known: did you mean 'flagged'?",
        "excluded: flipped needs generated data with wrong labels",
        "options.cutoff: metric: primary: auc does not depend on a cut-off",
    ):
        assert line in told
    with pytest.raises(InputError, match=r"floor: 0\.95 is above theta, 0\.9"):
        load(tmp_path, {"options.floor": 0.95})


PUBLISHED = {
    "published": ["splits_by_image", "cutoff_on_test"],
    "options": {"cutoff_on": "test"},
    "splits.by": "image",
    "axes": {"network": ["pooled3"], "excluded": ["none"]},
    "base": None,
    "data.duplicates": "ignore",
}


def test_the_published_protocol_may_do_both_faults_and_names_them(tmp_path: Path) -> None:
    result = abl.run(load(tmp_path, PUBLISHED), executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    chosen = result.outcome.arms[0].replicates
    assert "test_g_mean" in chosen
    assert np.allclose(chosen["test_g_mean"], chosen["g_mean"])
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "one image of a patient can train while its twin tests" in page
    assert "Splits are by image, not by patient" not in page  # said once
    assert "Chosen by its labels, as published: the cut-off of each training" in page
    assert any("cutoff_on_test" in note for note in result.outcome.notes)
    assert "was chosen on the very test set it was scored on" in page
    # what is scored by ranks does not win by its cut-off; what is scored by calls does
    assert not result.outcome.facts.controls
    calls = abl.run(load(tmp_path, {**PUBLISHED, "primary": "acc"}), executor="local", record=False)
    assert len(calls.outcome.facts.controls) == 1


def test_three_classes_are_called_by_the_largest_probability(tmp_path: Path) -> None:
    manifest = write_tiny_set(tmp_path / "images", patients=36)
    rows = pd.read_csv(manifest)
    rows["label"] = rows["patient"].str[1:].astype(int) % 3
    rows.to_csv(manifest, index=False)
    changes = {
        "data": {"manifest": "images/manifest.csv", "classes": ["a", "b", "c"]},
        "axes": {"network": ["pooled3"], "excluded": ["none", "flagged"]},
        "replicates": {"repeats": 2, "seeds": [0]},
        "image.size": 24,
        "metrics": ["auc", "acc"],
    }
    result = abl.run(load(tmp_path, copy.deepcopy(changes)), executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    assert "cutoff" not in result.outcome.arms[0].replicates
    images = pd.read_parquet(result.folder / "images.parquet")
    assert images["seen"].sum() == sum(len(r) for r in _tests_of(result))


def _tests_of(result: SweepResult) -> list[pd.DataFrame]:
    frame = pd.read_parquet(result.folder / "predictions.parquet")
    key = result.outcome.arms[0].key
    return [frame[(frame["arm"] == key) & (frame["role"] == "test")]]
