"""Checkpoints of other programs: what is in front of names and around them is taken off."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from abl.errors import InputError
from abl.nets.build import build_network
from abl.nets.design_check import weights_problems
from abl.nets.weights import read_state


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_network("tiny_resnet", classes=2, channels=3, image_size=32)


def prefixed(front: str) -> dict[str, torch.Tensor]:
    return {front + name: value for name, value in network(7).state_dict().items()}


def loads(file: Path) -> None:
    """Fails unless a network gets the very weights of `prefixed`."""
    found = build_network("tiny_resnet", classes=2, channels=3, image_size=32, weights=str(file))
    for name, value in network(7).state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


def said_of(file: Path) -> list[str]:
    problems, said = weights_problems(file, "tiny_resnet", classes=2, channels=3, image_size=32)
    assert problems == []
    return said


def told(file: Path) -> str:
    (problem,), said = weights_problems(file, "tiny_resnet", classes=2, channels=3, image_size=32)
    assert said == []
    with pytest.raises(InputError):
        loads(file)
    return problem.message


FRONTS = ["model.", "module.", "net.", "backbone.", "model.module.", "my.own.words."]


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_what_is_in_front_of_every_name_is_taken_off_and_said(tmp_path, front, suffix):
    file = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(prefixed(front), file)
    loads(file)
    assert said_of(file) == [
        f"weights: {file.name} is read by names without the '{front}' in front of them"
    ]


@pytest.mark.parametrize(
    "holders",
    [["state_dict"], ["model"], ["model_state_dict"], ["ema"], ["checkpoint", "net"], ["my_cnn"]],
)
def test_whatever_holds_the_tensors(tmp_path, holders):
    content = network(7).state_dict()
    for holder in reversed(holders):
        optimizer = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1}]}
        content = {"epoch": 3, "optimizer": optimizer, holder: content}
    torch.save(content, tmp_path / "w.ckpt")
    loads(tmp_path / "w.ckpt")
    assert said_of(tmp_path / "w.ckpt") == []


def test_a_lightning_checkpoint_with_its_loss_and_metrics(tmp_path):
    state = prefixed("model.") | {"criterion.weight": torch.ones(2)}
    torch.save({"epoch": 3, "state_dict": state, "loops": {"fit": {}}}, tmp_path / "pl.ckpt")
    loads(tmp_path / "pl.ckpt")
    (said,) = said_of(tmp_path / "pl.ckpt")
    assert said.endswith("; 1 tensor without it not used: criterion.weight")


def test_compiled_and_averaged_networks(tmp_path):
    averaged = torch.optim.swa_utils.AveragedModel(network(7))
    torch.save(averaged.state_dict(), tmp_path / "averaged.pt")
    loads(tmp_path / "averaged.pt")
    assert "n_averaged" in said_of(tmp_path / "averaged.pt")[0]
    compiled = torch.compile(network(7))  # its forward alone would be compiled
    torch.save(compiled.state_dict(), tmp_path / "compiled.pt")
    loads(tmp_path / "compiled.pt")
    inner = copy.deepcopy(network(7).state_dict())
    parts = {name.replace(".", "._orig_mod.", 1): value for name, value in inner.items()}
    torch.save(parts, tmp_path / "inner.pt")
    loads(tmp_path / "inner.pt")


def test_two_networks_in_one_file_are_not_chosen_between(tmp_path):
    torch.save(prefixed("encoder_q.") | prefixed("encoder_k."), tmp_path / "moco.pt")
    assert "its names begin with 'encoder_k.' and with 'encoder_q.', which fit alike" in told(
        tmp_path / "moco.pt"
    )
    # but one that is there under its own names is
    torch.save(prefixed("ema.") | network(7).state_dict(), tmp_path / "both.pt")
    assert "ema." in told(tmp_path / "both.pt")


def test_what_differs_is_said_before_what_follows(tmp_path):
    torch.save({f"vit.{at}.weight": torch.ones(1) for at in range(9)}, tmp_path / "other.pt")
    assert "(all of the file's names begin with 'vit.'): " in told(tmp_path / "other.pt")
    state = prefixed("model.")
    gone = [name for name in state if name.endswith("fc.bias") or "stem" in name][:1]
    for name in gone or [next(iter(state))]:
        del state[name]
    torch.save(state, tmp_path / "part.pt")
    assert "(read by names without the 'model.' in front of them): " in told(tmp_path / "part.pt")


def test_a_file_without_a_state_dict_says_what_it_has(tmp_path):
    torch.save({"epoch": 3, "lr": [0.1]}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"holds no state dict .*, but epoch, lr"):
        read_state(tmp_path / "w.pt")
    torch.save([1, 2], tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"holds no state dict .*, but a list"):
        read_state(tmp_path / "w.pt")
