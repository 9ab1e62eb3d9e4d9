"""A sweep file is checked as a whole: every fault at once, with its line and what to type."""

from __future__ import annotations

from pathlib import Path

import pytest

import abl
from abl.errors import InputError
from abl.spec.read import read_sweep, sweep_with
from abl.spec.smoke import smoked

GOOD = """\
name: mine
study: two_step
data: {phantom: {patients: 40}}
train:
  epochs: 4
  optimizer: {lr: 1e-4}
  augment: {flip: no}
axes:
  rule: [original, true]
  threshold: {from: 0, to: 0.9, steps: 4, curve: true}
"""


def read(tmp_path: Path, text: str):
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return read_sweep(path)


def faults(tmp_path: Path, text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    return [(problem.line, problem.message) for problem in caught.value.problems]


def load_faults(tmp_path: Path, text: str) -> list[tuple[int | None, str]]:
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        abl.load(path, root=tmp_path / "mlruns")
    return [(problem.line, problem.message) for problem in caught.value.problems]


def loads(tmp_path: Path, text: str) -> bool:
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return bool(abl.load(path, root=tmp_path / "mlruns").plan.arms)


def test_a_number_written_with_an_exponent_and_a_no_are_meant(tmp_path: Path) -> None:
    sweep = read(tmp_path, GOOD).sweep
    assert sweep.train.optimizer.lr == 1e-4
    assert sweep.train.augment.flip is False
    assert sweep.axes["threshold"].listed() == (0.0, 0.3, 0.6, 0.9)


@pytest.mark.parametrize("word", ["true", "True", "'true'"])
def test_the_rule_true_may_be_written_without_quotes(tmp_path: Path, word: str) -> None:
    text = GOOD.replace("[original, true]", f"[original, {word}]")
    (tmp_path / "sweep.yaml").write_text(text, encoding="utf-8")
    loaded = abl.load(tmp_path / "sweep.yaml", root=tmp_path / "mlruns")
    from abl.studies.shared.arms import arms_from
    from abl.studies.two_step.options import relevant

    study = loaded.study
    arms, problems = arms_from(loaded.file, study.axes, relevant, ["threshold"])
    assert not problems
    assert [arm.title for arm in arms.arms] == ["original", "true"]


def test_every_fault_of_the_form_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
name: a b
study: two_step
data: {phantom: {patients: 2, flop: 0.1}}
train:
  epohcs: 4
  last_k: 3
  optimizer:
    name: adma
  batch_size: many
replicates: {seeds: [1, 1]}
axes:
  threshold: {from: 0, to: 1}
"""
    found = faults(tmp_path, text)
    assert [line for line, _ in found] == [1, 3, 3, 5, 8, 9, 10, 12]
    by_line = dict(found)
    assert by_line[5] == "unknown key 'train.epohcs': did you mean 'epochs'?"
    assert by_line[8] == "train.optimizer.name: 'adma' is not known, did you mean 'adam'?"
    assert "did you mean 'flip'?" in " ".join(m for line, m in found if line == 3)
    assert "each may be given once" in by_line[10]
    assert "from, to and steps" in by_line[12]


def test_names_of_components_are_told_at_once_with_the_nearest_word(tmp_path: Path) -> None:
    text = """\
name: mine
study: two_step
data: {phantom: {}}
train: {network: plan4}
options:
  panel: [plain4, tiny_rsnet]
  epoch: 3
axes:
  rul: [original]
"""
    found = dict(load_faults(tmp_path, text))
    assert "did you mean 'plain4'?" in found[4]
    text = text.replace("epoch: 3", "epochs: 3").replace("rul:", "rule:")
    text = text.replace("[original]", "[orignal, model1]") + "  consensus: [1, 7]\n"
    text += "  train.epochz: [1, 2]\nmetrics: [acc, brierr]\nprimary: aucc\n"
    found = load_faults(tmp_path, text)
    lines = [line for line, _ in found]
    assert lines == sorted(lines)
    assert set(lines) == {4, 6, 9, 10, 11, 12, 13}
    messages = " ".join(message for _, message in found)
    for word in ("plain4", "tiny_resnet", "original", "epochs", "brier", "auc"):
        assert f"did you mean '{word}'?" in messages


def test_faults_of_the_form_do_not_hide_faults_of_names(tmp_path: Path) -> None:
    text = GOOD.replace("epochs: 4", "epohcs: 4").replace("[original, true]", "[orignal, true]")
    found = load_faults(tmp_path, text + "metrics: [acc, f2]\n")
    assert [line for line, _ in found] == [5, 9, 11]


def test_a_fault_in_one_external_block_hides_none_of_the_others(tmp_path: Path) -> None:
    text = """\
name: mine
study: mask_guided
data: {phantom: {patients: 40}}
external:
  - {name: a, phantom: {patiens: 9}}
  - {name: b, phantom: {patients: 40}, classes: [x, y]}
  - {name: c, phantom: {patients: 40}, how: avrg, unit: imge}
  - {phantom: {patients: 40}}
  - {name: e, phantom: {patients: 40, task: source}}
  - [e]
axes: {variant: [none, se]}
metrics: [acc, f2]
"""
    found = load_faults(tmp_path, text)
    assert [line for line, _ in found] == [5, 6, 7, 7, 8, 9, 10, 12]
    said = dict(found)
    assert "did you mean 'patients'?" in said[5]
    assert "external set b: its classes are x, y" in said[6]
    assert "key 'external.3.name' is missing" in said[8]
    assert "external set e: its task is source" in said[9]
    assert "unknown metric 'f2'" in said[12]


def test_a_name_in_upper_case_is_answered_with_that_in_lower_case(tmp_path: Path) -> None:
    found = load_faults(tmp_path, GOOD.replace("study: two_step", "study: TWO_STEP"))
    assert found == [(2, "study: 'TWO_STEP' is not known: did you mean 'two_step'?")]


def test_an_unknown_study_names_the_nearest(tmp_path: Path) -> None:
    found = load_faults(tmp_path, GOOD.replace("study: two_step", "study: twostep"))
    assert found == [(2, "study: 'twostep' is not known: did you mean 'two_step'?")]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("epochs: 4", "epochs: true", 5, "a number is wanted"),
        ("epochs: 4", "frozen: true", 5, "train.frozen: a number is wanted, not true"),
        ("epochs: 4", "balance: true", 5, "train.balance: 'true' is not known"),
        ("name: mine", "name: mine\nmargin: false", 2, "margin: a number is wanted, not false"),
        ("epochs: 4", "epochs: 4.5", 5, "epochs"),
        ("epochs: 4", "epochs: four", 5, "train.epochs: a whole number is wanted, not 'four'"),
        ("epochs: 4", "epochs: 2\n  last_k: 3", 6, "more than epochs"),
        ("lr: 1e-4", "lr: -1", 6, "greater than 0"),
        ("lr: 1e-4", "lr: .inf", 6, "not a number"),
        ("flip: no", "flip: maybe", 7, "flip"),
        ("patients: 40", "patients: 40}, set: x, manifest: {y: 1", 3, "manifest"),
        ("{phantom: {patients: 40}}", "{}", 3, "exactly one of phantom, manifest, set"),
        ("name: mine", "name: ../../etc", 1, "name"),
        ("name: mine", "name:", 1, "name"),
        (
            "name: mine",
            "name: my set",
            1,
            "wanted are letters, digits, '_', '-', '.', not",
        ),
        ("study: two_step", "", 1, "key 'study' is missing: The question asked, with its"),
        ("[original, true]", "[original, original]", 9, "given twice"),
        ("[original, true]", "[]", 9, "give a list of values"),
        ("steps: 4", "steps: 1", 10, "steps"),
        ("axes:", "axes: [rule]\nmetrics:", 8, "block"),
    ],
)
def test_one_fault_one_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    found = faults(tmp_path, GOOD.replace(old, new, 1))
    assert (line, True) in [(where, words in message) for where, message in found]


def test_the_word_true_needs_no_quotation_marks(tmp_path: Path) -> None:
    attention = "attention: {mask: true, segmentation: {targets: true}}"
    path = tmp_path / "s.yaml"
    path.write_text(GOOD.replace("epochs: 4", f"epochs: 4\n  {attention}", 1))
    read = read_sweep(path).sweep.train.attention
    assert (read.mask, read.segmentation.targets) == ("true", "true")


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ("replicates.repeats: [1, 2]", "cannot be an axis"),
        ("table.decimals: [1, 2]", "cannot be an axis"),
        ("splits.folds: [2, 3]", "cannot be an axis"),
        ("train.epochs: [4, x]", "train.epochs"),
        ("train.epochs: [2, 4]", "more than epochs"),
        ("data.manifest.x: [2, 4]", "no setting"),
        ("consensus: [1.5]", "whole number"),
        ("consensus: [true]", "whole number"),
        ("second: [true, retraned]", "did you mean 'retrained'?"),
        ("network: [plain4, plain5]", "did you mean 'plain4'?"),
        ("rule: {values: [model1], curve: true}", "curve: true is not possible here"),
    ],
)
def test_axes_are_checked_before_any_data_is_read(tmp_path: Path, axis: str, words: str) -> None:
    text = GOOD.split("axes:")[0] + f"axes:\n  {axis}\n"
    found = load_faults(tmp_path, text)
    assert any(words in message for _, message in found)
    assert 9 in [line for line, _ in found]


@pytest.mark.parametrize(
    "value", ["1.5", "-0.1", "often", "'101%'", "'x%'", "true", "null", "[0.5]", "'-1%'"]
)
def test_a_threshold_is_a_share_or_in_0_to_1_or_always(tmp_path: Path, value: str) -> None:
    text = GOOD.split("axes:")[0] + f"axes:\n  rule: [model1]\n  threshold: [{value}]\n"
    assert [line for line, message in load_faults(tmp_path, text) if "threshold" in message] == [10]


def test_a_module_beside_the_sweep_is_needed(tmp_path: Path) -> None:
    for name in ("none.py", "../outside.py", "x" * 400 + ".py", "."):
        found = load_faults(tmp_path, GOOD + f"module: {name}\n")
        assert [line for line, _ in found] == [11]
    (tmp_path / "bad.py").write_text("x = (\n")
    assert "does not parse" in load_faults(tmp_path, GOOD + "module: bad.py\n")[0][1]


def test_a_data_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(GOOD)
    with pytest.raises(InputError, match="nowhere: no such folder"):
        abl.load(tmp_path / "sweep.yaml", data=["nowhere"], root=tmp_path / "mlruns")


def test_settings_are_changed_by_dotted_path_and_checked(tmp_path: Path) -> None:
    file = read(tmp_path, GOOD)
    assert sweep_with(file, {"train.optimizer.lr": 0.5}).train.optimizer.lr == 0.5
    assert sweep_with(file, {"data.phantom.flip": 0.2}).data.phantom.flip == 0.2
    for path, value in (("train.optimiser.lr", 1), ("train.lr", 1), ("train.epochs", 0)):
        with pytest.raises(InputError):
            sweep_with(file, {path: value})


def test_smoke_keeps_the_arms_and_shrinks_the_work(tmp_path: Path) -> None:
    sweep = read(tmp_path, GOOD + "replicates: {repeats: 3, seeds: [5, 6]}\n").sweep
    small = smoked(sweep, {})
    assert small.name == "mine-smoke"
    assert small.axes == sweep.axes
    assert (small.train.epochs, small.train.last_k) == (2, 2)
    assert (small.replicates.repeats, small.replicates.seeds) == (1, (5,))
    smoked(read(tmp_path, GOOD + "options: {epochs: many}\n").sweep, {})


def test_smoke_shrinks_epochs_wherever_they_are_given_and_keeps_arms_apart(tmp_path: Path) -> None:
    more = (
        "arms:\n"
        "  - {rule: original}\n"
        "  - {rule: original, train.epochs: [30, 200]}\n"
        "  - {rule: model1, train.attention.variant: serial, "
        "train.attention.segmentation.epochs: [1, 20]}\n"
    )
    text = GOOD.replace("epochs: 4", "epochs: 140")
    small = smoked(read(tmp_path, text + more).sweep, {})
    assert small.train.epochs == 3
    assert small.arms[1]["train.epochs"] == [2, 4]
    assert small.arms[2]["train.attention.segmentation.epochs"] == [1, 2]
    assert small.train.attention.segmentation.epochs == 3
    assert small.train.last_k == 2


def test_the_same_sweep_is_read_whatever_the_order_of_its_keys(tmp_path: Path) -> None:
    blocks = GOOD.replace("train:\n", "").split("axes:")
    assert blocks
    lines = GOOD.splitlines()
    turned = [*lines[3:7], *lines[7:], *lines[:3]]
    assert read(tmp_path, "\n".join(turned)).sweep == read(tmp_path, GOOD).sweep


BLOCKS = [
    ("search: {space: {train.early_stop: [null, {patience: 2}]}, trials: 2}", "null is neither"),
    ("search: {space: {train.early_stop: [{patience: 2}, 1]}, trials: 2}", "is neither a number"),
    ("search: {space: {train.optimizer.lr: [0.1, [0.2]]}, trials: 2}", "is neither a number"),
    ("search: {space: {train.optimizer.lr: {choices: [{a: 1}]}}, trials: 2}", "is neither"),
    ("search: {space: {train.optimizer.lr: [0.1, 0.2]}, objectives: [{metric: [auc]}]}", "metric"),
    (
        "search: {space: {train.optimizer.lr: [0.1, 0.2]}, start: [1, {train.optimizer.lr: 0.1}]}",
        "",
    ),
    ("axes: {train.epochs: [1, {a: 2}]}", "train.epochs"),
    ("axes: {train.epochs: [[1, 2], 2]}", "train.epochs"),
    ("metrics: [auc, {a: 1}]", "metrics"),
    ("contrasts: [1, {arm: {a: [1]}}]", "contrasts"),
    ("replicates: {seeds: [0, {a: 1}]}", "seeds"),
]


@pytest.mark.parametrize(("line", "told"), BLOCKS)
def test_a_block_among_the_values_of_a_list_is_one_line(
    tmp_path: Path, line: str, told: str
) -> None:
    study = "frozen" if line.startswith("axes") else "hyper"
    kept = f"name: x\nstudy: {study}\ndata: {{phantom: {{}}}}\n"
    found = load_faults(tmp_path, kept + line + "\n")
    assert any(told in text for _, text in found), found


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("augment: {flip: true}", "did you mean 'train.augment'?"),
        ("epochs: 3", "did you mean 'train.epochs'?"),
        ("axes: {augment.flip: [true]}", "did you mean 'train.augment.flip'?"),
        ("axes: {epochs: [3]}", "did you mean 'train.epochs'?"),
        ("axes: {optimizer.lr: [0.1]}", "did you mean 'train.optimizer.lr'?"),
        ("search: {space: {augment.flip: [true, false]}}", "did you mean 'train.augment.flip'?"),
        ("stated: {augment.flip: paper}", "did you mean 'train.augment.flip'?"),
        ("train: {batch_sise: 3}", "did you mean 'batch_size'?"),
        ("axes: {data.image.size: [32, 64]}", "did you mean 'image.size'?"),
    ],
)
def test_a_setting_at_the_wrong_place_is_answered_with_its_path(
    tmp_path: Path, line: str, told: str
) -> None:
    kept = "name: x\nstudy: frozen\ndata: {phantom: {}}\n"
    found = load_faults(tmp_path, kept + line + "\n")
    assert any(told in text for _, text in found), found


def test_a_batch_of_one_image_without_batch_statistics_is_told_before_it_trains(
    tmp_path: Path,
) -> None:
    kept = (
        "name: x\nstudy: frozen\ndata: {phantom: {}}\nimage: {size: 32}\naxes: {frozen: [0]}\n"
        "train: {network: resnet18, epochs: 1, last_k: 1, "
    )
    for setting in ("batch_size: 1}", "batch_size: 8, micro_batch: 1}"):
        (found,) = load_faults(tmp_path, kept + setting)
        assert found[0] == 6
        assert "1 leaves resnet18 nothing to take batch statistics of" in found[1]
    for fine in ("batch_size: 2}", "batch_size: 8, micro_batch: 2}"):
        assert loads(tmp_path, kept + fine)
    # maps of more than a pixel have statistics, and vgg11 has no such layer
    assert loads(tmp_path, kept.replace("size: 32", "size: 64") + "batch_size: 1}")
    assert loads(tmp_path, kept.replace("resnet18", "vgg11") + "batch_size: 1}")


def test_images_too_small_for_a_network_are_told_before_it_trains(tmp_path: Path) -> None:
    kept = "name: x\nstudy: frozen\ndata: {phantom: {}}\naxes: {frozen: [0]}\n"
    for network, size in (("inception_v3", 64), ("vit_b_16", 100), ("vgg11", 16)):
        text = kept + f"image: {{size: {size}}}\ntrain: {{network: {network}}}\n"
        (found,) = load_faults(tmp_path, text)
        assert f"{size} px" in found[1]
