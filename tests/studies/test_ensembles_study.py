"""The ensembles study on a small generated set, in-process."""

from __future__ import annotations

import csv
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import abl
from abl.app.loaded import LoadedSweep
from abl.app.showing import shown_table
from abl.app.sweep_result import SweepResult
from abl.errors import InputError
from abl.plan.stage import PREDICTIONS
from abl.record.mlflow_writer import MlflowRecord
from abl.spec.read import read_sweep
from abl.stages import kernels as kernels_file
from abl.stages.embed import EMBEDDING
from abl.stages.fit import OUT_OF_FOLD
from abl.stages.kernels import composed_kernels
from abl.studies.ensembles import EnsemblesStudy
from abl.studies.shared.arms import arms_from
from tiny_sweeps import changed

SWEEP: dict[str, Any] = {
    "name": "ens",
    "study": "ensembles",
    "data": {"phantom": {"patients": 40, "size": 32, "seed": 2}},
    "image": {"size": 32, "channels": 1, "normalize": "half"},
    "splits": {"kind": "kfold", "folds": 2, "validation": 0.25},
    "replicates": {"seeds": [0, 1]},
    "train": {"network": "plain4", "epochs": 1, "last_k": 1},
    "options": {
        "panel": {
            "P": {"network": "plain4"},
            "V": {"network": "tiny_vgg"},
            "R": {"network": "tiny_resnet"},
        },
        "rf": {"trees": 10},
        "inner_folds": 3,
    },
    "axes": {"networks": ["all"], "classifier": ["svm", "rf", "svm+rf"]},
    "base": {"classifier": "svm"},
    "metrics": ["auc", "acc"],
    "primary": "auc",
    "resamples": 200,
}


def load(folder: Path, changes: dict[str, Any] | None = None) -> LoadedSweep:
    path = folder / "ens.yaml"
    path.write_text(yaml.safe_dump(changed(SWEEP, changes or {}), sort_keys=False), "utf-8")
    return abl.load(path, root=folder / "mlruns")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ensembles")


@pytest.fixture(scope="module")
def whole(home: Path) -> SweepResult:
    result = abl.run(load(home), executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return result


@pytest.fixture(scope="module")
def sweep(home: Path, whole: SweepResult) -> LoadedSweep:
    return load(home)


def kinds(sweep: LoadedSweep) -> dict[str, int]:
    counts: dict[str, int] = {}
    for stage in sweep.plan.stages.values():
        counts[stage.kind] = counts.get(stage.kind, 0) + 1
    return counts


def predictions(sweep: LoadedSweep, networks: str, classifier: str, at: int = 0) -> pd.DataFrame:
    wanted = {"networks": networks, "classifier": classifier}
    arm = next(n for n, each in enumerate(sweep.plan.arms) if each.named == wanted)
    cell = [cell for cell in sweep.plan.cells if cell.arm == arm][at]
    path = sweep.store.file(cell.uses["original"], PREDICTIONS)
    return pd.read_parquet(path).set_index("image")


def test_every_set_of_networks_is_scored_with_every_classifier(whole: SweepResult) -> None:
    arms = {(arm.params["networks"], arm.params["classifier"]) for arm in whole.outcome.arms}
    sets = ["P", "V", "R", "P+V", "P+R", "V+R", "P+V+R"]
    assert arms == {(each, word) for each in sets for word in ("svm", "rf", "svm+rf")}
    assert not any(arm.failed for arm in whole.outcome.arms)
    assert all(0 < arm.cells["auc"].mean <= 1 for arm in whole.outcome.arms)


def test_features_are_extracted_once_and_kernels_once_a_split(sweep: LoadedSweep) -> None:
    found = kinds(sweep)
    assert found["embed"] == 3
    assert found["kernels"] == 3 * 2
    # a machine draws nothing: one fit for both seeds; a forest has one for each
    assert found["fit"] == 7 * (2 + 2 * 2)


def test_kernels_are_of_the_training_part_that_each_arm_has(tmp_path: Path) -> None:
    changes = {
        "axes": {"networks": ["P+V"], "classifier": ["svm"], "splits.validation": [0.2, 0.4]}
    }
    plan = load(tmp_path, changes | {"base": None}).plan
    for cell in plan.cells:
        fit = plan.stages[cell.uses["original"]]
        kernels = [plan.stages[d] for d in fit.inputs.values() if plan.stages[d].kind == "kernels"]
        assert len(kernels) == 2
        assert {stage.reads for stage in kernels} == {fit.reads}


def test_a_set_of_networks_has_one_kernel_for_all_classifiers_while_there_is_room(
    sweep: LoadedSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = {d: stage for d, stage in sweep.plan.stages.items() if stage.kind == "kernels"}
    reads = next(iter(stages.values())).reads
    p, v, r = (d for d, stage in stages.items() if stage.reads == reads)
    first, second, third = [p, v], [v, r], [p, r]
    monkeypatch.setattr(kernels_file, "_composed", OrderedDict())
    kept = composed_kernels(sweep.store, first)
    assert composed_kernels(sweep.store, second) is not kept
    assert composed_kernels(sweep.store, first) is kept
    assert kept.of("rbf") is kept.of("rbf")
    monkeypatch.setattr(kernels_file, "_ROOM", kept.bytes)
    composed_kernels(sweep.store, third)
    again = composed_kernels(sweep.store, first)
    assert again is not kept
    assert np.array_equal(again.of("rbf"), kept.of("rbf"))


def test_an_embedding_is_float32_and_has_a_row_for_each_image(sweep: LoadedSweep) -> None:
    images = len(sweep.workspace.data(sweep.file.sweep.data).dataset)
    for digest, stage in sweep.plan.stages.items():
        if stage.kind == "embed":
            array = np.load(sweep.store.file(digest, EMBEDDING), mmap_mode="r")
            assert array.dtype == np.float32
            assert len(array) == images
            assert sweep.store.done(digest).facts["width"] == array.shape[1]


def test_letters_and_order_of_a_panel_change_no_stage(home: Path, tmp_path: Path) -> None:
    panel = {
        "X": {"network": "tiny_resnet", "layer": "avg"},
        "Y": {"network": "plain4"},
        "Z": {"network": "tiny_vgg"},
    }
    renamed = load(tmp_path, {"options.panel": panel, "axes.classifier": ["svm", "rf"]})
    assert renamed.plan.stages.keys() <= load(home).plan.stages.keys()


def test_another_set_only_adds_stages(home: Path, tmp_path: Path) -> None:
    few = load(tmp_path, {"axes.networks": ["P", "P+V"]})
    assert len(few.plan.arms) == 6
    assert few.plan.stages.keys() < load(home).plan.stages.keys()


def test_a_mean_of_classifiers_is_their_mean(sweep: LoadedSweep) -> None:
    svm, rf, both = (predictions(sweep, "P+R", each) for each in ("svm", "rf", "svm+rf"))
    rows = svm.index
    mean = (svm["p_1"] + rf.loc[rows, "p_1"]) / 2
    assert np.allclose(both.loc[rows, "p_1"], mean, atol=1e-15)
    assert np.allclose(both["p_0"] + both["p_1"], 1)


def test_predictions_are_of_every_image_in_its_role(sweep: LoadedSweep) -> None:
    data = sweep.workspace.data(sweep.file.sweep.data)
    split = data.split(sweep.file.sweep.splits, 0, 0)
    frame = predictions(sweep, "P+V+R", "svm")
    for role, positions in split.items():
        wanted = data.dataset.frame["image"].to_numpy()[positions]
        assert set(frame.index[frame["role"] == role]) == set(wanted)


def test_predictions_without_a_fold_are_of_all_training_images(sweep: LoadedSweep) -> None:
    digest = next(
        d for d, s in sweep.plan.stages.items() if s.kind == "fit" and "svm [P+V]" in s.label
    )
    kept = pd.read_parquet(sweep.store.file(digest, OUT_OF_FOLD)).set_index("image")
    fitted = pd.read_parquet(sweep.store.file(digest, PREDICTIONS)).set_index("image")
    fitted = fitted[fitted["role"] == "train"]
    assert set(kept.index) == set(fitted.index)
    # what was fitted knows its own labels better than what was not
    right = kept["label"] == 1
    gap = [each.loc[right.index[right], "p_1"].mean() for each in (fitted, kept)]
    assert gap[0] > gap[1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes.networks": ["P+Q"]}, "no 'Q' in options.panel"),
        ({"axes.networks": ["P+P"]}, "has P twice in a set"),
        ({"axes.classifier": ["svn"]}, "classifier: 'svn' is not known: did you mean 'svm'"),
        ({"axes.ensemble": ["median"]}, "ensemble: 'median' is not known"),
        ({"options.panel.P.network": "plain5"}, "no network is called 'plain5'"),
        ({"options.panel.P.layer": "fc2"}, "network plain4 has no layer fc2; it has avg"),
        ({"options.svm": {"c": -1}}, "options.svm.c"),
        ({"train.head": "gap"}, "leave head, fusion and attention"),
    ],
)
def test_bad_input_says_what_to_type(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, changes)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"svm": {"c": -1}}, ["options.svm.c: input should be greater than 0, not -1"]),
        ({"svm": {"c": [0.1, -1]}}, ["options.svm.c.1: input should be greater than 0, not -1"]),
        (
            {"svm": {"c": [0.1, "x", -2]}},
            [
                "options.svm.c.1: a number is wanted, not 'x'",
                "options.svm.c.2: input should be greater than 0, not -2",
            ],
        ),
        (
            {"svm_rbf": {"gamma": ["root", 1]}},
            [
                "options.svm_rbf.gamma.0: a number is wanted (or 'scale'), not 'root'",
            ],
        ),
        (
            {"rf": {"features": 2, "leaf": [0, 1]}},
            [
                "options.rf.features: input should be less than or equal to 1 (or 'sqrt'), not 2",
                "options.rf.leaf.0: input should be greater than or equal to 1, not 0",
            ],
        ),
    ],
)
def test_a_value_that_may_be_a_number_or_several_has_one_fault(
    tmp_path: Path, block: dict[str, Any], said: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, {f"options.{name}": value for name, value in block.items()})
    assert sorted(each.message for each in caught.value.problems) == sorted(said)
    lines = (tmp_path / "ens.yaml").read_text().splitlines()
    for each in caught.value.problems:
        shown = lines[(each.line or 0) - 1]
        assert each.message.rpartition("not ")[2].strip("'") in shown


FURTHER: dict[str, Any] = {
    "name": "further",
    "options.balance": "flips",
    "options.scale": "columns",
    "options.svm": {"c": [0.01, 1.0]},
    "options.panel.T": {"network": "plain4", "fine_tuned": True, "in_all": "no"},
    "axes": None,
    "arms": [
        {"networks": "P", "classifier": ["svm", "rf", "logistic", "boosting", "svm_rbf"]},
        {"networks": "all", "classifier": ["svm"]},
        {
            "networks": "P+V|R",
            "classifier": "svm+rf",
            "ensemble": ["mean", "weighted", "stacked"],
        },
        {"networks": "chosen", "classifier": ["svm", "chosen"]},
        {"networks": ["T", "P+T"], "classifier": "svm"},
        {"networks": "T", "classifier": "own"},
    ],
    "options.candidates": {"networks": "size 1-2", "classifiers": ["svm", "rf"]},
    "base": None,
    "external": [{"name": "B", "phantom": {"patients": 12, "size": 32, "seed": 9}}],
    "replicates": {"seeds": [0]},
}


@pytest.fixture(scope="module")
def further(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedSweep, SweepResult]:
    folder = tmp_path_factory.mktemp("further")
    result = abl.run(load(folder, FURTHER), executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return load(folder, FURTHER), result


def test_every_classifier_and_ensemble_is_scored_here_and_elsewhere(
    further: tuple[LoadedSweep, SweepResult],
) -> None:
    _, result = further
    outcome = result.outcome
    assert not any(arm.failed for arm in outcome.arms), [arm.failed for arm in outcome.arms]
    (row,) = outcome.facts.external
    assert row["missing"] == {}
    assert set(row["arms"]) == {arm.key for arm in outcome.arms}


def test_the_nested_choice_is_the_best_on_validation(
    further: tuple[LoadedSweep, SweepResult],
) -> None:
    sweep, result = further
    choices = pd.read_parquet(result.folder / "choices.parquet")
    own = {arm.key: arm for arm in result.outcome.arms}
    labels = sweep.workspace.data(sweep.file.sweep.data).dataset.frame.set_index("image")["label"]
    values: dict[tuple[str, int], float] = {}
    for cell in sweep.plan.cells:
        params = sweep.plan.arms[cell.arm].params
        if params["classifier"] == "svm" and params["networks"] in ("P", "V", "R", "P+V", "P+R", "V+R"):  # fmt: skip # noqa: E501
            read = pd.read_parquet(sweep.store.file(cell.uses["original"], PREDICTIONS))
            part = read[read["role"] == "validation"].set_index("image")
            true = labels.loc[part.index].to_numpy() == 1
            ranked = part["p_1"].to_numpy()[true][:, None] - part["p_1"].to_numpy()[~true][None]
            auc = float(((ranked > 0) + 0.5 * (ranked == 0)).mean())
            values[str(params["networks"]), cell.replicate.fold] = auc
    chosen = choices[[own[key].params["classifier"] == "svm" for key in choices["arm"]]]
    assert len(chosen) == 2
    for row in chosen.to_dict("records"):
        best = max(value for (_, fold), value in values.items() if fold == row["fold"])
        assert values[row["networks"], row["fold"]] == pytest.approx(best)
        assert row["validation"] == pytest.approx(best)


def test_optimism_is_that_of_the_candidates(further: tuple[LoadedSweep, SweepResult]) -> None:
    _, result = further
    auc = {
        (arm.params["networks"], arm.params["classifier"]): arm.cells["auc"].mean
        for arm in result.outcome.arms
    }
    notes = [note for note in result.outcome.notes if "optimism" in note]
    # not T, P+T and P+V+R, which are arms and no candidates
    six = max(auc[each, "svm"] for each in ("P", "V", "R", "P+V", "P+R", "V+R"))
    seven = max(six, auc["P", "rf"])
    for note, word, count, best in zip(notes, ("svm", "chosen"), (6, 7), (six, seven), strict=True):
        assert f"the best of {count} on the test sets" in note
        apart = round(100 * (best - auc["chosen", word]), 1)
        if apart > 0:
            assert note.endswith(f"has {100 * best:.1f}: {apart:.1f} of optimism.")
        else:
            assert "−" not in note
            assert "no optimism" in note


def test_gains_are_ratios_to_the_best_network_alone(whole: SweepResult) -> None:
    gains = pd.read_parquet(whole.folder / "gains.parquet")
    auc = {
        (arm.params["networks"], arm.params["classifier"]): arm.cells["auc"].mean
        for arm in whole.outcome.arms
    }
    for row in gains[gains["metric"] == "auc"].to_dict("records"):
        members, classifiers = row["networks"].split("+"), row["classifier"].split("+")
        best = max(auc[name, word] for name in members for word in classifiers)
        value = auc[row["networks"], row["classifier"]]
        assert row["ratio"] == pytest.approx(value / best)
        assert row["difference"] == pytest.approx(value - best)
        assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
        assert row["low"] <= row["difference"] <= row["high"]
    # J of four sets and two classifiers; J-hat of seven sets and the mean
    assert len(gains[gains["metric"] == "auc"]) == 4 * 2 + 7


def test_j_as_published_stands_beside_ours(
    whole: SweepResult, sweep: LoadedSweep, tmp_path: Path
) -> None:
    file = tmp_path / "stated.csv"
    file.write_text(
        "networks,classifier,auc,acc,unit,source\n"
        "P,svm,80,70,per cent,Lee\nV,svm,75,72,per cent,Lee\nP+V,svm,84,69.84,per cent,Lee\n"
        "P+V,rf,85,,per cent,Lee\n"
    )
    found = shown_table(sweep.store, "ens", show="j", published=file)
    rows = {
        (row["networks"], row["classifier"], row["metric"]): row
        for row in (dict(zip(found.raw_columns, raw, strict=True)) for raw in found.raw_rows)
    }
    assert rows["P+V", "svm", "auc"]["published_ratio"] == pytest.approx(84 / 80)
    assert rows["P+V", "svm", "acc"]["published_ratio"] == pytest.approx(69.84 / 72)
    # of a forest the members are not stated
    assert rows["P+V", "rf", "auc"]["published"] == pytest.approx(0.85)
    assert np.isnan(rows["P+V", "rf", "auc"]["published_ratio"])
    assert np.isnan(rows["P+R", "svm", "auc"]["published"])
    at = [column.label for column in found.columns].index("J, published")
    cells = {
        (row[0].text, row[2].text, row[3].text): (row[at].text, row[at].marks) for row in found.rows
    }
    assert cells["[P+V]", "svm", "AUC"] == ("1.050", ())
    assert cells["[P+V]", "svm", "ACC"] == ("0.970", ("*",))
    assert cells["[P+R]", "svm", "AUC"] == ("", ())
    with pytest.raises(InputError, match="--show features has no place for published values"):
        shown_table(sweep.store, "ens", show="features", published=file)


def test_what_the_paper_states_is_of_arms_of_its_sweep() -> None:
    papers = Path(__file__).parents[2] / "sweeps" / "papers"
    study = EnsemblesStudy()
    arms, _ = arms_from(read_sweep(papers / "ensembles_readers.yaml"), study.axes, study.relevant)
    named = [(arm.named["networks"], arm.named["classifier"]) for arm in arms.arms]
    with (papers / "ensembles_readers.csv").open() as file:
        stated = [(row["networks"], row["classifier"]) for row in csv.DictReader(file)]
    assert stated
    assert all(named.count(each) == 1 for each in stated)


def test_flips_balance_and_searched_parameters_are_used(
    further: tuple[LoadedSweep, SweepResult],
) -> None:
    sweep, _ = further
    flipped = [s for s in sweep.plan.stages.values() if s.settings.get("flip")]
    assert {str(stage.settings["flip"]) for stage in flipped} == {"left_right", "up_down"}
    for digest, stage in sweep.plan.stages.items():
        if stage.kind == "fit" and stage.settings["classifier"] == "svm":
            facts = sweep.store.done(digest).facts
            if "fitted" in facts:  # not of an external set
                tried = stage.settings["parameters"]["c"]
                at = int(np.argmax(facts["searched"]))
                assert facts["fitted"]["c"] == tried[at]


def test_features_of_a_fine_tuned_network_are_of_its_training(
    further: tuple[LoadedSweep, SweepResult],
) -> None:
    sweep, _ = further
    tuned = [s for s in sweep.plan.stages.values() if s.kind == "embed" and "network" in s.inputs]
    assert {sweep.plan.stages[stage.inputs["network"]].kind for stage in tuned} == {"train"}
    own = next(n for n, arm in enumerate(sweep.plan.arms) if arm.params["classifier"] == "own")
    uses = {cell.uses["original"] for cell in sweep.plan.cells if cell.arm == own}
    assert uses == {stage.inputs["network"] for stage in tuned}


def test_fits_are_in_mlflow_with_what_was_chosen_for_them(tmp_path: Path) -> None:
    changes = {
        "options.svm": {"c": [0.01, 1.0]},
        "axes": None,
        "arms": [{"networks": ["P", "P+V"], "classifier": ["svm", "rf", "svm+rf"]}],
        "base": None,
        "replicates": {"seeds": [0]},
    }
    result = abl.run(load(tmp_path, changes), executor="local", record=True)
    assert result.messages == []
    sweep = load(tmp_path, changes)
    runs = MlflowRecord(tmp_path / "mlruns").recorded_runs(list(sweep.plan.stages))
    assert runs.keys() == sweep.plan.stages.keys()
    for digest, stage in sweep.plan.stages.items():
        if stage.kind == "fit":
            fitted = sweep.store.done(digest).facts["fitted"]
            params = runs[digest].data.params
            assert {f"fitted.{name}": str(value) for name, value in fitted.items()}.items() <= (
                params.items()
            )
            assert runs[digest].data.metrics["images"] > 0
            took = runs[digest].info.end_time - runs[digest].info.start_time
            assert took == pytest.approx(1000 * runs[digest].data.metrics["seconds"], abs=1)


@pytest.mark.cluster
@pytest.mark.usefixtures("two_cpu_ray")
def test_workers_give_the_same_bits_as_one_process(whole: SweepResult, tmp_path: Path) -> None:
    other = abl.run(load(tmp_path), executor="tune", record=False)
    assert other.report.failed == {}
    for name in ("predictions.parquet", "gains.parquet"):
        one, two = (pd.read_parquet(each.folder / name) for each in (whole, other))
        pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_a_search_block_works_on_parameters_of_classifiers(tmp_path: Path) -> None:
    changes = {
        "axes": None,
        "arms": [{"networks": ["P", "P+V"], "classifier": "svm"}],
        "options.svm": {"c": 1.0},
        "base": None,
        "replicates": {"seeds": [0]},
        "search": {
            "space": {"options.svm.c": {"from": 0.001, "to": 100, "log": True}},
            "trials": 2,
            "generation": 2,
            "prune": None,
        },
    }
    result = abl.run(load(tmp_path, changes), executor="local", record=False)
    assert result.report.failed == {}
    tuned = [arm for arm in result.outcome.arms if arm.params["settings"] == "tuned"]
    assert [arm.params["networks"] for arm in tuned] == ["P", "P+V"]
    assert not any(arm.failed for arm in result.outcome.arms)
    searched = {row["arm"]: row for row in result.outcome.facts.searches}
    for arm in tuned:
        (chosen,) = searched[arm.key]["chosen"]
        assert 0.001 <= chosen["values"]["options.svm.c"] <= 100
