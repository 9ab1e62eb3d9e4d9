"""External sets: scored beside the internal results, and unable to decide anything."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from transfer_sweeps import FROZEN, FUSION, load, run

import abl
from abl.app.loaded import LoadedSweep
from abl.app.showing import shown_table
from abl.app.sweep_result import SweepResult
from abl.decide.intervals import external_cells
from abl.decide.replicates import Scores
from abl.errors import InputError
from abl.plan.graph import Plan
from abl.plan.outcome import Outcome
from abl.plan.outcome_json import outcome_from_json, outcome_to_json
from abl.record.mlflow_arms import arm_points, view_state
from abl.record.store import Store
from tiny_sweeps import write_tiny_set

TINY: dict[str, Any] = {
    "name": "tiny",
    "study": "frozen",
    "data": {"manifest": "images/manifest.csv"},
    "image": {"size": 24, "channels": 1, "normalize": "half"},
    "splits": {"kind": "holdout", "test": 0.3, "validation": 0.3},
    "replicates": {"seeds": [0, 1]},
    "train": {
        "network": "pooled3",
        "epochs": 3,
        "last_k": 2,
        "batch_size": 4,
        "optimizer": {"lr": 0.05},
        "augment": {"rotate_deg": 0},
    },
    "axes": {"train.epochs": [2, 3]},
    "base": {"train.epochs": 2},
    "metrics": ["acc", "f1", "auc"],
    "primary": "f1",
    "resamples": 200,
}
OUTSIDE = {"name": "hospital C", "manifest": "outside/manifest.csv"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a set for the sweep and another one outside."""
    write_tiny_set(tmp_path / "images")
    write_tiny_set(tmp_path / "outside", patients=10, seed=1)
    return tmp_path


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws nothing, which takes longer than these trainings."""
    monkeypatch.setattr("abl.app.session._draw", lambda *given: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedSweep, SweepResult, set[str]]:
    """The tiny sweep run without an external set, then with one, and what ran the second time."""
    place = tmp_path_factory.mktemp("external")
    write_tiny_set(place / "images")
    write_tiny_set(place / "outside", patients=10, seed=1)
    run(load(place, TINY))
    sweep = load(place, TINY, external=[OUTSIDE])
    result = run(sweep)
    return sweep, result, {sweep.plan.stages[each].kind for each in result.report.ran}


def of_kind(plan: Plan, kind: str) -> set[str]:
    return {digest for digest, stage in plan.stages.items() if stage.kind == kind}


def others(plan: Plan) -> set[str]:
    return set(plan.stages) - of_kind(plan, "predict")


def relabelled(path: Path, change: Any) -> None:
    frame = pd.read_csv(path)
    change(frame).to_csv(path, index=False)


def inverted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(label=frame["label"].map({"benign": "malignant", "malignant": "benign"}))


def internal(outcome: Outcome) -> str:
    """All of an outcome that is not about external sets, as text."""
    facts = replace(outcome.facts, external=())
    notes = tuple(note for note in outcome.notes if "external" not in note)
    return outcome_to_json(replace(outcome, key="", facts=facts, notes=notes))


def test_a_finished_sweep_only_predicts_and_keeps_its_table(finished, no_report):
    sweep, result, ran = finished
    assert ran == {"predict"}
    assert len(result.report.ran) == 2 * 2  # arms and seeds
    alone = load(sweep.file.folder, TINY)
    assert set(alone.plan.stages) == others(sweep.plan)
    assert internal(run(alone).outcome) == internal(result.outcome).replace(
        f'"stages": {len(sweep.plan.stages)}', f'"stages": {len(alone.plan.stages)}'
    )
    again = run(load(sweep.file.folder, TINY, external=[OUTSIDE]))
    assert again.report.ran == []


def test_whatever_an_external_set_says_decides_nothing(folder, no_report):
    """A set with every label inverted, and one that is nearly all malignant, try to."""
    first = run(load(folder, TINY, external=[OUTSIDE]))
    plan = load(folder, TINY, external=[OUTSIDE]).plan
    manifest = folder / "outside" / "manifest.csv"
    relabelled(manifest, inverted)
    sweep = load(folder, TINY, external=[OUTSIDE])
    assert set(sweep.plan.stages) == set(plan.stages)  # labels enter no identity
    wrong = run(sweep)
    assert wrong.report.ran == []
    relabelled(manifest, lambda frame: frame.assign(label=["benign"] + ["malignant"] * 19))
    other = load(folder, TINY, external=[OUTSIDE])
    assert set(other.plan.stages) == set(plan.stages)
    sick = run(other)
    assert internal(first.outcome) == internal(wrong.outcome) == internal(sick.outcome)
    for one, two in ((first, wrong), (first, sick)):
        pd.testing.assert_frame_equal(
            pd.read_parquet(one.folder / "predictions.parquet"),
            pd.read_parquet(two.folder / "predictions.parquet"),
            check_exact=True,
        )
    rows = [each.outcome.facts.external[0] for each in (first, wrong, sick)]
    assert [row["prevalence"] for row in rows] == [0.5, 0.5, 0.95]
    for key, cells in rows[0]["arms"].items():
        # the same probabilities, judged by the opposite labels
        assert rows[1]["arms"][key]["auc"]["mean"] == pytest.approx(1 - cells["auc"]["mean"])
        assert rows[1]["arms"][key]["acc"]["mean"] == pytest.approx(1 - cells["acc"]["mean"])


def test_probabilities_are_those_of_the_networks_kept_epochs(tmp_path, no_report):
    """The external set is the sweep's own data: every image is predicted as the training did."""
    write_tiny_set(tmp_path / "images")
    sweep = load(
        tmp_path,
        TINY,
        data={"duplicates": "ignore"},
        external=[{"name": "same", "manifest": "images/manifest.csv"}],
    )
    run(sweep)
    assert_predicted_alike(sweep, "same")


def assert_predicted_alike(sweep: LoadedSweep, name: str) -> None:
    assert sweep.plan.beside[f"external {name}"]
    for training, predicted in sweep.plan.beside[f"external {name}"].items():
        frames = [
            pd.read_parquet(sweep.store.file(digest, "predictions.parquet"))
            for digest in (training, predicted)
        ]
        assert set(frames[1]["role"]) == {"external"}
        assert list(frames[0].columns) == list(frames[1].columns)
        known, found = (f.drop(columns="role").set_index("image").sort_index() for f in frames)
        # an image's place in its batch moves the last bit
        pd.testing.assert_frame_equal(known, found, check_exact=False, rtol=0, atol=2e-6)


def test_frozen_networks_predict_without_kept_features(tmp_path, no_report, monkeypatch):
    monkeypatch.setattr("abl.plan.kept_features.CPU_FLOPS", 1.0)
    data = {"phantom": {"patients": 24, "size": 32, "seed": 3}}
    sweep = load(
        tmp_path,
        FROZEN,
        data=data | {"duplicates": "ignore"},
        splits={"kind": "holdout"},
        axes={"frozen": [0, 3], "head": ["fc", "gap"]},
        external=[{"name": "same", **data}],
    )
    assert of_kind(sweep.plan, "features")
    run(sweep)
    assert_predicted_alike(sweep, "same")


def test_two_modalities_and_both_as_samples(tmp_path, no_report):
    data = {"phantom": {"patients": 24, "size": 32, "seed": 3}}
    sweep = load(
        tmp_path,
        FUSION,
        data=data | {"duplicates": "ignore"},
        arms=[{"mode": ["elasticity", "mixed", "early", "late"]},
              {"mode": "late", "second": ["first", "shuffled"]}],
        base=None,
        external=[{"name": "same", **data}],
    )  # fmt: skip
    result = run(sweep)
    assert_predicted_alike(sweep, "same")
    row = result.outcome.facts.external[0]
    assert len(row["arms"]) == 5
    assert ["shuffled" in why for why in row["missing"].values()] == [True]
    shown = shown_table(sweep.store, "fusion", show="external")
    assert sum("failed" in str(cells) for cells in shown.rows) == 1


def test_networks_guided_by_masks(tmp_path, no_report):
    data = {"phantom": {"patients": 24, "size": 32, "seed": 3}}
    sweep = load(
        tmp_path,
        {**FROZEN, "name": "guided", "study": "mask_guided"},
        data=data | {"duplicates": "ignore"},
        splits={"kind": "holdout"},
        replicates={"seeds": [1]},
        train={"weights": "none", "epochs": 1},
        axes={"mask": ["true", "random"]},
        base=None,
        external=[{"name": "same", **data}],
    )
    run(sweep)
    assert_predicted_alike(sweep, "same")


def test_metrics_are_those_of_each_network_averaged_with_intervals_by_patient(finished):
    sweep, result, _ = finished
    row = result.outcome.facts.external[0]
    assert (row["patients"], row["images"], row["units"], row["prevalence"]) == (10, 20, 20, 0.5)
    frame = pd.read_csv(sweep.file.folder / "outside" / "manifest.csv").set_index("image")
    replicates = []
    for cell in sweep.plan.cells_by_arm()[0]:
        digest = sweep.plan.beside["external hospital C"][cell.uses["original"]]
        read = pd.read_parquet(sweep.store.file(digest, "predictions.parquet")).set_index("image")
        rows = frame.loc[read.index]
        key = cell.replicate
        labels = (rows["label"] == "malignant").astype(int).to_numpy()
        p = read[["p_0", "p_1"]].to_numpy()
        made = Scores(key.repeat, key.fold, key.seed, labels, rows["patient"].to_numpy(), p)
        replicates.append(made)
    wanted = external_cells(replicates, ["f1", "auc"], resamples=40)
    found = row["arms"][result.outcome.arms[0].key]
    for name, cell in wanted.items():
        assert found[name]["mean"] == pytest.approx(cell.mean)
        assert found[name]["low"] == pytest.approx(cell.low)
        assert found[name]["low"] <= found[name]["mean"] <= found[name]["high"]


def test_it_stands_beside_the_internal_results_everywhere(finished):
    sweep, result, _ = finished
    shown = shown_table(sweep.store, "tiny", show="external")
    arms = [cells[0].text for cells in shown.rows]
    assert arms == [f"epochs {n} · {at}" for n in (2, 3) for at in ("internal", "hospital C")]
    notes = " ".join(note.text for note in shown.notes)
    assert "10 patients, 20 images, 50 % positive" in notes
    stated = result.folder / "stated.csv"
    stated.write_text("train.epochs,set,f1\n2,hospital C,0.5\n2,internal,0.25\n", "utf-8")
    beside = shown_table(sweep.store, "tiny", show="external", published=stated)
    assert shown.lead == beside.lead
    assert "on the internal test sets and on 1 external set (hospital C)" in shown.lead[0]
    at = [column.label for column in beside.columns].index("F1 published")
    assert [cells[at].text for cells in beside.rows] == ["25.0", "50.0", "", ""]
    stated.unlink()
    page = (result.folder / "report.html").read_text()
    assert "external sets" in page
    assert "No external set" not in page
    assert "manifest outside/manifest.csv; decides nothing" in page
    arm = result.outcome.arms[0]
    recorded = {key: value for key, _, value, _ in arm_points(result.outcome, arm)}
    kept = result.outcome.facts.external[0]["arms"][arm.key]
    assert recorded["external_hospital C_f1"] == kept["f1"]["mean"]
    assert recorded["external_hospital C_auc_low"] == kept["auc"]["low"]
    assert "metrics.`external_hospital C_f1`" in view_state(result.outcome)
    assert any("hospital C (10 patients)" in note for note in result.outcome.notes)
    text = outcome_to_json(result.outcome)
    assert outcome_to_json(outcome_from_json(text)) == text


def test_another_prevalence_is_said_where_metrics_depend_on_it(folder):
    def mostly_sick(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(label=["benign"] * 4 + ["malignant"] * 16)

    relabelled(folder / "outside" / "manifest.csv", mostly_sick)
    result = run(load(folder, TINY, external=[OUTSIDE]))
    said = "Prevalence differs (hospital C 80 % positive, internal test sets 50 %): ACC, F1, PPV"
    shown = shown_table(Store(folder / "mlruns" / "store"), "tiny", show="external")
    assert any(said in note.text for note in shown.notes)
    assert said in (result.folder / "report.html").read_text()


def with_centres(folder: Path) -> pd.DataFrame:
    """Writes a centre for each patient of the sweep's set: A, B or C in turn of pairs."""
    path = folder / "images" / "manifest.csv"
    frame = pd.read_csv(path)
    number = frame["patient"].str[1:].astype(int)
    frame = frame.assign(centre=np.array(["A", "A", "B", "C"])[number // 2 % 4])
    frame.to_csv(path, index=False)
    return frame


def test_a_centre_is_left_out_as_if_the_file_did_not_hold_it(folder, no_report):
    frame = with_centres(folder)
    blocks = [{"name": "B", "centre": "B"}, {"name": "B and C", "centre": ["B", "C"]}]
    sweep = load(folder, TINY, external=blocks)
    inside = folder / "images" / "inside.csv"
    frame[frame["centre"] == "A"].to_csv(inside, index=False)
    alone = load(folder, TINY, name="alone", data={"manifest": "images/inside.csv"})
    assert others(sweep.plan) == set(alone.plan.stages)
    one, other = run(sweep), run(alone)
    read = pd.read_parquet(one.folder / "predictions.parquet")
    assert set(read["patient"]) <= set(frame.loc[frame["centre"] == "A", "patient"])
    arms = zip(one.outcome.arms, other.outcome.arms, strict=True)
    assert all(a.cells == b.cells and a.key == b.key for a, b in arms)
    sizes = [(row["name"], row["images"]) for row in one.outcome.facts.external]
    assert sizes == [("B", 12), ("B and C", 24)]
    assert "24 images of images/manifest.csv left out by centre: B, C." in one.outcome.notes


def test_an_axis_of_the_data_block_does_not_bring_a_centre_back(folder):
    with_centres(folder)
    axes = {"data.without": [{"centre": ["C"]}, {"patient": ["p000"]}]}
    sweep = load(folder, TINY, axes=axes, base=None, external=[{"name": "B", "centre": "B"}])
    frames = [
        sweep.workspace._views[stage.context["view"]][0].dataset.frame
        for stage in sweep.plan.stages.values()
        if stage.kind == "train"
    ]
    assert len({len(frame) for frame in frames}) == 2
    assert not any("B" in set(frame["centre"]) for frame in frames)


def test_an_ensemble_is_another_predictor_and_is_labelled(folder, no_report):
    blocks = [OUTSIDE, OUTSIDE | {"name": "together", "how": "ensemble"}]
    sweep = load(folder, TINY, external=blocks)
    assert len(of_kind(sweep.plan, "predict")) == 2 * 2  # both sets share their stages
    alone, together = run(sweep).outcome.facts.external
    arm = next(iter(alone["arms"]))
    assert (alone["arms"][arm]["auc"]["count"], together["arms"][arm]["auc"]["count"]) == (2, 1)
    notes = [note.text for note in shown_table(sweep.store, "tiny", show="external").notes]
    of_sets = [note for note in notes if "outside/manifest" in note]
    assert ["an ensemble" in note for note in of_sets] == [False, True]


def test_a_centre_of_generated_images(tmp_path, no_report):
    data = {"phantom": {"patients": 36, "size": 32, "seed": 3, "centre_b": 0.4}}
    changes = {"axes": {"frozen": [0]}, "base": None, "train": {"weights": "none"}}
    sweep = load(tmp_path, FROZEN, data=data, external=[{"name": "B", "centre": "B"}], **changes)
    frame = sweep.workspace.data(sweep.file.sweep.data).dataset.frame
    row = run(sweep).outcome.facts.external[0]
    assert row["images"] == int((frame["centre"] == "B").sum())


def test_patients_are_scored_where_a_set_says_so(folder, no_report):
    sweep = load(folder, TINY, external=[OUTSIDE | {"unit": "patient"}])
    result = run(sweep)
    row = result.outcome.facts.external[0]
    assert (row["unit"], row["units"], row["images"]) == ("patient", 10, 20)
    assert any(n.text.count("10 patients, 20 images, 10 patients") for n in
               shown_table(sweep.store, "tiny", show="external").notes)  # fmt: skip


def test_images_that_are_also_the_sweeps_own_are_refused(folder, no_report):
    shutil.copy(folder / "images" / "png" / "003a.png", folder / "outside" / "png" / "000a.png")
    sweep = load(folder, TINY, external=[OUTSIDE])
    with pytest.raises(InputError, match=r"hospital C: png/000a.png .* png/003a.png") as found:
        abl.run(sweep, executor="local", record=False)
    assert len(found.value.problems) == 1
    assert not sweep.store.digests()  # nothing was trained
    told = run(load(folder, TINY, external=[OUTSIDE], data={"duplicates": "report"}))
    assert any("1 pair of near-duplicate images lies across external set" in note
               for note in told.outcome.notes)  # fmt: skip


def problems_of(folder: Path, base: dict[str, Any], external: Any, **changes: Any) -> list[str]:
    with pytest.raises(InputError) as found:
        _ = load(folder, base, external=external, **changes).plan
    lines = (folder / f"{base['name']}.yaml").read_text().splitlines()
    told = []
    for problem in found.value.problems:
        assert problem.line is not None
        told.append(f"{problem.message} [{lines[problem.line - 1].strip()}]")
    return told


def test_everything_wrong_with_the_blocks_is_told_at_once(folder):
    told = problems_of(
        folder,
        TINY,
        [
            {"name": "C", "manifest": "outside/manifest.csv", "classes": ["no", "yes"]},
            {"name": "C", "set": "ddti", "modality": "second"},
        ],
    )
    assert len(told) == 2
    assert "its classes are no, yes, those of data benign, malignant" in told[0]
    assert "external set C: this name is given twice [" in told[1]
    both = problems_of(folder, TINY, [{"name": "B", "centre": "B", "manifest": "b.csv"}])
    assert both[0].startswith("external.0: give exactly one of centre, phantom, manifest, set (giv")
    keys = problems_of(folder, TINY, [{"name": "B", "centre": "B", "columns": {"label": "x"}}])
    assert "columns: of a centre they are those of data" in keys[0]
    assert "set is called" not in keys[0]
    source = {"name": "P", "phantom": {"task": "source", "size": 32}}
    assert "its task is source, that of data diagnosis" in problems_of(folder, TINY, [source])[0]
    nothing = problems_of(folder, TINY, [{"name": "internal"}])
    assert "internal is what the sweep's own test sets are called" in nothing[0]


def test_centres_that_cannot_be_taken_out_are_told(folder):
    without = problems_of(folder, TINY, [{"name": "B", "centre": "B"}])
    assert "has no column centre" in without[0]
    frame = with_centres(folder)
    told = problems_of(
        folder, TINY, [{"name": "B", "centre": "BB"}, {"name": "all", "centre": ["A", "B", "C"]}]
    )
    assert "external set B: no row has centre 'BB'" in told[0]
    assert "centre: BB" in told[0].partition("[")[2]
    assert "every row of images/manifest.csv is of an external centre" in told[1]
    path = folder / "images" / "manifest.csv"
    frame["centre"] = frame["label"].map({"benign": "A", "malignant": "B"})
    frame.to_csv(path, index=False)
    one_class = problems_of(folder, TINY, [{"name": "B", "centre": "B"}])
    assert "no image of class malignant is left to train on" in one_class[0]
    frame["centre"] = ["A", "B"] * 24
    frame.to_csv(path, index=False)
    torn = problems_of(folder, TINY, [{"name": "B", "centre": "B"}])
    assert "24 patients have images of an external centre and of another one: p000" in torn[0]


def test_sets_that_cannot_be_read_are_told_together(folder):
    told = problems_of(
        folder,
        TINY,
        [{"name": "C", "manifest": "nowhere.csv"}, {"name": "D", "set": "ddti"}],
    )
    assert "external set C: manifest: there is no 'nowhere.csv'" in told[0]
    assert "[manifest: nowhere.csv" in told[0] or "[- name: C" in told[0]
    assert "external set D: set: no 'ddti/manifest.csv'" in told[1]


def test_smoke_shrinks_generated_sets(folder):
    load(folder, TINY, external=[{"name": "P", "phantom": {"patients": 500, "size": 32}}])
    smoked = abl.load(folder / "tiny.yaml", root=folder / "mlruns", smoke=True)
    assert smoked.file.sweep.external[0].phantom.patients <= 60


def test_rows_left_out_by_a_column(folder):
    with_centres(folder)
    data = {"without": {"centre": ["C"]}}
    sweep = load(folder, TINY, data=data)
    _ = sweep.plan
    assert set(sweep.workspace.opened()[0].dataset.frame["centre"]) == {"A", "B"}
    with pytest.raises(InputError, match=r"data\.without: no row has centre 'D'"):
        _ = load(folder, TINY, data={"without": {"centre": ["D"]}}).plan


def test_a_set_without_a_class_is_told_what_works(folder):
    path = folder / "outside/manifest.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join(row for row in rows if "malignant" not in row) + "\n")
    with pytest.raises(InputError) as found:
        _ = load(folder, TINY, external=[OUTSIDE]).plan
    (problem,) = found.value.problems
    assert "external set hospital C: class 'malignant' (1) has no image" in problem.message
    assert "add some, or leave this set out" in problem.message
    assert "data: {" not in problem.message
    path.write_text("\n".join(rows).replace("malignant", "tumour").replace("benign", "cyst"))
    with pytest.raises(InputError, match="those of the sweep: write its labels so"):
        _ = load(folder, TINY, external=[OUTSIDE]).plan
