"""The state of a process, in processes of their own: other tests have loaded much by then."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from abl.train.process import reset_process

SCRIPT = """
import sys
import torch
from abl.train.process import reset_process

reset_process(0, deterministic=sys.argv[1] == "yes")
with torch.no_grad():
    torch.nn.Conv2d(1, 2, 3)(torch.rand(1, 1, 8, 8))
print(torch.are_deterministic_algorithms_enabled(), "torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize(("asked", "is_on"), [("yes", "True"), ("no", "False")])
def test_what_only_predicts_is_deterministic_without_a_compiler(asked: str, is_on: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT, asked], capture_output=True, text=True, check=False
    )
    assert said.stdout.split() == [is_on, "False"], said.stderr


TRAINING = """
import sys
import numpy as np
from abl.nets.build import build_network
from abl.spec.data import Image
from abl.spec.train import Optimizer, Train
from abl.train.fit import TrainingRows, fit
from abl.train.process import reset_process

reset_process(0)
labels = np.arange(12) % 2
rows = TrainingRows(np.arange(8), labels[:8], 2, {"test": np.arange(8, 12)})
settings = Train(network="plain4", epochs=1, last_k=1, optimizer=Optimizer(name=sys.argv[1]))
fit(
    build_network("plain4", classes=2, channels=1, image_size=32),
    np.zeros((12, 1, 32, 32), np.uint8), rows,
    settings=settings, image=Image(size=32, channels=1), seed=0,
)
print("torch._dynamo" in sys.modules, "sympy" in sys.modules)
"""


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_what_trains_loads_no_compiler_either(optimizer: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", TRAINING, optimizer], capture_output=True, text=True, check=False
    )
    assert said.stdout.split() == ["False", "False"], said.stderr


def test_gradients_are_recorded_whatever_the_thread_did_before() -> None:
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        reset_process(0)
        assert torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(before)
