"""The benchmarks load with the package as it is, and those for a GPU take a step without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PLACES = [str(BENCHMARKS), str(BENCHMARKS / "ways")]


@pytest.fixture(autouse=True)
def found_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in PLACES:
        monkeypatch.syspath_prepend(place)


def test_every_benchmark_loads() -> None:
    names = [path.stem for path in sorted(BENCHMARKS.rglob("*.py"))]
    assert "gpu" in names
    script = (
        f"import importlib, sys\nsys.path[:0] = {PLACES!r}\n"
        f"for name in {names!r}:\n    importlib.import_module(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_a_network_of_the_gpu_benchmark_trains_and_predicts(guided: bool, half: bool) -> None:
    from gpu import Way

    torch.manual_seed(0)
    way = Way(guided, 64, 4, torch.device("cpu"), half=half, last=True, compiled=False)
    before = [each.clone() for each in way.network.parameters()]
    assert way.images_a_second(1, trained=True) > 0
    assert way.images_a_second(1, trained=False) > 0
    changed = (
        not torch.equal(old, new) for old, new in zip(before, way.network.parameters(), strict=True)
    )
    assert any(changed)


def test_what_attention_costs_is_measured_of_every_variant() -> None:
    from mask_guided import Measured, ways

    for network, objective in ways("resnet18", 64).values():
        measured = Measured(network, objective, 2, 64)
        measured.step()
        measured.predict()
        assert measured.saved_mib() > 0
        assert len(measured.steps) == len(measured.predictions) == 1
