"""Optimizers that never meet the compiler compute what PyTorch's compute."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from abl.train.epoch import never_compiled

KINDS = {
    torch.optim.Adam: {"weight_decay": 0.01},
    torch.optim.AdamW: {"weight_decay": 0.1},
    torch.optim.SGD: {"momentum": 0.9},
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2))


def steps(trained: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    for at in range(count):
        optimizer.zero_grad()
        inputs = torch.linspace(-1, 1, 20).reshape(4, 5) + at
        trained(inputs).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", KINDS)
def test_steps_give_the_same_bits_and_a_state_goes_from_one_to_the_other(
    kind: type[torch.optim.Optimizer],
) -> None:
    ours, theirs = network(), network()
    settings = {"lr": 0.01, "fused": True, **KINDS[kind]}
    mine = never_compiled(kind)(ours.parameters(), **settings)
    plain = kind(theirs.parameters(), **settings)
    steps(ours, mine, 3)
    steps(theirs, plain, 3)
    swapped = never_compiled(kind)(ours.parameters(), **settings)
    swapped.load_state_dict(copy.deepcopy(plain.state_dict()))
    steps(ours, swapped, 3)
    steps(theirs, plain, 3)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)
    assert isinstance(mine, kind)


def test_a_step_builds_no_graph() -> None:
    trained = network()
    optimizer = never_compiled(torch.optim.Adam)(trained.parameters(), lr=0.1, fused=True)
    steps(trained, optimizer, 1)
    state = next(iter(optimizer.state.values()))
    assert not state["exp_avg"].requires_grad
    assert torch.is_grad_enabled()
