"""The mask_guided study: one segmentation branch for all arms, and masks that are what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from transfer_sweeps import load, run, write_pairs

from abl.app.watching import numbers_of
from abl.errors import InputError
from abl.plan.graph import Plan
from abl.report.plan_text import plan_text
from abl.report.tables import printed, styled_table

GUIDED = yaml.safe_load("""
name: guided
study: mask_guided
data: {phantom: {patients: 24, size: 32, seed: 5}}
image: {size: 32, channels: 1, normalize: half}
splits: {kind: kfold, folds: 2, validation: 0.25}
train:
  network: plain4
  epochs: 2
  last_k: 1
  batch_size: 16
  attention: {segmentation: {encoder: test_resnet, depth: 3, width: 4, epochs: 2, lr: 3e-3}}
options: {activation: no}
metrics: [auc, acc]
primary: auc
resamples: 400
arms:
  - {variant: none}
  - {variant: [spatial, parallel], mask: predicted}
  - {variant: parallel, mask: [true, full]}
  - {variant: se}
base: {variant: none}
""")


def having(changes: dict, given: dict = GUIDED) -> dict:
    """The sweep with some values changed, however deep they lie."""
    return given | {
        name: having(value, given[name])
        if isinstance(value, dict) and isinstance(given.get(name), dict)
        else value
        for name, value in changes.items()
    }


def planned(folder: Path, **changes: Any) -> Plan:
    return load(folder, having(changes)).plan


def of_kind(plan: Plan, kind: str) -> dict[str, str]:
    """Label -> digest."""
    return {stage.label: digest for digest, stage in plan.stages.items() if stage.kind == kind}


def digests(plan: Plan, kind: str) -> set[str]:
    return set(of_kind(plan, kind).values())


def arms(*blocks: dict) -> dict:
    return {"arms": list(blocks), "base": None}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    sweep = load(tmp_path_factory.mktemp("guided"), GUIDED)
    return sweep, run(sweep)


def test_every_arm_has_a_result_and_the_branch_is_scored_on_true_masks(finished):
    sweep, result = finished
    assert [arm.failed for arm in result.outcome.arms] == [""] * 6
    for label, digest in of_kind(sweep.plan, "train").items():
        done = sweep.store.done(digest)
        assert ("masks.parquet" in done.files) == ("predicted" in label)
    for digest in [*digests(sweep.plan, "segment"), of_kind(sweep.plan, "train")[
        "train plain4 parallel all predicted r0 f0 s0"]]:  # fmt: skip
        scores = pd.read_parquet(sweep.store.file(digest, "masks.parquet"))
        assert set(scores["role"]) == {"train", "validation", "test"}
        assert scores["image"].is_unique
        assert len(scores) == len(sweep.workspace.opened()[0].dataset)
        assert scores[["dice", "iou", "area"]].ge(0).all().all()
        assert scores[["dice", "iou", "area"]].le(1).all().all()


def test_arms_differ_by_what_guides_them(finished):
    _, result = finished
    predictions = pd.read_parquet(result.folder / "predictions.parquet")
    columns = {
        arm: rows.sort_values(["fold", "role", "unit"])["p_1"].tolist()
        for arm, rows in predictions.groupby("arm")
    }
    assert len({tuple(values) for values in columns.values()}) == 6


def test_again_nothing_is_trained(finished):
    sweep, _ = finished
    again = run(load(sweep.file.folder, GUIDED))
    assert again.report.ran == []


def test_one_branch_a_replicate_serves_every_arm_and_backbone(tmp_path):
    plan = planned(tmp_path, axes={"network": ["plain4", "tiny_resnet"]})
    assert len(digests(plan, "segment")) == 2
    readers = [stage for stage in plan.stages.values() if "segmenter" in stage.inputs]
    assert len(readers) == 2 * 2 * 2
    same = planned(tmp_path, train={"attention": {"alpha": 2.0}, "epochs": 3})
    assert digests(same, "segment") == digests(plan, "segment")


@pytest.mark.parametrize(
    "changes",
    [
        {"train": {"attention": {"segmentation": {"loss": "dice"}}}},
        {"train": {"attention": {"segmentation": {"targets": "ellipse"}}}},
        {"train": {"attention": {"jitter": 0.2}}},
        {"train": {"batch_size": 8}},
        {"replicates": {"seeds": [1]}},
        {"data": {"phantom": {"seed": 6}}},
    ],
)
def test_another_branch_is_another_stage(tmp_path, changes):
    before, after = planned(tmp_path), planned(tmp_path, **changes)
    assert not digests(before, "segment") & digests(after, "segment")


def test_a_branch_reads_no_label(tmp_path):
    before = planned(tmp_path)
    flipped = planned(tmp_path, data={"phantom": {"flip": 0.3}})
    assert digests(before, "segment") == digests(flipped, "segment")
    assert not digests(before, "train") & digests(flipped, "train")


def test_what_an_arm_does_not_have_changes_nothing_of_it(tmp_path):
    before = of_kind(planned(tmp_path), "train")
    other = {"attention": {"alpha": 2.0, "detach": True, "segmentation": {"epochs": 3}}}
    after = of_kind(planned(tmp_path, train=other), "train")
    for label, digest in before.items():
        assert (after[label] == digest) == ("predicted" not in label), label


def test_the_base_is_the_plain_network_of_any_study(tmp_path):
    plan = planned(tmp_path)
    base = {d for label, d in of_kind(plan, "train").items() if label.startswith("train plain4 r0")}
    assert len(base) == 2
    left = {"options", "arms", "base", "train"}
    train = {n: v for n, v in GUIDED["train"].items() if n != "attention"}
    frozen = {n: v for n, v in GUIDED.items() if n not in left} | {
        "study": "frozen",
        "train": train,
        "axes": {"frozen": [0, 2]},
        "base": {"frozen": 0},
    }
    assert base < digests(load(tmp_path, frozen).plan, "train")


def test_placements_of_one_meaning_are_one_training(tmp_path):
    plan = planned(
        tmp_path, **arms({"variant": "se", "placement": ["each_without", "L1+L2+L3", "L0"]})
    )
    names = [str(arm.params["placement"]) for arm in plan.arms]
    assert names == ["-L0", "-L1", "-L2", "-L3", "L1+L2+L3", "L0"]
    assert len(digests(plan, "train")) == 2 * 5


def test_all_subsets_when_asked(tmp_path):
    plan = planned(tmp_path, **arms({"variant": "se", "placement": "subsets"}))
    assert len(plan.arms) == 2**4 - 1
    assert len(digests(plan, "train")) == 2 * 15


def test_everything_wrong_with_an_arm_is_told_at_once_where_it_stands(tmp_path):
    wrong = arms({"variant": "paralel", "placement": "L9", "mask": "tru"})
    wrong["train"] = {"attention": {"segmentation": {"encoder": "resnet999"}}}
    with pytest.raises(InputError) as raised:
        planned(tmp_path, **wrong)
    lines = (tmp_path / "guided.yaml").read_text().splitlines()
    said = {lines[problem.line - 1].strip(): problem.message for problem in raised.value.problems}
    assert set(said) == {"- variant: paralel", "placement: L9", "mask: tru", "encoder: resnet999"}
    assert "did you mean 'true'" in said["mask: tru"]


def test_arms_of_one_network_are_told(tmp_path):
    plan = planned(tmp_path, **arms({"variant": "se", "placement": ["-L0", "L1+L2+L3", "L0"]}))
    assert "se · -L0 and se · L1+L2+L3 are one network" in " ".join(plan.notes)
    # other orders of the same points are the same value
    assert len(planned(tmp_path, **arms({"variant": "se", "placement": ["L1+L0", "L0"]})).arms) == 2


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"variant": "none", "mask": "full"}, "mask does not matter to variant none: what line"),
        (
            {"variant": ["se", "cbam"], "mask": ["predicted", True]},
            "mask does not matter to variant se and cbam",
        ),
        (
            {"variant": "none", "placement": "all", "train.attention.reduction": 4},
            "placement and train.attention.reduction do not matter to variant none: what lines",
        ),
        (
            {"variant": "parallel", "mask": "full", "train.attention.alpha": 2.0},
            "train.attention.alpha does not matter to an arm without a predicted mask",
        ),
    ],
)
def test_values_that_no_arm_of_a_block_uses_are_told_with_their_line(tmp_path, block, words):
    sweep = load(tmp_path, having(arms({"variant": "spatial", "mask": "full"}, block)))
    (note,) = [note for note in sweep.plan.notes if "not matter" in note]
    assert note.startswith(words)
    number = int(re.search(r"lines? (\d+)", note)[1])
    line = (tmp_path / "guided.yaml").read_text().splitlines()[number - 1].strip(" -")
    assert line.split(":")[0] in block
    assert f"note         {words}" in plan_text("", numbers_of(sweep), [])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        arms({"variant": ["none", "parallel"], "mask": ["predicted", "full"], "placement": "L0"}),
        arms({"variant": ["se", "parallel"], "mask": "true"}),
        {"arms": [], "base": None, "axes": {"variant": ["none", "se"], "placement": ["all", "L0"]}},
    ],
)
def test_a_product_with_arms_that_use_the_values_says_nothing(tmp_path, changes):
    assert not [note for note in planned(tmp_path, **changes).notes if "not matter" in note]


def test_what_changed_nothing_stands_under_the_table(tmp_path):
    idle = having(arms({"variant": "none", "mask": "full"}, {"variant": "se"}))
    result = run(load(tmp_path, idle, replicates={"seeds": [0]}))
    shown = printed(styled_table(result.outcome), "text")
    assert "mask does not matter to variant none" in " ".join(shown.split())


def test_an_external_set_without_masks_is_not_scored_by_arms_that_need_them(tmp_path):
    write_pairs(tmp_path, patients=6, size=(32, 32))
    given = having({"external": [{"name": "plain", "manifest": "manifest.csv"}]})
    sweep = load(tmp_path, given, replicates={"seeds": [0]})
    known = sweep.plan.beside["external plain"]
    scored = {sweep.plan.stages[digest].label for digest in known}
    assert not any(" true " in label for label in scored)
    assert any("predicted" in label for label in scored)
    assert any(" full " in label for label in scored)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (arms({"variant": "spacial"}), "variant: 'spacial' is not known: did you mean 'spatial'"),
        (
            arms({"variant": "se", "placement": "L7"}),
            "placement: 'L7' is not known: valid: all, blocks, L0",
        ),
        (arms({"variant": "parallel", "mask": "elipse"}), "elipse"),
        (arms({"variant": "parallel", "network": "vit_b_16"}), "no feature maps|image_size"),
        ({"image": {"size": 36}}, "image.size: 36 is no multiple of 8"),
        ({"data": {"modality": "second"}}, "modality: second has no attention modules: use first"),
        ({"train": {"head": "gap"}}, "head: fc"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(tmp_path, changes, line):
    with pytest.raises(InputError, match=line) as raised:
        _ = planned(tmp_path, **changes)
    assert all(problem.line for problem in raised.value.problems)
