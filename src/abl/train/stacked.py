"""Networks of one design as one program: their weights stacked, their operations batched.

torch.func.vmap over the stacked weights makes a convolution of M networks one grouped convolution,
a linear layer one batched product. That is the horizontal fusion of Wang, Yang, Yu, Wang, Li,
Sun, Yi, Pekhimenko: Horizontally Fused Training Array (MLSys 2021).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from abl.spec.train import Train
from abl.train.checkpoint import State
from abl.train.optimizers import optimizer_over
from abl.train.own_draws import OwnDraws, with_own_draws


class StackedNetworks:
    """M networks of one design on a device.

    Args:
        networks: As they start; they are read and not changed.
        channels_last: See OwnDraws.

    Attributes:
        template: Computes with weights that it is given; its precision is that of all.
        draws: Random numbers of each network.
        parameters, buffers: Name -> (M, ...).
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        device: torch.device,
        *,
        channels_last: bool = False,
    ):
        self.draws = OwnDraws(channels_last=channels_last)
        self.template = copy.deepcopy(networks[0]).to(device)
        with_own_draws(self.template, self.draws)
        named = [dict(each.named_parameters()) for each in networks]
        kept = [dict(each.named_buffers()) for each in networks]
        self.trained = [name for name, each in named[0].items() if each.requires_grad]
        self.parameters = {name: _stacked(named, name, device) for name in named[0]}
        self.buffers = {name: _stacked(kept, name, device) for name in kept[0]}
        for name in self.trained:
            self.parameters[name].requires_grad_(True)

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    def train(self, mode: bool = True) -> None:
        """As of a module."""
        self.template.train(mode)

    def outputs(self, inputs: Sequence[Tensor], places: Tensor | None = None) -> Tensor:
        """What each network gives for its own inputs: (m, B, ...).

        Args:
            inputs: (m, B, ...) each.
            places: int64 (m,): which networks they are for; None for all M.
        """
        if places is None:
            result: Tensor = torch.vmap(self._output, randomness="error")(
                self.parameters, self.buffers, tuple(inputs)
            )
            return result
        weights = {name: each[places] for name, each in self.parameters.items()}
        buffers = {name: each[places] for name, each in self.buffers.items()}
        result = torch.vmap(self._output, randomness="error")(weights, buffers, tuple(inputs))
        if self.template.training:
            for name, each in self.buffers.items():
                each[places] = buffers[name]
        return result

    def _output(
        self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Sequence[Tensor]
    ) -> Tensor:
        output = functional_call(self.template, (dict(weights), dict(buffers)), tuple(inputs))
        return output[0] if isinstance(output, tuple) else output

    def write_to(self, network: nn.Module, place: int) -> None:
        """Gives a network the weights and buffers of the one at a place."""
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(self.parameters[name][place])
            for name, buffer in network.named_buffers():
                buffer.copy_(self.buffers[name][place])


def _stacked(named: Sequence[Mapping[str, Tensor]], name: str, device: torch.device) -> Tensor:
    return torch.stack([each[name].detach().to(device) for each in named])


def stacking_fault(network: nn.Module, image: tuple[int, int, int]) -> str:
    """Why a network's weights cannot be stacked, "" if they can: two steps on shapes alone.

    Args:
        image: (C, H, W).
    """
    place = torch.device("meta")
    try:
        networks = StackedNetworks([network, network], place)
        networks.draws.present = [None, None]
        images = torch.empty((2, 2, *image), device=place)
        for mode in (True, False):
            networks.train(mode)
            output = networks.outputs([images])
        if output.dim() != 3 or not networks.trained:
            return "it gives no row of numbers for an image"
        networks.train(True)
        networks.outputs([images]).sum().backward()
    except Exception as error:  # whatever a user's own network does under vmap
        if "random operation" in str(error):
            return "it draws random numbers in another way than by nn.Dropout"
        said = str(error).strip().splitlines()
        return f"torch.vmap: {said[0] if said else type(error).__name__}"
    return ""


class StackedOptimizer:
    """PyTorch's optimizer over stacked weights, each network with numbers of its own.

    Networks with the same numbers share a parameter group, which is a slice of the stack: the
    arithmetic of each element is that of the optimizer of one network.

    Args:
        settings: Of each network, the optimizer of one name; those with the same optimizer and
            schedule stand side by side.
        states: Of each network, as `optimizer_state` of its own optimizer; empty at the start.
    """

    def __init__(
        self,
        networks: StackedNetworks,
        settings: Sequence[Train],
        states: Sequence[Mapping[str, Tensor]],
    ):
        self._networks = networks
        own = [(each.optimizer, each.schedule) for each in settings]
        starts = [at for at in range(len(own)) if not at or own[at] != own[at - 1]]
        self._slices = [
            slice(a, b) for a, b in zip(starts, [*starts[1:], len(settings)], strict=True)
        ]
        self._leaves = [
            [nn.Parameter(networks.parameters[name].detach()[part]) for name in networks.trained]
            for part in self._slices
        ]
        groups: list[dict[str, Any]] = []
        for part, leaves in zip(self._slices, self._leaves, strict=True):
            one = settings[part.start].optimizer
            groups.append({"params": leaves, "lr": one.lr, "weight_decay": one.weight_decay})
            if one.name == "sgd":
                groups[-1]["momentum"] = one.momentum
        self._optimizer = optimizer_over(groups, settings[0].optimizer)
        if states[0]:
            self._restore(states)

    def _restore(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        for part, leaves in zip(self._slices, self._leaves, strict=True):
            for index, leaf in enumerate(leaves):
                kept: dict[str, Tensor] = {}
                for key, first in states[part.start].items():
                    number, _, name = key.partition(".")
                    if int(number) == index:
                        every = [first.to(leaf.device)]
                        if name != "step":  # one number for all: they take their steps together
                            every = [each[key].to(leaf.device) for each in states[part]]
                        kept[name] = every[0] if name == "step" else torch.stack(every)
                self._optimizer.state[leaf] = kept

    def step(self, rates: Sequence[float]) -> None:
        """One step by the gradients of the stack, which are used up.

        Args:
            rates: Learning rate of each network in this epoch.
        """
        for part, leaves, group in zip(
            self._slices, self._leaves, self._optimizer.param_groups, strict=True
        ):
            group["lr"] = rates[part.start]
            for name, leaf in zip(self._networks.trained, leaves, strict=True):
                gradient = self._networks.parameters[name].grad
                leaf.grad = None if gradient is None else gradient[part]
        self._optimizer.step()
        for name in self._networks.trained:
            self._networks.parameters[name].grad = None

    def state_of(self, place: int) -> State:
        """As `optimizer_state` of the optimizer of one network, on the CPU."""
        at = next(n for n, part in enumerate(self._slices) if part.start <= place < part.stop)
        inside, state = place - self._slices[at].start, {}
        for index, leaf in enumerate(self._leaves[at]):
            for name, value in self._optimizer.state[leaf].items():
                if isinstance(value, Tensor):
                    own = value if name == "step" else value[inside]
                    state[f"{index}.{name}"] = own.detach().to("cpu", copy=True).contiguous()
        return state
