"""Builders of a user's own that cannot be called, fail or give nothing: one line, file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

import commands
from abl.errors import InputError
from abl.nets.user_module import load_module, unload_module
from tiny_sweeps import write_sweep

IMPORTS = """from torch import nn
from abl.decide.metric_registry import metric
from abl.decide.rules import rule
from abl.nets.attention_variants import variant
from abl.nets.fusion import fusion
from abl.nets.heads import head
from abl.nets.registry import network
from abl.search.samplers import sampler
"""
NETWORK = {"study": "compare", "options": {}, "axes": {"network": ["cnn2", "mine"]}, "base": None}
HEAD = {
    "study": "frozen",
    "options": {},
    "train.network": "plain4",
    "axes": {"head": ["fc", "mine"]},
    "base": {"head": "fc"},
}
CASES = {
    "takes other arguments": (
        NETWORK,
        '@network("mine")\ndef mine(num_classes):\n    return nn.Identity()\n',
        "network mine: mine() must take (classes, channels, image_size), not (num_classes) "
        "(mine.py:10)",
    ),
    "no return": (
        NETWORK,
        '@network("mine")\ndef mine(classes, channels, image_size):\n    nn.Identity()\n',
        "network mine: mine() gives None, not a torch.nn.Module: is there a `return`? (mine.py:10)",
    ),
    "fails": (
        NETWORK,
        '@network("mine")\ndef mine(classes, channels, image_size):\n    return linear(3)\n',
        "network mine cannot be made for images of 24 px: NameError: name 'linear' is not defined "
        "(mine.py:11)",
    ),
    "fails on images": (
        NETWORK,
        '@network("mine")\nclass Mine(nn.Module):\n    def __init__(self, *given):\n'
        "        super().__init__()\n    def forward(self, x):\n        return x.nothing\n",
        "network mine cannot take images of 24 px: AttributeError: 'Tensor' object has no "
        "attribute 'nothing' (mine.py:14)",
    ),
    "head": (
        HEAD,
        '@head("mine")\ndef mine(width, classes):\n    return nn.Identity()\n',
        "head mine: mine() must take (own, width, classes, levels), not (width, classes) "
        "(mine.py:10)",
    ),
    "head without a return": (
        HEAD,
        '@head("mine")\ndef mine(own, width, classes, levels):\n    nn.Identity()\n',
        "head mine: mine() gives None, not a torch.nn.Module",
    ),
    "registers nothing": (
        NETWORK,
        "def mine(classes, channels, image_size):\n    return nn.Identity()\n",
        'mine.py registers nothing: write @network("name") above what it is to name',
    ),
    "registers another": (
        NETWORK,
        '@network("mein")\ndef mine(classes, channels, image_size):\n    return nn.Identity()\n',
        "no network is called 'mine': did you mean 'mein'? (mine.py registers mein)",
    ),
}


@pytest.fixture(autouse=True)
def names_of_the_package_alone():
    yield
    unload_module()


@pytest.mark.parametrize("name", CASES)
def test_a_builder_at_fault_is_one_line_with_its_place(tiny_folder: Path, name: str) -> None:
    changes, text, said = CASES[name]
    (tiny_folder / "mine.py").write_text(IMPORTS + text)
    write_sweep(tiny_folder, {**changes, "module": "mine.py"})
    root = ["--mlruns", "runs"]
    for words in (["plan", *root], ["sweep", "--executor", "local", *root]):
        found = commands.abl(tiny_folder, words[0], "tiny.yaml", *words[1:])
        assert found.exit_code == 2, found.output
        (line,) = found.stderr.splitlines()
        assert line.startswith("abl: tiny.yaml:")
        assert said in line
    assert not (tiny_folder / "runs").exists()


def test_the_layers_of_a_network_at_fault_are_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(IMPORTS + CASES["no return"][1])
    found = commands.abl(tmp_path, "list", "network", "mine", "--module", "mine.py")
    assert found.exit_code == 2
    assert found.stderr.startswith("abl: network mine: mine() gives None")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '@rule("mine", uses=("original", "true"))\ndef mine(original):\n    return original\n',
            "rule 'mine': mine() must take (original, true), not (original)",
        ),
        (
            '@metric("mine", label="Mine")\ndef mine(labels, p):\n    return 1.0\n',
            "metric 'mine': mine() must take (labels, p, weights), not (labels, p)",
        ),
        (
            '@sampler("mine")\ndef mine(seed):\n    return None\n',
            "sampler 'mine': mine() must take (seed, size, objectives), not (seed)",
        ),
    ],
)
def test_what_is_called_after_the_trainings_is_checked_as_it_registers(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "mine.py").write_text(IMPORTS + text)
    with pytest.raises(InputError) as told:
        load_module(tmp_path / "mine.py")
    assert str(told.value) == f"mine.py:10: {said}"
