"""Lines on axes, base, machine and weights that name the cause, all in one round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from commands import abl
from tiny_sweeps import TWO_NETWORKS, pooled3, write_sweep

ALONE = {name: TWO_NETWORKS[name] for name in ("study", "splits", "replicates")} | {"options": {}}
TWO = {**ALONE, "axes": {"network": ["pooled3", "pooled6"]}, "base": {"network": "pooled3"}}
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "one setting by two axes": (
        {
            **TWO,
            "axes": {"network": ["pooled3", "pooled6"], "train.network": ["pooled3", "pooled6"]},
        },
        ["axes: network and train.network both set train.network: leave one out"],
    ),
    "a setting of the whole sweep": (
        {**TWO, "axes": {"network": ["pooled3", "pooled6"], "title": ["a", "b"]}},
        ["'title' cannot be an axis: it must be the same for all arms"],
    ),
    "a base without axes": (
        {**TWO, "axes": {}},
        ["base: no arm has a network: write axes: {network: [pooled3, ...]}"],
    ),
    "a base that is excluded": (
        {**TWO, "exclude": [{"network": "pooled3"}]},
        [
            "axes.network: changes nothing: exclude leaves no more than one of its values",
            "base: exclude takes out every arm with network pooled3",
        ],
    ),
    "a manifest beside other faults": (
        {**TWO, "data.manifest": "images/manifes.csv", "primary": "aux"},
        [
            "data.manifest: there is no 'images/manifes.csv' in the sweep file's folder",
            "unknown metric 'aux': did you mean 'auc'?",
        ],
    ),
    "fp16 on a CPU": (
        {**TWO, "train.precision": "fp16"},
        ["train.precision: fp16 needs a GPU, and resources.gpus is 0"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_named(tiny_folder: Path, name: str) -> None:
    changes, said = CASES[name]
    write_sweep(tiny_folder, changes)
    found = abl(tiny_folder, "plan", "tiny.yaml", "--mlruns", "runs")
    assert found.exit_code == 2, found.output
    lines = sorted(line.partition(": ")[2].partition(": ")[2] for line in found.stderr.splitlines())
    assert len(lines) == len(said), found.stderr
    for line, start in zip(lines, said, strict=True):
        assert line.startswith(start)


def test_an_axis_at_fault_is_told_at_its_own_line(tiny_folder: Path) -> None:
    formats = ["auto", "contiguous"]
    axes = {"train.memory_format": formats, "train.channels_last": [True, False]}
    path = write_sweep(tiny_folder, {**ALONE, "base": None, "axes": axes})
    lines = path.read_text().splitlines()
    at = next(at for at, line in enumerate(lines, 1) if "train.channels_last" in line)
    found = abl(tiny_folder, "plan", "tiny.yaml", "--mlruns", "runs")
    assert f"tiny.yaml:{at}: train: channels_last" in found.stderr


@pytest.mark.parametrize("asked", [{"cpus": 9999}, {"memory_gb": 999_999}, {"gpus": 99}])
def test_what_this_machine_has_not_is_refused_before_a_training(
    tiny_folder: Path, asked: dict[str, int]
) -> None:
    write_sweep(tiny_folder, {**TWO, "resources": asked})
    words = ["sweep", "tiny.yaml", "--executor", "local", "--mlruns", "runs"]
    found = abl(tiny_folder, *words)
    assert found.exit_code == 2, found.output
    ((name, value),) = asked.items()
    (line,) = [line for line in found.stderr.splitlines() if line.startswith("abl: ")]
    assert f"resources.{name}: {value}, and this machine has " in line
    assert not list((tiny_folder / "runs").rglob("*.safetensors"))


def weights(folder: Path, changes: dict[str, torch.Tensor], classes: int = 2) -> None:
    torch.save(pooled3(classes, 1, 24).state_dict() | changes, folder / "w.pt")
    write_sweep(folder, {**ALONE, "base": None, "train.weights": "w.pt", "train.epochs": 2,
                         "axes": {"train.optimizer.lr": [0.1, 0.2]}})  # fmt: skip


@pytest.mark.parametrize(
    ("bias", "said"),
    [
        (torch.tensor([0.0, torch.nan]), "holds values that are not finite (layer 3.bias)"),
        (torch.tensor([True, False]), "holds booleans where numbers are needed (layer 3.bias)"),
    ],
)
def test_weights_that_are_no_finite_numbers_are_refused(
    tiny_folder: Path, bias: torch.Tensor, said: str
) -> None:
    weights(tiny_folder, {"3.bias": bias})
    found = abl(tiny_folder, "plan", "tiny.yaml", "--mlruns", "runs")
    assert found.exit_code == 2, found.output
    assert f"train.weights: w.pt {said}" in found.stderr
    assert "lower" not in found.stderr


def test_what_of_weights_is_left_out_is_said(tiny_folder: Path) -> None:
    weights(tiny_folder, {}, classes=5)
    said = "weights: of w.pt its last layer (3.weight (5, 9), the network's (2, 9)) is left out"
    for words in (["plan"], ["sweep", "--executor", "local", "--record", "off"]):
        found = abl(tiny_folder, words[0], "tiny.yaml", *words[1:], "--mlruns", "runs")
        assert found.exit_code == 0, found.output
        assert said in found.output


def test_a_network_that_gives_no_numbers_is_not_told_to_learn_slower(tiny_folder: Path) -> None:
    (tiny_folder / "mine.py").write_text(
        "from torch import nn\nfrom abl.nets.registry import network\n\n"
        '@network("mine")\nclass Mine(nn.Module):\n'
        "    def __init__(self, classes, channels, image_size):\n        super().__init__()\n"
        "        self.last = nn.Linear(channels * image_size**2, classes)\n"
        '    def forward(self, x):\n        return self.last(x.flatten(1)) * float("nan")\n'
    )
    axes = {"network": ["pooled3", "mine"]}
    write_sweep(tiny_folder, {**TWO, "module": "mine.py", "axes": axes, "base": None})
    words = ["--executor", "local", "--record", "off", "--mlruns", "runs"]
    found = abl(tiny_folder, "sweep", "tiny.yaml", *words)
    assert found.exit_code == 1
    assert "the loss is nan in the first step: what the network gives is not finite" in found.stderr
    assert "train.optimizer.lr" not in found.stderr
