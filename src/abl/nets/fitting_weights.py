"""Which tensors of a file a network takes, what is adapted for it, and whether they are numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from abl.errors import InputError
from abl.nets.state_names import fitting_names, unlike_names

State = dict[str, Tensor]

# heads used only in training by GoogLeNet and Inception-v3; the networks here are built without
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


class Fitted(NamedTuple):
    """What a network takes of a file.

    Attributes:
        state: The tensors, by the network's names.
        said: How the file's names are read; "" if they are the network's.
        adapted: What is not loaded as it is in the file, a sentence each.
    """

    state: State
    said: str
    adapted: tuple[str, ...]


def fitting_state(network: nn.Module, state: Mapping[str, Tensor], *, source: str) -> Fitted:
    """Exactly the tensors that a network wants, see `weights.load_state`, and what is to be said.

    Raises:
        InputError: as `load_state`.
    """
    wanted = network.state_dict()
    names = fitting_names(state, wanted)
    if names.fault:
        raise InputError(f"weights: {source} does not fit the network: {names.fault}")
    if names.prefix:
        start = len(names.prefix)
        state = {
            name[start:]: value for name, value in state.items() if name.startswith(names.prefix)
        }
    head, stem = classifier_name(network), _names_of(network, nn.Conv2d)[0]
    fitting: State = {}
    problems, adapted, left = list[str](), list[str](), set[str]()
    for name, target in wanted.items():
        value = state.get(name)
        if value is None:
            if name.endswith("num_batches_tracked"):  # not in files of before PyTorch 0.4.1
                fitting[name] = target
                continue
            problems.append(f"{name} is missing")
            continue
        if name == f"{stem}.weight" and is_rgb_for_grey(value, target):
            value = value.sum(dim=1, keepdim=True)
            adapted.append(summed(name))
        if value.shape == target.shape:
            fitting[name] = value
        elif name in (f"{head}.weight", f"{head}.bias"):
            fitting[name] = target
            if not name.endswith(".bias") or f"{head}.weight" not in left:
                adapted.append(_left_out(name, value, target))
            left.add(name)
        else:
            shapes = f"{tuple(value.shape)}, the network's {tuple(target.shape)}"
            problems.append(f"{name} has shape {shapes}")
    unused = [name for name in state if name not in wanted and name.startswith(_AUXILIARY)]
    if unused:
        adapted.append(f"its auxiliary heads are left out ({unused[0]}, ...)")
    problems += [
        f"{name} is not in the network"
        for name in state
        if name not in wanted and not name.startswith(_AUXILIARY)
    ]
    if problems:
        unlike = "" if names.prefix else unlike_names(state, wanted)
        read = f" (read by {names.said})" if names.said else f" ({unlike})" if unlike else ""
        shown = "; ".join(problems[:6])
        more = f"; and {len(problems) - 6} more" if len(problems) > 6 else ""
        raise InputError(f"weights: {source} does not fit the network{read}: {shown}{more}")
    check_values(network, fitting, source)
    return Fitted(fitting, names.said, tuple(adapted))


def summed(name: str) -> str:
    """What is said of a first convolution of three channels that becomes one of one."""
    return f"its first layer of three channels ({name}) is summed to one channel"


def _left_out(name: str, value: Tensor, target: Tensor) -> str:
    shapes = f"{tuple(value.shape)}, the network's {tuple(target.shape)}"
    return f"its last layer ({name} {shapes}) is left out and starts untrained"


def check_values(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Raises InputError for tensors that hold no finite numbers, and for booleans.

    Args:
        network: Real, or on the meta device.
        state: What it is about to take; on the meta device is what no file gives.
    """
    learned = {name for name, _ in network.named_parameters()}
    wanted = network.state_dict()
    logical, infinite = [], []
    for name, value in state.items():
        target = wanted[name]
        if value.is_meta or not target.is_floating_point():
            continue
        if value.dtype == torch.bool:
            logical.append(name)
        elif value.is_floating_point():
            numbers = value.float() if value.element_size() == 1 else value
            # a mask that a network keeps beside its weights may be infinite
            faulty = ~torch.isfinite(numbers) if name in learned else torch.isnan(numbers)
            if faulty.any():
                infinite.append(name)
    told = [f"holds values that are not finite (layer {_few(infinite)})"] if infinite else []
    told += [f"holds booleans where numbers are needed (layer {_few(logical)})"] if logical else []
    if told:
        raise InputError(f"weights: {source} {' and '.join(told)}")


def _few(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def classifier_name(network: nn.Module) -> str:
    """Name of the layer that gives the logits: the last Linear or Conv2d, as registered."""
    return _names_of(network, nn.Linear | nn.Conv2d)[-1]


def is_rgb_for_grey(value: Tensor, target: Tensor) -> bool:
    """Whether a first convolution of three channels is to become one of one channel."""
    return (
        value.ndim == 4
        and value.shape[1] == 3
        and tuple(target.shape) == (value.shape[0], 1, *value.shape[2:])
    )


def _names_of(network: nn.Module, kind: Any) -> list[str]:
    """Names of the modules of a kind, as registered; [""] if there are none."""
    return [name for name, each in network.named_modules() if isinstance(each, kind)] or [""]
