"""The optimizers of a training: torch's own, fused, without its compiler and without its copies."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from abl.spec.train import Optimizer


def make_optimizer(network: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """Over the parameters that require a gradient. The learning rate is set each epoch."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return optimizer_over([{"params": trained}], settings)


def optimizer_over(groups: list[dict[str, Any]], settings: Optimizer) -> torch.optim.Optimizer:
    """Over groups of parameters, as torch.optim takes them; `settings` say what they do not."""
    # fused: one kernel for all tensors; on a CPU too it is several times faster
    asked: Any = {"lr": settings.lr, "weight_decay": settings.weight_decay, "fused": True}
    match settings.name:
        case "adam":
            return never_compiled(torch.optim.Adam)(groups, **asked)
        case "adamw":
            return never_compiled(torch.optim.AdamW)(groups, **asked)
        case "sgd":
            return never_compiled(torch.optim.SGD)(groups, momentum=settings.momentum, **asked)


@cache
def never_compiled(kind: type[torch.optim.Optimizer]) -> type[Any]:
    """The same optimizer, for programs that are not compiled.

    PyTorch wraps methods of its optimizers in what keeps torch.compile out of them, and so loads
    the compiler as soon as one is made: a second and 150 MiB of every process that trains.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (_InMemoryOrder, kind), {**plain, "_plain_step": step})


class _InMemoryOrder:
    """Hands a step what it reads and writes as views in the order of the memory.

    A fused step copies each gradient of which is_contiguous() is false, those of channels_last
    weights too, and so takes two to three times as long (findings/torch_fused_step_copies.sh).
    The numbers are the same to the bit: the same ones meet, in the same order.
    """

    state: dict[Tensor, dict[str, Any]]
    _plain_step: Callable[[], None]

    def step(self) -> None:
        self._viewed: list[tuple[Tensor, Tensor, list[int]]] = []
        self._plain_step()
        for parameter, view, order in self._viewed:
            if view in self.state:  # SGD keeps its moments by what it was handed, Adam does not
                back = [order.index(dim) for dim in range(len(order))]
                for name, moments in self.state.pop(view).items():
                    self.state[parameter][name] = moments.permute(back)

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> bool:
        # the method of torch that collects what a step needs: weights, gradients, moments, counts
        is_unusual: bool = super()._init_group(group, *lists)  # type: ignore[misc]
        for at, parameter in enumerate(lists[0]):
            listed = [each for each in lists if each and each[at] is not None]
            alike = [each for each in listed if each[at].shape == parameter.shape]
            strides = parameter.stride()
            if parameter.is_contiguous() or any(each[at].stride() != strides for each in alike):
                continue
            order = sorted(range(parameter.dim()), key=lambda dim: -strides[dim])
            for each in alike:
                each[at] = each[at].detach().permute(order)
            self._viewed.append((parameter, lists[0][at], order))
        return is_unusual
