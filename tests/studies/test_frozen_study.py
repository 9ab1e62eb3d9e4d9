"""The frozen study: boundaries as arms, and features that are kept without changing a result."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from transfer_sweeps import FROZEN, load, run

from abl.errors import InputError, StageError
from abl.plan.graph import Plan
from abl.stages.kind import KINDS


@pytest.fixture
def always_worth_it(monkeypatch):
    """As if computing were so slow that all features are kept."""
    monkeypatch.setattr("abl.plan.kept_features.CPU_FLOPS", 1.0)


def of_kind(plan: Plan, kind: str) -> list:
    return [stage for stage in plan.stages.values() if stage.kind == kind]


def predictions(result) -> pd.DataFrame:
    return pd.read_parquet(result.folder / "predictions.parquet")


def test_results_with_kept_features_are_those_without_to_the_bit(tmp_path, always_worth_it):
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    kept = load(tmp_path / "with", FROZEN)
    computed = load(tmp_path / "without", FROZEN, resources={"features_gb": 0})
    assert len(of_kind(kept.plan, "features")) == 2
    assert of_kind(computed.plan, "features") == []
    assert {s.digest for s in of_kind(kept.plan, "train")} == {
        s.digest for s in of_kind(computed.plan, "train")
    }
    one, other = run(kept), run(computed)
    pd.testing.assert_frame_equal(predictions(one), predictions(other), check_exact=True)
    facts = {
        stage.label: kept.store.done(stage.digest).facts for stage in of_kind(kept.plan, "train")
    }
    assert {label: f["kept_features"] for label, f in facts.items()} == {
        label: "frozen" in label for label in facts
    }


def test_features_are_computed_once_for_all_folds_and_seeds(tmp_path, always_worth_it):
    plan = load(tmp_path, FROZEN, replicates={"seeds": [0, 1, 2]}).plan
    assert len(of_kind(plan, "features")) == 2  # n = 2 and n = 4
    readers = [stage for stage in of_kind(plan, "train") if stage.shortcuts]
    assert len(readers) == 2 * 2 * 3
    random = load(tmp_path, FROZEN, replicates={"seeds": [0, 1]}, train={"weights": "none"}).plan
    assert len(of_kind(random, "features")) == 2 * 2  # random weights are those of the seed


def test_the_plan_says_what_is_kept_and_why_not(tmp_path, always_worth_it, monkeypatch):
    notes = " ".join(load(tmp_path, FROZEN).plan.notes)
    assert "features of plain4 up to 2" in notes
    assert "kept, computed once" in notes
    small = load(tmp_path, FROZEN, resources={"features_gb": 1e-6}).plan
    assert of_kind(small, "features") == []
    assert "over resources.features_gb" in " ".join(small.notes)
    monkeypatch.setattr("abl.plan.kept_features.CPU_FLOPS", 1e18)
    fast = load(tmp_path, FROZEN).plan
    assert of_kind(fast, "features") == []
    assert "takes no longer" in " ".join(fast.notes)
    anew = load(tmp_path, FROZEN, train={"augment": {"views": 0}}).plan
    assert of_kind(anew, "features") == []


def test_a_finished_sweep_does_not_miss_its_features(tmp_path, always_worth_it):
    sweep = load(tmp_path, FROZEN)
    run(sweep)
    for stage in of_kind(sweep.plan, "features"):
        shutil.rmtree(sweep.store.folder(stage.digest))
    again = run(load(tmp_path, FROZEN))
    assert again.report.ran == []


def test_without_its_features_a_training_computes_them(tmp_path, always_worth_it, monkeypatch):
    def full_disk(work):
        raise StageError("no room on the disk")

    monkeypatch.setitem(KINDS, "features", full_disk)
    import abl

    sweep = load(tmp_path, FROZEN)
    result = abl.run(sweep, executor="local", record=False)
    assert {sweep.plan.stages[digest].kind for digest in result.report.failed} == {"features"}
    assert result.report.blocked == {}
    assert all(not arm.failed for arm in result.outcome.arms)


def test_a_stage_and_its_number_of_convolutions_are_one_network(tmp_path):
    plan = load(tmp_path, FROZEN, axes={"frozen": [2, "stage 2"]}, base=None).plan
    assert len(plan.arms) == 2
    assert len({cell.uses["original"] for cell in plan.cells}) == 2  # the two folds


def test_a_count_that_the_network_does_not_have_is_told_with_its_line(tmp_path):
    with pytest.raises(InputError, match="0 to 4 convolutions, or 'stage 1' to 'stage 4'") as found:
        _ = load(tmp_path, FROZEN, axes={"frozen": [0, 5]}).plan
    assert found.value.problems[0].line is not None
    with pytest.raises(InputError, match="out of range"):
        _ = load(tmp_path, FROZEN, axes={"frozen": ["stage 9", 0]}).plan


def test_random_weights_are_a_control_at_every_count(tmp_path):
    axes = {"weights": ["pretrained", "random"], "frozen": [0, 4]}
    sweep = load(tmp_path, FROZEN, axes=axes, base={"weights": "random"})
    result = run(sweep)
    compared = [arm for arm in result.outcome.arms if arm.comparison is not None]
    assert [dict(arm.params) for arm in compared] == [
        {"weights": "pretrained", "frozen": 0},
        {"weights": "pretrained", "frozen": 4},
    ]
    random = [s for s in of_kind(sweep.plan, "train") if "weights" not in s.inputs]
    assert len(random) == 1 + 2 * 2  # the pretraining itself, and two counts on two folds


def test_what_cannot_matter_trains_nothing_anew(tmp_path):
    def trained(**train):
        axes = {"frozen": [0, 4]}
        return {
            stage.digest
            for stage in of_kind(load(tmp_path, FROZEN, axes=axes, train=train).plan, "train")
            if "frozen" not in stage.label
        }

    assert trained() == trained(frozen_precision="fp16") == trained(spp_levels=[2])


def test_pretrained_weights_that_there_are_not_are_refused(tmp_path):
    axes = {"weights": ["pretrained", "random"], "frozen": [0, 4]}
    with pytest.raises(InputError, match=r"needs train\.weights"):
        _ = load(tmp_path, FROZEN, axes=axes, train={"weights": "none"}).plan


def test_a_list_is_a_value_of_an_axis_like_any_other(tmp_path):
    axes = {"train.spp_levels": [[1], [2, 1]]}
    sweep = load(tmp_path, FROZEN, axes=axes, base=None, train={"head": "spp"})
    result = run(sweep)
    shown = [arm.params["train.spp_levels"] for arm in result.outcome.arms]
    assert shown == ["1", "2, 1"]
    assert (result.folder / "report.html").is_file()


def test_a_count_in_the_train_block_is_told_at_its_line(tmp_path):
    train = {"frozen": 99}
    with pytest.raises(InputError) as found:
        _ = load(tmp_path, FROZEN, axes={"weights": ["pretrained", "random"]}, train=train).plan
    text = (tmp_path / "frozen.yaml").read_text().splitlines()
    assert "frozen: 99" in text[(found.value.problems[0].line or 0) - 1]


def test_smoke_shrinks_the_pretraining_too(tmp_path):
    import abl

    weights = {"pretrain": {"task": "source", "patients": 500, "size": 32}, "epochs": 9}
    load(tmp_path, FROZEN, train={"weights": weights})
    smoked = abl.load(tmp_path / "frozen.yaml", root=tmp_path / "mlruns", smoke=True)
    small = smoked.file.sweep.train.weights
    assert small.epochs <= 2
    assert small.pretrain.patients <= 60


@pytest.mark.parametrize(("head", "kept"), [("fc", 2), ("gap", 1)])
def test_a_head_that_begins_at_the_last_map_takes_no_flattened_features(
    tmp_path, always_worth_it, head, kept
):
    """All convolutions frozen, the plain network's front ends behind its flattened map."""
    axes = {"weights": ["random"], "frozen": [2, 8]}
    sweep = load(
        tmp_path, FROZEN, axes=axes, train={"head": head, "network": "tiny_vgg"}, base=None
    )
    assert len(of_kind(sweep.plan, "features")) == kept
    result = run(sweep)
    assert not result.report.failed
    assert not any(arm.failed for arm in result.outcome.arms)


def test_what_convolutions_answer_to_is_a_figure_and_moves_no_training(tmp_path):
    plain = load(tmp_path, FROZEN).plan
    loaded = load(tmp_path, FROZEN, options={"feature_maps": True})
    (stage,) = of_kind(loaded.plan, "feature_maps")
    first = loaded.plan.cells[0].uses["original"]
    assert loaded.plan.beside["feature_maps"] == {first: stage.digest}
    assert {s.digest for s in of_kind(loaded.plan, "train")} == {
        s.digest for s in of_kind(plain, "train")
    }
    result = run(loaded)
    assert result.report.failed == {}, result.report.traces
    assert (result.folder / "feature_maps.png").is_file()
    frame = pd.read_parquet(result.folder / "feature_maps.parquet")
    assert frame["convolutions"].unique().tolist() == [4]
    assert sorted(frame["layer"].unique()) == [0, 1, 2, 3, 4]
    test = predictions(result)
    assert set(frame["image"]) <= set(test[test["role"] == "test"]["unit"].astype(str))
    assert frame["pixels"].map(len).eq(frame["side"] ** 2).all()
    # without it nothing is drawn
    assert "feature_maps" not in plain.beside
