"""In which order a network uses its modules and tensors, and what that costs, on shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from abl.errors import InputError
from abl.nets.build import build_network
from abl.nets.fitting_weights import classifier_name
from abl.nets.registry import remembered

if TYPE_CHECKING:  # it loads much, and most trainings count nothing
    from torch.utils.flop_counter import FlopCounterMode

LARGER_PX = 224


@dataclass(frozen=True)
class Call:
    """A module's first call: when it starts and ends, and the shape of what it gives, or None."""

    name: str
    starts: int
    ends: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True, eq=False)
class Execution:
    """One forward pass of a network, in evaluation mode, on one image.

    Attributes:
        network: Its modules, on the meta device.
        calls: Modules in the order of their first call; names as in named_modules.
        used: Parameter or buffer -> time of its first use; not in it if it is never used.
        flops: Floating-point operations before each time.
        feature_convolutions: Names of convolutions that give maps, in order: not those behind the
            last pooling, nor one that gives the classes.
    """

    network: nn.Module
    calls: tuple[Call, ...]
    used: Mapping[str, int]
    flops: tuple[int, ...]
    feature_convolutions: tuple[str, ...]

    def call(self, name: str) -> Call:
        """The first call of a module. Raises KeyError if it is never called."""
        return next(call for call in self.calls if call.name == name) if name else self.calls[0]


@remembered
def execution_of(name: str, classes: int, channels: int, image_size: int) -> Execution:
    """How a network runs.

    Raises:
        InputError: Unknown name, or an image size it cannot take.
    """
    found = _executed(name, classes, channels, image_size)
    if image_size >= LARGER_PX:
        return found
    # a map of one pixel cannot be told from a pooled one: what comes when is read off a larger
    # image, what it costs off one of the size asked for
    try:
        larger = _executed(name, classes, channels, LARGER_PX)
    except (InputError, RuntimeError):  # a network of a fixed size
        return found
    same = len(larger.flops) == len(found.flops) and set(larger.used) == set(found.used)
    return replace(larger, network=found.network, flops=found.flops) if same else found


def meta_network(name: str, *, classes: int, channels: int, image_size: int) -> nn.Module:
    """A network of shapes alone (meta device), in training mode; errors of build_network."""
    try:
        with torch.device("meta"):
            return build_network(name, classes=classes, channels=channels, image_size=image_size)
    except InputError:
        # RegNet computes its widths with tensors, which need real ones
        network = build_network(name, classes=classes, channels=channels, image_size=image_size)
        return network.to("meta")


def _executed(name: str, classes: int, channels: int, image_size: int) -> Execution:
    from torch.utils.flop_counter import FlopCounterMode

    network = meta_network(name, classes=classes, channels=channels, image_size=image_size).eval()
    image = torch.empty(1, channels, image_size, image_size, device="meta")
    counter = FlopCounterMode(display=False)
    clock = _Clock(network, counter)
    with torch.no_grad(), counter, clock:
        network(image)
    clock.remove()
    calls = tuple(clock.calls.values())
    return Execution(
        network,
        calls,
        clock.used_with_siblings(),
        tuple(clock.flops),
        _feature_convolutions(network, calls),
    )


def _feature_convolutions(network: nn.Module, calls: tuple[Call, ...]) -> tuple[str, ...]:
    modules = dict(network.named_modules())
    classifier = classifier_name(network)
    convolutions = [call for call in calls if isinstance(modules[call.name], nn.Conv2d)]
    if convolutions and convolutions[-1].name == classifier:
        convolutions = convolutions[:-1]
    maps = [at for at, call in enumerate(convolutions) if _pixels(call.shape) > 1]
    last = maps[-1] + 1 if maps else len(convolutions)
    return tuple(call.name for call in convolutions[:last])


def _pixels(shape: tuple[int, ...] | None) -> int:
    return shape[-1] * shape[-2] if shape is not None and len(shape) == 4 else 0


class _Clock(TorchDispatchMode):
    """Ticks at the start and the end of every module's call, and sees every tensor used."""

    def __init__(self, network: nn.Module, counter: FlopCounterMode):
        super().__init__()
        self.calls: dict[str, Call] = {}
        self.flops: list[int] = [0]
        self._counter = counter
        self._used: dict[int, int] = {}
        self._named = {
            **dict(network.named_parameters(remove_duplicate=False)),
            **dict(network.named_buffers(remove_duplicate=False)),
        }
        self._tensors = {id(tensor) for tensor in self._named.values()}
        self._handles = []
        for name, module in network.named_modules():
            self._handles.append(module.register_forward_pre_hook(self._starts(name)))
            self._handles.append(module.register_forward_hook(self._ends(name)))

    def _tick(self) -> int:
        self.flops.append(self._counter.get_total_flops())
        return len(self.flops) - 1

    def _starts(self, name: str) -> Any:
        def hook(*_: Any) -> None:
            now = self._tick()
            self.calls.setdefault(name, Call(name, now, -1, None))

        return hook

    def _ends(self, name: str) -> Any:
        def hook(_module: nn.Module, _given: Any, output: Any) -> None:
            now = self._tick()
            call = self.calls[name]
            if call.ends < 0:
                shape = tuple(output.shape) if isinstance(output, Tensor) else None
                self.calls[name] = Call(name, call.starts, now, shape)

        return hook

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in tree_leaves((args, kwargs)):
            if id(value) in self._tensors:
                self._used.setdefault(id(value), len(self.flops) - 1)
        return func(*args, **(kwargs or {}))

    def used_with_siblings(self) -> dict[str, int]:
        """Time of each tensor; one that a forward pass in evaluation mode does not read (the
        number of batches seen) has that of the module's others."""
        used = {
            name: self._used[id(tensor)]
            for name, tensor in self._named.items()
            if id(tensor) in self._used
        }
        by_module: dict[str, int] = {}
        for name, time in used.items():
            owner = name.rpartition(".")[0]
            by_module[owner] = min(time, by_module.get(owner, time))
        for name in self._named:
            owner = name.rpartition(".")[0]
            if name not in used and owner in by_module:
                used[name] = by_module[owner]
        return used

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
