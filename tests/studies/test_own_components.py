"""A user's own file: what may come from it, and what an edit of it trains anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import abl
from abl.errors import InputError
from abl.nets.registry import HEADS, NETWORKS
from abl.nets.user_module import load_module, unload_module
from abl.plan.graph import Plan
from abl.search.samplers import settings_in_digest
from commands import abl as abl_command
from commands import abl as command
from tiny_sweeps import write_sweep

HELPER = '''
"""Widths."""
FACTOR = 2


def widened(width):
    """Wider."""
    return FACTOR * width


def of_nobody():
    return 1
'''
MINE = '''
"""Parts of mine."""
import math

import numpy as np
from torch import nn

from abl.decide.metric_registry import metric
from abl.decide.rules import rule
from abl.nets.registry import network
from beside import widened

HIDDEN = 4


def layers(inputs, classes):
    """Two layers."""
    wide = widened(HIDDEN)  # of the first
    return [nn.Linear(inputs, wide), nn.ReLU(), nn.Linear(wide, classes)]


@network("of_mine")
def of_mine(classes, channels, image_size):
    """Means of four parts, then two layers."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), *layers(4 * channels, classes))


@network("other")
def other(classes, channels, image_size):
    return nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(9 * channels, classes))


@rule("cautious", uses=("original", "true"))
def cautious(original, true):
    """Whichever is more afraid."""
    return np.where(original[:, 1:] > true[:, 1:], original, true)


@metric("right", label="Right")
def right(labels, p, weights=None):
    """Share of right answers."""
    return float(np.average(p.argmax(1) == labels, weights=weights))
'''
CHANGES = {
    "module": "mine.py",
    "train.network": "of_mine",
    "options.panel": ["of_mine", "other"],
    "axes": {"consensus": [1], "rule": ["original", "cautious"]},
    "metrics": ["acc", "right"],
    "primary": "right",
}


@pytest.fixture(autouse=True)
def names_of_the_package_alone():
    yield
    unload_module()


@pytest.fixture
def planned(tiny_folder: Path):
    """A plan with the files as they are, or with words in them changed."""

    def plan_of(changes: dict[str, Any] | None = None, mine: str = MINE, beside: str = HELPER):
        (tiny_folder / "mine.py").write_text(mine)
        (tiny_folder / "beside.py").write_text(beside)
        path = write_sweep(tiny_folder, CHANGES | (changes or {}))
        return abl.load(path, root=tiny_folder / "mlruns").plan

    return plan_of


def trainings(plan: Plan) -> dict[str, str]:
    """Label -> digest."""
    return {s.label: digest for digest, s in plan.stages.items() if s.kind == "train"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Parts of mine."""', '"""Other words."""'),
        ('    """Two layers."""\n', ""),
        ("  # of the first", ""),
        ("def layers(inputs, classes):", "def layers(\n    inputs,\n    classes,\n):"),
        ('"""Whichever is more afraid."""', '"""Whichever is more careful."""'),
        ("np.where(original[:, 1:] >", "np.where(original[:, 1:] >="),
        ("p.argmax(1) == labels", "labels == p.argmax(1)"),
        ("import math\n", "import cmath\n"),
        ("HIDDEN = 4\n", "HIDDEN = 4\nUNUSED = 5\n"),
        ("\n@rule(", '\nif __name__ == "__main__":\n    print(1)\n\n\n@rule('),
    ],
)
def test_what_no_training_uses_trains_nothing_anew(planned, before, after):
    assert before in MINE
    assert set(planned(mine=MINE.replace(before, after)).stages) == set(planned().stages)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("AdaptiveAvgPool2d(2)", "AdaptiveMaxPool2d(2)"),
        ("nn.ReLU()", "nn.Tanh()"),
        ("HIDDEN = 4", "HIDDEN = 5"),
        ('@network("of_mine")', '@network("of_mine", version=2)'),
    ],
)
def test_what_one_network_uses_trains_it_anew_and_no_other(planned, before, after):
    assert before in MINE
    old, new = trainings(planned()), trainings(planned(mine=MINE.replace(before, after)))
    assert old.keys() == new.keys()
    # a network trained on a selection is another where its selectors are
    same = {label for label in old if old[label] == new[label]}
    assert same == {label for label in old if label.startswith("train other")} != set()


def test_a_file_of_another_name_trains_nothing_anew(planned, tiny_folder):
    old = trainings(planned())
    (tiny_folder / "renamed.py").write_bytes((tiny_folder / "mine.py").read_bytes())
    assert trainings(planned(changes={"module": "renamed.py"})) == old


def test_of_a_file_that_does_not_load_nothing_else_is_told(tiny_folder):
    (tiny_folder / "mine.py").write_text("import no_such_package\n")
    changes = {"module": "mine.py", "train.network": "of_mine", "axes.rule": ["original", "odd"]}
    with pytest.raises(InputError) as told:
        abl.load(write_sweep(tiny_folder, changes), root=tiny_folder / "mlruns")
    (problem,) = told.value.problems
    assert "No module named 'no_such_package'" in problem.message


def test_a_statement_that_does_more_than_define_a_name_counts_for_every_network(planned):
    mine = MINE.replace("HIDDEN = 4", "HIDDEN = 4\nnn.Linear.scale = 2")
    assert not set(trainings(planned(mine=mine)).values()) & set(trainings(planned()).values())


def test_a_file_of_the_folder_counts_by_what_is_used_of_it(planned):
    before = trainings(planned())
    assert trainings(planned(beside=HELPER.replace("return 1", "return 2"))) == before
    assert trainings(planned(beside=HELPER.replace("Wider.", "Much wider."))) == before
    after = trainings(planned(beside=HELPER.replace("FACTOR = 2", "FACTOR = 3")))
    changed = {label for label in before if before[label] != after[label]}
    assert changed == {label for label in before if label.startswith("train of_mine")}
    # imported as a whole it counts as a whole
    whole = MINE.replace("from beside import widened", "import beside")
    whole = whole.replace("widened(", "beside.widened(")
    one = trainings(planned(mine=whole))
    two = trainings(planned(mine=whole, beside=HELPER.replace("return 1", "return 2")))
    assert {label for label in one if one[label] != two[label]} == changed


def test_networks_of_the_package_stay_what_they_are_beside_a_module(planned):
    network = {"train.network": "pooled3", "options.panel": ["pooled3", "pooled6"]}
    assert set(planned(network).stages) == set(planned(network | {"module": None, "axes": {
        "consensus": [1], "rule": ["original", "model1"], "threshold": [0.5]},
        "metrics": ["acc"], "primary": "acc"}).stages)  # fmt: skip


def test_a_sweep_with_parts_of_ones_own_is_run_and_edits_of_a_rule_train_nothing(
    planned, tiny_folder
):
    planned()
    path, root = tiny_folder / "tiny.yaml", tiny_folder / "mlruns"
    first = abl.run(abl.load(path, root=root), executor="local", record=False)
    assert [arm.failed for arm in first.outcome.arms] == ["", ""]
    assert "Right, %" in abl.table(first)
    # the helper as it is now, not as it was imported, is what runs
    (tiny_folder / "mine.py").write_text(MINE.replace("original[:, 1:] >", "original[:, 1:] >="))
    again = abl.run(abl.load(path, root=root), executor="local", record=False)
    assert again.report.ran == []


def test_another_sweep_read_in_between_takes_no_names_away(planned, tiny_folder):
    planned()
    sweep = abl.load(tiny_folder / "tiny.yaml", root=tiny_folder / "mlruns")
    _ = sweep.plan
    (tiny_folder / "theirs.py").write_text("x = 1\n")
    for changes in ({"module": "theirs.py", "name": "theirs"}, {"name": "theirs"}):
        theirs = write_sweep(tiny_folder, changes, file="theirs.yaml")
        abl.load(theirs, root=tiny_folder / "mlruns")
        theirs = write_sweep(
            tiny_folder, changes | {"train.network": "of_mine"}, file="theirs.yaml"
        )
        with pytest.raises(InputError, match="no network is called 'of_mine'"):
            abl.load(theirs, root=tiny_folder / "mlruns")
    result = abl.run(sweep, executor="local", record=False)
    assert [arm.failed for arm in result.outcome.arms] == ["", ""]


HEADED = {
    "study": "frozen",
    "options": {},
    "train.network": "plain4",
    "axes": {"head": ["fc", "gap"]},
    "base": {"head": "fc"},
}


def test_a_higher_version_of_a_head_trains_its_own_networks_anew_and_no_others(
    tiny_folder, monkeypatch
):
    def plan() -> Plan:
        return abl.load(write_sweep(tiny_folder, HEADED), root=tiny_folder / "mlruns").plan

    before = trainings(plan())
    assert callable(HEADS["gap"])
    raised = replace(HEADS.entry("gap"), version=2)
    monkeypatch.setitem(HEADS._entries, "gap", raised)
    after = trainings(plan())
    changed = {label for label in before if before[label] != after[label]}
    assert changed == {label for label in before if " gap " in label} != set(before)


OWN_VARIANT = '''
from torch import nn
from abl.nets.attention_variants import variant


class Scaled(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale = nn.Conv2d(width, width, 1, groups=width)

    def forward(self, features):
        return self.scale(features)


@variant("scaled", mask=False)
def scaled(width, reduction):
    """A factor for each channel."""
    return Scaled(width)
'''


def test_a_variant_of_ones_own_that_needs_no_mask_is_trained_on_images_without_masks(tiny_folder):
    (tiny_folder / "mine.py").write_text(OWN_VARIANT)
    changes = {
        "study": "mask_guided",
        "module": "mine.py",
        "options": {"activation": False},
        "train.network": "plain4",
        "train.epochs": 2,
        "axes": {"variant": ["none", "scaled"], "mask": ["predicted"]},
        "base": {"variant": "none"},
    }
    sweep = abl.load(write_sweep(tiny_folder, changes), root=tiny_folder / "mlruns")
    assert {stage.kind for stage in sweep.plan.stages.values()} == {"train"}
    result = abl.run(sweep, executor="local", record=False)
    assert [arm.failed for arm in result.outcome.arms] == ["", ""]


OWN_STUDY = """
from abl.studies.contract import study
from abl.studies.frozen import Frozen


@study
class Mine(Frozen):
    name = "of_mine"
    description = "A question of mine."
"""


def test_a_study_of_ones_own_asks_its_question(tiny_folder):
    (tiny_folder / "mine.py").write_text(OWN_STUDY)
    path = write_sweep(tiny_folder, HEADED | {"study": "of_mine", "module": "mine.py"})
    own = abl.load(path, root=tiny_folder / "mlruns").plan
    ours = abl.load(write_sweep(tiny_folder, HEADED), root=tiny_folder / "mlruns").plan
    assert set(own.stages) == set(ours.stages)


OWN_KIND = """
from dataclasses import replace

import pandas as pd

from abl.plan.stage import PREDICTIONS
from abl.stages.inputs import split_of_stage, view_of
from abl.stages.kind import kind, stage_of
from abl.studies.contract import study
from abl.studies.frozen import Frozen


@kind("share")
def share(work):
    view = view_of(work)
    split = split_of_stage(work, view)
    positive = view.frame["train_label"].to_numpy()[split.train].mean() + ADDED
    rows = [(view.frame["image"][at], role) for role, part in split.items() for at in part]
    frame = pd.DataFrame(rows, columns=["image", "role"])
    frame.assign(p_0=1 - positive, p_1=positive).to_parquet(work.out / PREDICTIONS)
    return {"images": len(frame)}


@study
class Mine(Frozen):
    name = "of_mine"
    description = "No network at all."

    def expand(self, file, workspace):
        plan = super().expand(file, workspace)
        trained = {cell.uses["original"]: plan.stages[cell.uses["original"]] for cell in plan.cells}
        found = {
            digest: stage_of("share", {}, reads=old.reads, context=old.context, label="share")
            for digest, old in trained.items()
        }
        plan.stages = {stage.digest: stage for stage in found.values()}
        plan.cells = [
            replace(cell, uses={"original": found[cell.uses["original"]].digest})
            for cell in plan.cells
        ]
        return plan
"""


def test_an_arm_may_end_in_a_stage_of_a_kind_of_ones_own(tiny_folder):
    changes = HEADED | {"study": "of_mine", "module": "mine.py", "base": None}
    digests = []
    for added in ("0", "0  # the same", "0.01"):
        (tiny_folder / "mine.py").write_text(OWN_KIND.replace("ADDED", added))
        path = write_sweep(tiny_folder, changes)
        result = abl.run(
            abl.load(path, root=tiny_folder / "mlruns"), executor="local", record=False
        )
        assert not result.report.failed, result.report.traces
        digests.append(sorted(result.report.ran))
        for arm in result.outcome.arms:
            assert arm.cells["auc"].mean == 0.5  # every image has the same probability
    assert digests[0]
    assert digests[1] == []  # a comment computes nothing anew
    assert digests[2]
    assert set(digests[2]).isdisjoint(digests[0])


OWN_SAMPLER = '''
from optuna.samplers import RandomSampler
from abl.search.samplers import sampler


@sampler("dice"VERSION)
def dice(seed, size, objectives):
    """Dice."""
    return RandomSampler(seed=seed)
'''


def test_a_sampler_of_ones_own_searches_and_its_source_is_its_searchs(tiny_folder):
    changes = {
        "module": "mine.py",
        "axes": {"consensus": [1], "rule": ["original", "model1"]},
        "search": {
            "space": {"train.optimizer.lr": {"from": 0.01, "to": 0.1}},
            "sampler": "dice",
            "trials": 4,
            "generation": 2,
        },
    }
    known = []
    for version in ("", "", ", version=2"):
        (tiny_folder / "mine.py").write_text(OWN_SAMPLER.replace("VERSION", version))
        sweep = abl.load(write_sweep(tiny_folder, changes), root=tiny_folder / "mlruns")
        result = abl.run(sweep, executor="local", record=False)
        assert not result.report.failed
        known.append(settings_in_digest("dice", 1))
    assert known[0] == known[1] != known[2]
    assert known[2]["version"] == 2


def test_what_is_listed_says_which_are_of_the_file(tmp_path, monkeypatch):
    from abl.app.listing import listed

    (tmp_path / "mine.py").write_text(
        OWN_VARIANT.replace("mask=False", "mask=False, version=3") + OWN_STUDY
    )
    variants = dict(listed("variants", module=tmp_path / "mine.py"))
    assert variants["scaled"] == "A factor for each channel. (version 3, from mine.py)"
    assert variants["none"] == "No attention: the base."
    assert dict(listed("studies"))["of_mine"] == "A question of mine. (from mine.py)"
    assert {"tpe", "grid"} <= set(dict(listed("samplers")))


REFUSED = {
    "@network(3)": "network 3: its name must be text of one line",
    '@network(" ")': "network ' ': its name must be text of one line",
    '@network("mine", version=0)': "network 'mine': version 0: write 1, 2, 3, ...",
    '@network("mine", version="a")': "network 'mine': version 'a': write 1, 2, 3, ...",
    '@network("plain4")': "network 'plain4' exists already (in abl.nets.small)",
    '@rule("mine", uses="original")': "rule 'mine': uses: original, true, false or panel",
    '@rule("mine", uses=("original", "third"))': "rule 'mine': uses: original, true, false",
    '@rule("mine", uses=())': "rule 'mine': uses: original, true, false or panel",
    "@network": 'network: give it a name, as in @network("name")',
    "@study": "study: write @study above the class, which has its name",
    'raise SystemExit("no")\n@rule("mine", uses=("true",))': "import fails with SystemExit: no",
}


@pytest.mark.parametrize("decorator", REFUSED)
def test_what_cannot_be_registered_is_told_with_its_line(tmp_path, decorator):
    text = "from abl.decide.rules import rule\nfrom abl.nets.registry import network\n"
    text += "from abl.studies.contract import study\n"
    path = tmp_path / "mine.py"
    path.write_text(f"{text}{decorator}\ndef mine(*given):\n    return given[0]\n")
    with pytest.raises(InputError) as told:
        load_module(path)
    (problem,) = told.value.problems
    assert REFUSED[decorator] in problem.message
    assert (problem.file, problem.line) == ("mine.py", 4)


@pytest.mark.parametrize(("name", "library"), [("vgg16", "torchvision"), ("test_vit", "timm")])
def test_a_network_of_a_librarys_name_is_refused(tmp_path, name, library):
    path = tmp_path / "mine.py"
    path.write_text(
        "from abl.nets.registry import network\n\n\n"
        f'@network("{name}")\ndef mine(classes, channels, image_size):\n    return None\n'
    )
    with pytest.raises(
        InputError, match=rf"^mine.py:4: .*'{name}' exists already \(in {library}\)"
    ):
        load_module(path)
    assert name not in NETWORKS


@pytest.mark.parametrize("body", ["1 / 0", "None", "original[:1]", "original + 0.5"])
def test_a_rule_that_fails_costs_its_own_arm_alone(tiny_folder, body):
    (tiny_folder / "mine.py").write_text(
        "from abl.decide.rules import rule\n\n\n"
        f'@rule("odd", uses=("original",))\ndef odd(original):\n    return {body}\n'
    )
    changes = {"module": "mine.py", "axes": {"rule": ["original", "odd"]}}
    sweep = abl.load(write_sweep(tiny_folder, changes), root=tiny_folder / "mlruns")
    result = abl.run(sweep, executor="local", record=False)
    whole, failed = result.outcome.arms
    assert whole.failed == ""
    assert failed.failed.startswith("rule 'odd'")


def test_an_arm_without_numbers_is_told_and_the_command_fails(tiny_folder):
    (tiny_folder / "mine.py").write_text(
        "from abl.decide.rules import rule\n\n\n"
        '@rule("odd", uses=("original",))\ndef odd(original):\n    return 1 / 0\n'
    )
    changes = {"module": "mine.py", "axes": {"rule": ["original", "odd"]}}
    write_sweep(tiny_folder, changes)
    ran = command(tiny_folder, "sweep", "tiny.yaml", "--executor", "local", "--record", "off")
    assert ran.exit_code == 1
    told = "abl: failed: arm odd: rule 'odd' fails with ZeroDivisionError: division by zero\n"
    assert ran.stderr.endswith(told)


def test_tables_and_comparisons_know_metrics_of_ones_own_by_their_file(planned, tiny_folder):
    planned()
    done = abl_command(tiny_folder, "sweep", "tiny.yaml", "--executor", "local", "--record", "off")
    assert done.exit_code == 0, done.output
    unload_module()
    arms = ("tiny:#1", "tiny:#2")
    without = abl_command(tiny_folder, "compare", *arms)
    assert without.exit_code == 2
    assert "--module" in without.stderr
    for words in (["compare", *arms], ["table", "tiny"]):
        unload_module()
        found = abl_command(tiny_folder, *words, "--module", "mine.py")
        assert found.exit_code == 0, found.output
        assert "Right" in found.stdout
