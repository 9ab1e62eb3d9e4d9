"""Layers of a network by name, and a network that gives their values.

A name says whether a value is that before or after its activation. In-place activations overwrite
what was computed, so that a value is copied (or averaged) in the moment in which it is there: a
layer's values do not depend on which other layers are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx, nn

from abl.errors import InputError, nearest
from abl.nets.feature_point import ShapedGraph, feature_point_of, shaped_graph
from abl.nets.fitting_weights import classifier_name
from abl.nets.graph import traced
from abl.nets.registry import remembered

AVERAGE, FULLY_CONNECTED = "avg", "fc"
BEFORE, AFTER = "before", "after"
# of whatever network: its last fully connected layer, else the average of its last map
LAST = "last"

_ACTIVATIONS = (
    "relu", "relu_", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "prelu",
    "hardswish", "hardsigmoid", "hardtanh", "sigmoid", "sigmoid_", "tanh", "tanh_", "softplus",
    "swish", "hard_swish", "hard_sigmoid", "logsigmoid",
)  # fmt: skip
# what may stand between a layer and its activation
_BETWEEN = ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "Identity", "Dropout", "Flatten")


@dataclass(frozen=True)
class Layer:
    """A layer whose values are features: (B, width).

    Attributes:
        name: As it enters an identity: `fc2:after`, `fc2:before`, `avg`, `features_4:after`.
        node: Of the network's graph.
        width: Values of an image.
        shape: Of the node's value for one image, before maps are averaged over their places.
    """

    name: str
    node: str
    width: int
    shape: tuple[int, ...]


@remembered
def layer_of(network: str, name: str, *, classes: int, channels: int, image_size: int) -> Layer:
    """The layer that a name means in a network.

    Args:
        name: `fc1`, `fc2`, ... (fully connected layers in front of the one that gives the classes),
            `avg` (the last feature map, behind its activation, averaged over its places), `last`
            (the last of the fully connected ones, `avg` if there is none), or a module or node of
            the network; with `:before` or `:after` its activation. Without: after it.

    Raises:
        InputError: No such layer, or none with an activation; a network without a graph.
    """
    takes = {"classes": classes, "channels": channels, "image_size": image_size}
    shaped = shaped_graph(network, **takes)
    base, colon, side = name.partition(":")
    if colon and side not in (BEFORE, AFTER):
        raise InputError(f"layer {name}: write {base}:{BEFORE} or {base}:{AFTER}")
    hidden = _fully_connected(network, shaped, takes)
    if base == LAST:
        base = f"{FULLY_CONNECTED}{len(hidden)}" if hidden else AVERAGE
    if base == AVERAGE:
        if colon:
            raise InputError(
                f"layer {name}: the last map is behind its activation: write {AVERAGE}"
            )
        point = feature_point_of(network, **takes)
        return _layer(AVERAGE, point.node, shaped)
    number = base.removeprefix(FULLY_CONNECTED)
    if base.startswith(FULLY_CONNECTED) and number.isdecimal():
        if not 1 <= int(number) <= len(hidden):
            known = [f"{FULLY_CONNECTED}{at + 1}" for at in range(len(hidden))] + [AVERAGE]
            raise InputError(f"network {network} has no layer {base}; it has {', '.join(known)}")
        node = hidden[int(number) - 1]
    else:
        node = _node_named(network, base, shaped)
    behind = _activation(node, shaped)
    if not behind and colon:
        raise InputError(f"layer {name}: no activation follows it in {network}: write {base}")
    if not behind:
        return _layer(base, node, shaped)
    side = side or AFTER
    return _layer(f"{base}:{side}", node if side == BEFORE else behind, shaped, node)


def _layer(name: str, node: str, shaped: ShapedGraph, before: str = "") -> Layer:
    if node not in shaped.shapes:  # inside of a node: what it gives has the layer's channels
        modules = shaped.whole.network
        width = _outputs(modules.get_submodule(before or node))
        return Layer(name, node, width, (width, 1, 1))
    shape = shaped.shapes[node][1:]
    return Layer(name, node, shape[-1] if len(shape) == 2 else shape[0], shape)


def _outputs(module: nn.Module) -> int:
    width = module.out_features if isinstance(module, nn.Linear) else module.out_channels
    return int(width)  # type: ignore[arg-type]


def _fully_connected(network: str, shaped: ShapedGraph, takes: dict[str, int]) -> list[str]:
    """Layers between the last feature map and the one that gives the classes.

    Nodes, or modules inside of one that is a node as a whole (timm's VGG).
    """
    order, whole = shaped.whole.order(), shaped.whole
    try:
        start = order.index(feature_point_of(network, **takes).node)
    except InputError:  # no single last map: it may still have named layers
        return []
    classifier, modules = classifier_name(whole.network), dict(whole.network.named_modules())
    found = []
    for node in whole.graph.nodes:
        behind = order.index(node.name) > start and node.name in whole.points
        if node.op != "call_module" or not behind or not _is_flat(shaped.shapes.get(node.name, ())):
            continue
        module = modules[str(node.target)]
        if isinstance(module, nn.Linear | nn.Conv2d):
            found += [node.name] if node.target != classifier else []
        else:
            found += [
                f"{node.target}.{name}"
                for name, each in module.named_modules()
                if isinstance(each, nn.Linear | nn.Conv2d) and f"{node.target}.{name}" != classifier
            ]
    return found


def _is_flat(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 4 and shape[2:] == (1, 1))


def _node_named(network: str, name: str, shaped: ShapedGraph) -> str:
    """A node of this name, or what a module of this name gives, at its last call."""
    nodes = [node for node in shaped.whole.graph.nodes if node.op not in ("placeholder", "output")]
    named = [node.name for node in nodes if node.name == name]
    inside = [node.name for node in nodes if name in node.meta.get("nn_module_stack", {})]
    found = (named or inside or [""])[-1]
    if not 2 <= len(shaped.shapes.get(found, ())) <= 4:
        modules = {part for node in nodes for part in node.meta.get("nn_module_stack", {})}
        words = [AVERAGE, f"{FULLY_CONNECTED}1", f"{FULLY_CONNECTED}2", *sorted(modules)]
        raise InputError(f"network {network} has no layer '{name}': {nearest(name, words)}")
    return found


def _activation(name: str, shaped: ShapedGraph) -> str:
    """The activation that a node's value goes through, "" if it goes elsewhere."""
    modules = dict(shaped.whole.network.named_modules())
    if name in modules and name not in shaped.shapes:
        return _activation_inside(name, modules)
    node = shaped.whole.node(name)
    while len(node.users) == 1:
        node = next(iter(node.users))
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if _is_activation(node, module):
            return node.name
        if module is None or not any(word in type(module).__name__ for word in _BETWEEN):
            break
    return ""


def _activation_inside(name: str, modules: dict[str, nn.Module]) -> str:
    """The activation registered behind a module of a chain, "" if another layer comes first."""
    behind = list(modules)[list(modules).index(name) + 1 :]
    for each in behind:
        if _is_module_activation(modules[each]):
            return each
        if not any(word in type(modules[each]).__name__ for word in _BETWEEN):
            break
    return ""


def _is_module_activation(module: nn.Module) -> bool:
    return type(module).__module__ == nn.ReLU.__module__ or (
        type(module).__name__.lower().removesuffix("me") in _ACTIVATIONS
    )


def _is_activation(node: fx.Node, module: nn.Module | None) -> bool:
    if module is not None:
        return _is_module_activation(module)
    called = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return node.op in ("call_function", "call_method") and called in _ACTIVATIONS


class Embedder(nn.Module):
    """A network up to some of its layers: (B, C, H, W) -> their values, float32 (B, width) each.

    It shares the network's modules and is in evaluation mode. Maps are averaged over their places,
    sequences (B, tokens, width) over their tokens.
    """

    def __init__(self, network: nn.Module, layers: Sequence[Layer]):
        super().__init__()
        whole = traced(network.eval())
        self._layers = tuple(layers)
        self._caught: dict[str, Tensor] = {}
        nodes = {layer.node for layer in layers} & set(whole.order())
        for name in dict.fromkeys(layer.node for layer in layers if layer.node not in nodes):
            network.get_submodule(name).register_forward_hook(partial(self._catch, name))
        graph, values = fx.Graph(), dict[fx.Node, fx.Node]()
        given: dict[str, fx.Node] = {}
        for node in whole.graph.nodes:
            hooked = len(nodes) < len({layer.node for layer in layers})
            if node.op == "output" or (len(given) == len(nodes) and not hooked):
                break
            values[node] = graph.node_copy(node, lambda each: values[each])
            if node.name in nodes:
                # at once: what follows may overwrite it
                given[node.name] = graph.call_function(_flattened, (values[node],))
        graph.output(tuple(given.values()))
        self._names = tuple(given)
        self.graph = fx.GraphModule(network, graph).eval()

    def _catch(self, name: str, module: nn.Module, given: Any, output: Tensor) -> None:
        self._caught[name] = _flattened(output)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        found = dict(zip(self._names, self.graph(images), strict=True))
        found |= self._caught
        return tuple(found[layer.node].float() for layer in self._layers)


def _flattened(values: Tensor) -> Tensor:
    """A copy of a layer's values as (B, width)."""
    if values.ndim == 4:
        return F.adaptive_avg_pool2d(values, 1).flatten(1).clone()
    if values.ndim == 3:
        return values.mean(dim=1)
    return values.clone()
