"""Reading weights from files and putting them into a network, strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from abl.errors import InputError, Problem
from abl.spec.regular_file import sha256_of

State = dict[str, Tensor]

# heads used only in training by GoogLeNet and Inception-v3; the networks here are built without
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# DenseNet files written before PyTorch 0.4.1: 'denselayer1.norm.1.weight' is now '...norm1.weight'
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..+)$")


def weights_fingerprint(path: str | Path) -> str:
    """SHA-256 of a weights file, in hex. Raises InputError if there is no such file."""
    return sha256_of(_existing(path))


def read_state(path: str | Path) -> State:
    """Tensors by name, on the CPU, from a safetensors file or a state dict (weights_only).

    Raises:
        InputError: not there, not readable without unpickling code, or not a state dict.
    """
    file = _existing(path)
    if file.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(file)
        except (safetensors.SafetensorError, ValueError) as error:
            raise InputError(Problem(f"is not a safetensors file: {error}", str(path))) from error
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # broken files make the reader raise IndexError, KeyError, ...
        raise InputError(
            Problem(
                "cannot be read as a state dict of tensors alone; save it with "
                "torch.save(network.state_dict(), ...) or as safetensors",
                str(path),
            )
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise InputError(Problem("holds no state dict (tensors by name)", str(path)))
    return {_current_name(str(name)): value for name, value in content.items()}


def load_state(network: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Copies weights into a network, in place.

    A classifier of another shape keeps its new weights. Three-channel first convolutions are summed
    over the channels for a one-channel network (a grey image repeated gives the same features).
    Everything else must fit.

    Raises:
        InputError: every tensor that is missing, not known or of another shape, in one list.
    """
    network.load_state_dict(fitting_state(network, state, source=source), strict=True)


@cache
def _misfit(
    path: Path, size: int, changed_ns: int, network: str, classes: int, channels: int, side: int
) -> tuple[Problem, ...]:
    from abl.nets.execution import meta_network  # itself reads networks

    try:
        empty = meta_network(network, classes=classes, channels=channels, image_size=side)
    except Exception:  # a network that cannot be made of shapes alone is tried when it trains
        return ()
    try:
        fitting_state(empty, read_state(path), source=path.name)
    except InputError as error:
        told = [each.message.removeprefix("weights: ") for each in error.problems]
        named = [each if path.name in each else f"{path.name} {each}" for each in told]
        fit = f"give a file saved from {network}, or weights: none"
        return tuple(Problem(f"train.weights: {each}; {fit}") for each in named)
    return ()


def weights_problems(
    path: str | Path, network: str, *, classes: int, channels: int, image_size: int
) -> list[Problem]:
    """What is wrong with a file of weights for a network, before anything is trained."""
    file = _existing(path)
    seen = file.stat()  # the arms of a sweep ask for the same again and again
    asked = (file, seen.st_size, seen.st_mtime_ns, network, classes, channels, image_size)
    return list(_misfit(*asked))


def fitting_state(network: nn.Module, state: Mapping[str, Tensor], *, source: str) -> State:
    """Exactly the tensors that a network wants, see `load_state`. Raises InputError as it does."""
    wanted = network.state_dict()
    head, stem = classifier_name(network), _first_convolution_name(network)
    fitting: State = {}
    problems = []
    for name, target in wanted.items():
        value = state.get(name)
        if value is None:
            if name.endswith("num_batches_tracked"):  # not in files of before PyTorch 0.4.1
                fitting[name] = target
                continue
            problems.append(f"{name} is missing")
            continue
        if name == f"{stem}.weight" and _is_rgb_for_grey(value, target):
            value = value.sum(dim=1, keepdim=True)
        if value.shape == target.shape:
            fitting[name] = value
        elif name in (f"{head}.weight", f"{head}.bias"):
            fitting[name] = target
        else:
            shapes = f"{tuple(value.shape)}, the network's {tuple(target.shape)}"
            problems.append(f"{name} has shape {shapes}")
    problems += [
        f"{name} is not in the network"
        for name in state
        if name not in wanted and not name.startswith(_AUXILIARY)
    ]
    if problems:
        shown = "; ".join(problems[:6])
        more = f"; and {len(problems) - 6} more" if len(problems) > 6 else ""
        raise InputError(f"weights: {source} does not fit the network: {shown}{more}")
    return fitting


def classifier_name(network: nn.Module) -> str:
    """Name of the layer that gives the logits: the last Linear or Conv2d, as registered."""
    name = ""
    for candidate, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            name = candidate
    return name


def _existing(path: str | Path) -> Path:
    file = Path(path)
    if not file.is_file():
        raise InputError(
            f"weights: there is no file {path} (valid: none, imagenet, or the path of a "
            "safetensors or state-dict file)"
        )
    return file


def _first_convolution_name(network: nn.Module) -> str:
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return name
    return ""


def _is_rgb_for_grey(value: Tensor, target: Tensor) -> bool:
    return (
        value.ndim == 4
        and value.shape[1] == 3
        and tuple(target.shape) == (value.shape[0], 1, *value.shape[2:])
    )


def _current_name(name: str) -> str:
    name = name.removeprefix("module.")  # saved from DataParallel
    old = _OLD_DENSENET.match(name)
    return old.group(1) + old.group(2) if old else name
