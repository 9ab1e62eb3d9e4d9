"""The fusion study: one modality or two, where they meet, and the controls."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from transfer_sweeps import FUSION, load, run, write_pairs

from abl.errors import InputError
from abl.report.figures.arms import best_of
from abl.report.prediction_frames import arm_tests, scored_replicates
from abl.report.tables import printed, table_of
from abl.studies.shared.contrasts import Contender, marks

MINE = """
from torch import nn
from abl.nets.fusion import fusion


class Mean(nn.Module):
    def forward(self, first, second):
        return (first + second) / 2


@fusion("mean_of_both")
def mean_of_both(width):
    \"\"\"The mean of both modalities' features.\"\"\"
    return Mean()
"""


def test_both_modalities_features_serve_every_mode(tmp_path, monkeypatch):
    monkeypatch.setattr("abl.plan.kept_features.CPU_FLOPS", 1.0)
    axes = {"mode": ["bmode", "elasticity", "mixed", "late", "late_shared", "gated"]}
    plan = load(tmp_path, FUSION, axes=axes).plan
    kept = [stage for stage in plan.stages.values() if stage.kind == "features"]
    assert len(kept) == 2
    read = [len(s.shortcuts) for s in plan.stages.values() if "frozen 2" in s.label]
    assert sorted(read) == [1, 1, 2, 2, 2, 2]


def test_early_fusion_learns_in_front_of_the_frozen_layers(tmp_path, monkeypatch):
    monkeypatch.setattr("abl.plan.kept_features.CPU_FLOPS", 1.0)
    axes = {"mode": ["bmode", "early"]}
    sweep = load(tmp_path, FUSION, axes=axes)
    result = run(sweep)
    early = next(s for s in sweep.plan.stages.values() if "early" in s.label)
    facts = sweep.store.done(early.digest).facts
    assert facts["kept_features"] is False
    assert 0 < facts["trained_parameters"] < facts["parameters"]
    assert not any(arm.failed for arm in result.outcome.arms)


def test_every_mode_and_control_has_a_result_of_its_own(tmp_path):
    arms = [{}, {"mode": "late", "second": ["first", "shuffled"]}]
    result = run(load(tmp_path, FUSION, arms=arms))
    frame = pd.read_parquet(result.folder / "predictions.parquet")
    test = frame[frame["role"] == "test"]
    told = {arm.key: arm.params for arm in result.outcome.arms}
    assert len(told) == 7
    by_arm = {key: part["p_1"].to_numpy() for key, part in test.groupby("arm", observed=True)}
    assert len({tuple(np.round(p, 9)) for p in by_arm.values()}) == 7
    images = {key: len(p) for key, p in by_arm.items()}
    mixed = next(key for key, params in told.items() if params["mode"] == "mixed")
    pairs = {count for key, count in images.items() if key != mixed}
    assert pairs == {images[mixed] // 2}  # an image of either modality is one sample
    assert result.outcome.facts.study["modalities"] == ["bmode", "elasticity"]
    shuffled = [key for key, params in told.items() if params.get("second") == "shuffled"]
    assert list(result.outcome.facts.controls) == shuffled


def test_an_arm_whose_partners_were_drawn_by_test_labels_is_never_the_best(tmp_path):
    arms = [{"mode": ["bmode", "elasticity"]}, {"mode": "late", "second": "shuffled"}]
    sweep = load(tmp_path, FUSION, arms=arms, base={"mode": "bmode"})
    result = run(sweep)
    analysis = sweep.study.analyse(sweep.file, sweep.plan, sweep.workspace)
    control = result.outcome.arms[2]
    # the same table, had the control separated the classes without a fault
    frame = analysis.predictions
    mine = (frame["arm"] == control.key).to_numpy()
    frame.loc[mine, "p_1"] = np.where(frame["label"][mine] == 1, 0.99, 0.01)
    frame["p_0"] = 1 - frame["p_1"]
    scored = {arm.key: scored_replicates(arm_tests(frame, arm.key)) for arm in result.outcome.arms}
    why = result.outcome.facts.controls
    assert list(why) == [control.key]
    assert control.comparison.verdict == "no verdict: a control"
    arms = [Contender(key, scores, "same") for key, scores in scored.items()]
    assert marks(sweep.file.sweep, arms)[0] == 2
    best, tied = marks(sweep.file.sweep, arms, {2})
    assert best in (0, 1)
    assert 2 not in tied
    text = printed(table_of(result.outcome), "text", width=200)
    row = next(line for line in text.splitlines() if line.startswith("late · shuffled"))
    assert row.startswith("late · shuffled (control)")
    assert "drawn by the test labels" in " ".join(text.split())
    assert best_of(result.outcome, result.outcome.arms[2:]) is None
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "Controls, which are never the best arm: late · shuffled" in page


def test_shuffled_partners_are_those_of_the_replicate(tmp_path):
    arms = [{"mode": "bmode"}, {"mode": "late", "second": "shuffled"}]
    plan = load(tmp_path, FUSION, arms=arms, replicates={"seeds": [0, 1]}).plan
    shuffled = [s for s in plan.stages.values() if s.settings.get("pairing") == "shuffled"]
    assert {stage.seed for stage in shuffled} == {0, 1}


def test_rows_without_a_second_modality_are_refused_or_dropped_and_counted(tmp_path):
    write_pairs(tmp_path / "pairs", missing=(3,))
    data = {"manifest": "pairs/manifest.csv", "phantom": None, "duplicates": "ignore"}
    changes = {"train": {"weights": "none", "frozen": 0}, "axes": {"mode": ["bmode", "late"]}}
    with pytest.raises(InputError, match=r"drop_missing: \[image2\]"):
        _ = load(tmp_path, FUSION, data=data, **changes).plan
    whole = load(tmp_path, FUSION, data=data | {"drop_missing": ["image2"]}, **changes)
    result = run(whole)
    told = [note for note in result.outcome.notes if "image2" in note]
    assert len(told) == 1
    assert "1 image of" in told[0]


def test_a_pyramid_sees_images_of_their_own_shape(tmp_path):
    write_pairs(tmp_path / "pairs", size=(32, 48))
    data = {"manifest": "pairs/manifest.csv", "phantom": None, "duplicates": "ignore"}
    sweep = load(
        tmp_path,
        FUSION,
        data=data,
        image={"size": 48},
        train={"weights": "none", "frozen": 1},
        axes={"mode": ["bmode", "late"], "head": ["gap", "spp"]},
        options={"own_shape": True},
    )
    result = run(sweep)
    assert not any(arm.failed for arm in result.outcome.arms)
    own = [s for s in sweep.plan.stages.values() if s.settings["image"].get("fit") == "own"]
    assert {"spp" in stage.label for stage in own} == {True}
    assert len(own) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes": {"mode": ["bmode", "latte"]}}, "did you mean 'late'"),
        (
            {"arms": [{"mode": "late", "second": "other"}, {"mode": "bmode"}]},
            "valid: first, own, shuffled",
        ),
        ({"axes": {"mode": ["bmode", "late"], "head": ["gapp"]}}, "did you mean 'gap'"),
        ({"options": {"modalities": ["late", "elasticity"]}}, "no fusion modes"),
        (
            {"data": {"modality": "both"}, "train": {"fusion": "late"}},
            "what the axis mode decides",
        ),
        ({"train": {"network": "vit_b_16", "weights": "none"}}, "convolutional network"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_runs(tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        _ = load(tmp_path, FUSION, **changes).plan


def test_a_fusion_mode_of_ones_own(tmp_path):
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    axes = {"mode": ["bmode", "mean_of_both"]}
    result = run(load(tmp_path, FUSION, module="mine.py", axes=axes))
    assert [arm.failed for arm in result.outcome.arms] == ["", ""]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train": {"fusion": "late"}}, "needs pairs of images"),
        ({"data": {"modality": "both"}}, "needs train.fusion"),
    ],
)
def test_pairs_and_fusion_go_together_in_every_study(tmp_path, changes, said):
    for study, axes in (("frozen", {"frozen": [0, 1]}), ("two_step", {"rule": ["original"]})):
        base = {**FUSION, "study": study, "axes": axes, "base": None}
        with pytest.raises(InputError, match=said):
            _ = load(tmp_path, base, **changes).plan


def test_other_studies_see_the_second_modality_and_freeze_layers(tmp_path):
    base = {**FUSION, "study": "two_step", "axes": {"rule": ["original", "average"]}}
    changes = {"second": ["retrained"]}
    sweep = load(
        tmp_path,
        base,
        data={"modality": "second"},
        axes=base["axes"] | changes,
        base={"rule": "original"},
    )
    result = run(sweep)
    assert [arm.failed for arm in result.outcome.arms] == ["", ""]
    assert all("frozen 2" in s.label for s in sweep.plan.stages.values() if s.shortcuts)


def test_names_of_other_modalities(tmp_path):
    options = {"modalities": ["white", "narrow_band"]}
    axes = {"mode": ["white", "narrow_band", "late"]}
    plan = load(tmp_path, FUSION, options=options, axes=axes, base={"mode": "white"}).plan
    assert [arm.params["mode"] for arm in plan.arms] == axes["mode"]


def test_a_modality_that_is_missing_changes_the_predictions_and_trains_nothing(tmp_path):
    axes = {"mode": ["bmode", "late"], "at_test": ["both", "without_first", "without_second"]}
    external = [{"name": "E", "phantom": {"patients": 8, "size": 32, "seed": 9}}]
    sweep = load(tmp_path, FUSION, axes=axes, external=external)
    assert [dict(arm.named) for arm in sweep.plan.arms] == [
        {"mode": "bmode"},
        *({"mode": "late", "at_test": each} for each in axes["at_test"]),
    ]
    kinds = Counter(stage.kind for stage in sweep.plan.stages.values())
    # one is pretrained; bmode and late are trained once
    assert (kinds["train"], kinds["lacking"], kinds["predict"]) == (3, 2, 4)
    result = run(sweep)
    assert not any(arm.failed for arm in result.outcome.arms)
    by_arm = {cell.arm: cell.uses["original"] for cell in sweep.plan.cells}

    def read(digest):
        frame = pd.read_parquet(sweep.store.folder(digest) / "predictions.parquet")
        return frame.set_index(["role", "image"]).sort_index()["p_1"]

    whole, *lacking = (read(by_arm[at]) for at in (1, 2, 3))
    assert all(each.index.equals(whole.index) for each in lacking)
    assert len({tuple(np.round(each, 9)) for each in (whole, *lacking)}) == 3
    [row] = result.outcome.facts.external
    assert len({each["auc"]["mean"] for each in row["arms"].values()}) == 4
    assert row["missing"] == {}


def test_an_unknown_missing_modality_is_answered(tmp_path):
    with pytest.raises(InputError, match="at_test: 'without_secnd' is not known: did you mean"):
        load(tmp_path, FUSION, axes={"mode": ["late"], "at_test": ["without_secnd"]})


def test_a_learning_curve_is_an_axis_of_nested_parts(tmp_path):
    axes = {"mode": ["bmode"], "train.share": [0.25, 0.5, 1]}
    sweep = load(tmp_path, FUSION, axes=axes, base={"train.share": 1})
    result = run(sweep)
    assert not any(arm.failed for arm in result.outcome.arms)
    images = [sweep.store.done(cell.uses["original"]).facts["images"] for cell in sweep.plan.cells]
    patients = [set(split_trained(sweep, cell.uses["original"])) for cell in sweep.plan.cells]
    assert images == sorted(images)
    assert patients[0] < patients[1] < patients[2]
    assert abs(len(patients[1]) / len(patients[2]) - 0.5) < 0.1
    # a share of 1 is the training of any other sweep
    heads = {"mode": ["bmode"], "head": ["fc", "gap"]}
    plain = load(tmp_path, FUSION, axes=heads, base={"head": "fc"}).plan
    whole = {stage.label: digest for digest, stage in plain.stages.items()}
    assert sweep.plan.cells[-1].uses["original"] in whole.values()


def split_trained(sweep, digest):
    """Patients of a training's images."""
    frame = pd.read_parquet(sweep.store.folder(digest) / "predictions.parquet")
    names = frame.loc[frame["role"] == "train", "image"].astype(str)
    return names.str.extract(r"(p\d+)", expand=False).tolist()
