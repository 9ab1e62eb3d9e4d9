"""Weights of a network without its own classifier: those in front of its last feature map.

The GAP network of Qin et al. (2020) is trained on ImageNet without fully connected layers. A file
of such a network has no tensors for these, and fits what lies in front of a `gap` head.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from abl.errors import InputError
from abl.nets.feature_point import feature_point_of
from abl.nets.fitting_weights import (
    Fitted,
    State,
    check_values,
    fitting_state,
    is_rgb_for_grey,
    summed,
)
from abl.nets.graph import traced
from abl.nets.state_names import fitting_names, listed_names
from abl.nets.weights import existing_file, read_state

GAP = "gap"  # the head that needs none of a network's own layers


def is_file(weights: str) -> bool:
    """Whether weights come from a file."""
    return weights not in ("none", "imagenet")


def headless_state(
    network: nn.Module, state: Mapping[str, Tensor], *, source: str, name: str, **takes: int
) -> Fitted:
    """The tensors of a file for what a network has in front of its last feature map, and what is to
    be said of names; {} if the file fits the whole network, or there is no such map.

    Args:
        network: Real, or on the meta device.
        name, takes: As the network was made: its name, classes, channels, image_size.

    Raises:
        InputError: Tensors are missing or of another shape.
    """
    nothing = Fitted({}, "", ())
    try:
        fitting_state(network, state, source=source)
    except InputError:
        pass
    else:
        return nothing
    point = feature_point_of(name, **takes)
    if not point.is_map:
        return nothing
    piece = traced(network).piece("", point.node)
    wanted = piece.state_dict()
    names = fitting_names(state, wanted)
    if names.fault:
        raise InputError(f"weights: {source} does not fit the network: {names.fault}")
    fitting: State = {}
    problems, adapted = list[str](), list[str]()
    for key, target in wanted.items():
        value = state.get(names.prefix + key)
        if value is None:
            if key.endswith("num_batches_tracked"):
                fitting[key] = target
                continue
            problems.append(f"{key} is missing")
            continue
        if is_rgb_for_grey(value, target):
            value = value.sum(dim=1, keepdim=True)
            adapted.append(summed(key))
        if value.shape == target.shape:
            fitting[key] = value
        else:
            problems.append(f"{key} has shape {tuple(value.shape)}, not {tuple(target.shape)}")
    if problems:
        raise InputError(
            f"weights: {source} does not fit what {name} has in front of head {GAP}: "
            f"{listed_names(problems)}"
        )
    check_values(piece, fitting, source)
    said = "its convolutions alone: the layers of its classifier are not used"
    said = f"{said}; {names.said}" if names.said else said
    return Fitted(fitting, said, tuple(adapted))


def load_headless(network: nn.Module, path: str, *, name: str, **takes: int) -> bool:
    """Copies a file's weights into what lies in front of a network's last feature map, in place.

    Returns:
        Whether it did: a file that fits the whole network is left to others.

    Raises:
        InputError: As `headless_state`; the file cannot be read.
    """
    file = existing_file(path)
    found = headless_state(network, read_state(file), source=Path(file).name, name=name, **takes)
    if not found.state:
        return False
    network.load_state_dict({**network.state_dict(), **found.state})
    return True
