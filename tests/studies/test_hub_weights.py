"""ImageNet weights enter a network's identity by the hash of the hub's file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torchvision import models

import abl
from abl.app.loaded import LoadedSweep
from abl.errors import InputError, StageError
from abl.nets.weights import check_hub_file, hub_fingerprint
from tiny_sweeps import write_sweep

FILE = Path(models.SqueezeNet1_1_Weights.DEFAULT.url).name
SWEEP = {
    "train": {"network": "squeezenet1_1", "weights": "imagenet", "epochs": 1, "last_k": 1},
    "image": {"size": 32, "channels": 3},
    "axes": {"rule": ["original"], "calibrate": ["none", "temperature"]},
    "base": None,
    "options": None,
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


def load(folder: Path) -> LoadedSweep:
    return abl.load(write_sweep(folder, SWEEP), root=folder / "mlruns")


def write_weights(hub: Path, seed: int) -> str:
    torch.manual_seed(seed)
    torch.save(models.squeezenet1_1().state_dict(), hub / FILE)
    return hashlib.sha256((hub / FILE).read_bytes()).hexdigest()


def test_another_file_is_another_network(hub: Path, tiny_folder: Path) -> None:
    digests = set()
    for seed in (1, 2):
        fingerprint = write_weights(hub, seed)
        [stage] = load(tiny_folder).plan.stages.values()
        assert stage.settings["train"]["weights"] == f"sha256:{fingerprint}"
        digests.add(stage.digest)
    assert len(digests) == 2


def test_a_network_starts_from_the_file(hub: Path, tiny_folder: Path) -> None:
    write_weights(hub, 1)
    result = abl.run(load(tiny_folder), executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    with pytest.raises(StageError, match="copy the hub's cache"):
        check_hub_file("squeezenet1_1", "0" * 64)


def test_a_plan_without_the_file_says_so(hub: Path, tiny_folder: Path, unreachable: None) -> None:
    plan = load(tiny_folder).plan
    assert any("squeezenet1_1 are not on this machine" in note for note in plan.notes)


def test_weights_out_of_reach_are_refused_before_training(
    hub: Path, tiny_folder: Path, unreachable: None
) -> None:
    with pytest.raises(InputError, match=r"squeezenet1_1 cannot be fetched.*no route to host"):
        abl.run(load(tiny_folder), executor="local", record=False)
    assert not (tiny_folder / "mlruns/store/done").exists()


def test_a_network_of_ours_has_none() -> None:
    with pytest.raises(InputError, match="no ImageNet weights"):
        hub_fingerprint("plain4", fetch=False)
