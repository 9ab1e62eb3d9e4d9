"""Optimizers that never meet the compiler compute what PyTorch's compute."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from abl.train.optimizers import never_compiled

KINDS = {
    torch.optim.Adam: {"weight_decay": 0.01},
    torch.optim.AdamW: {"weight_decay": 0.1},
    torch.optim.SGD: {"momentum": 0.9},
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2))


def convolutions() -> nn.Module:
    """Weights in the order of channels_last, sizes that fill no vector register; one stays out."""
    torch.manual_seed(0)
    parts = (nn.Unflatten(1, (1, 5, 1)), nn.Conv2d(1, 5, 3, padding=1), nn.Conv2d(5, 3, 3))
    made = nn.Sequential(parts[0], nn.Upsample((7, 7)), *parts[1:], nn.Flatten(), nn.Linear(75, 2))
    made[2].bias.requires_grad_(False)
    return made.to(memory_format=torch.channels_last)


def steps(trained: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    for at in range(count):
        optimizer.zero_grad()
        inputs = torch.linspace(-1, 1, 20).reshape(4, 5) + at
        trained(inputs).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made", [network, convolutions])
def test_steps_give_the_same_bits_and_a_state_goes_from_one_to_the_other(
    made: Callable[[], nn.Module], kind: type[torch.optim.Optimizer]
) -> None:
    ours, theirs = made(), made()
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
        assert one.stride() == other.stride()
    assert isinstance(mine, kind)
    kept, plainly = (each.state_dict()["state"] for each in (swapped, plain))
    assert kept.keys() == plainly.keys()
    assert all(
        value.shape == plainly[at][name].shape for at in kept for name, value in kept[at].items()
    )


def test_a_step_builds_no_graph() -> None:
    trained = network()
    optimizer = never_compiled(torch.optim.Adam)(trained.parameters(), lr=0.1, fused=True)
    steps(trained, optimizer, 1)
    state = next(iter(optimizer.state.values()))
    assert not state["exp_avg"].requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_is_copied_for_the_sake_of_the_order_of_its_weights(
    kind: type[torch.optim.Optimizer],
) -> None:
    trained = convolutions()
    optimizer = never_compiled(kind)(trained.parameters(), lr=0.1, fused=True, **KINDS[kind])
    for _ in range(2):  # moments are made in the first
        steps(trained, optimizer, 1)
        with torch.profiler.profile() as seen:
            optimizer.step()
        assert "aten::clone" not in {each.key for each in seen.key_averages()}
