"""The state of a process, in processes of their own: other tests have loaded much by then."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
