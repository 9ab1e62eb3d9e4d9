"""Where a network's features end and its classifier begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from abl.errors import InputError
from abl.nets.boundaries import boundaries_of
from abl.nets.execution import LARGER_PX, execution_of, meta_network
from abl.nets.fitting_weights import classifier_name
from abl.nets.graph import NotTraceableError, Traced, is_random, traced
from abl.nets.registry import remembered


@dataclass(frozen=True)
class FeaturePoint:
    """The last feature map of a convolutional network, or the vector in front of the classifier.

    It is the value of a node of the network's graph.
    """

    node: str
    width: int
    is_map: bool  # (B, width, H, W), or else (B, width)


@remembered
def feature_point_of(name: str, *, classes: int, channels: int, image_size: int) -> FeaturePoint:
    """Where the features of a network end.

    Of a convolutional network that is behind the last convolution, its normalisation and
    activation, and in front of any pooling: there a head with a pooling of its own begins, and
    there two extractors are joined. Of a network of attention blocks it is the classifier's input.

    Raises:
        InputError: The network cannot be cut there; says why.
    """
    place = boundaries_of(name, classes=classes, channels=channels, image_size=image_size)
    run = execution_of(name, classes, channels, image_size)
    shaped = shaped_graph(name, classes=classes, channels=channels, image_size=image_size)
    whole, shapes = shaped.whole, shaped.shapes
    if place.unit == "block":
        return _vector(name, whole, shapes)
    return _map(name, whole, shapes, run.feature_convolutions[-1])


@dataclass(frozen=True, eq=False)
class ShapedGraph:
    """A network's graph on the meta device, with the shape of what each node gives.

    Attributes:
        shapes: Node -> shape, of two images as large as asked for or, if it takes them, larger: a
            map of one pixel cannot be told from a pooled one.
    """

    whole: Traced
    shapes: dict[str, tuple[int, ...]]


@remembered
def shaped_graph(name: str, *, classes: int, channels: int, image_size: int) -> ShapedGraph:
    """The graph of a network.

    Raises:
        InputError: Its operations depend on values: it has no graph.
    """
    for size in (max(image_size, LARGER_PX), image_size):
        try:
            network = meta_network(name, classes=classes, channels=channels, image_size=size)
            whole = traced(network.eval())
            return ShapedGraph(whole, _shapes(whole, channels, size))
        except NotTraceableError as error:
            raise InputError(
                f"network {name} cannot be cut into features and head ({error}): only head: fc and "
                "fusion none or early work with it"
            ) from error
        except (InputError, RuntimeError):  # of a fixed size
            if size == image_size:
                raise
    raise AssertionError("one of the sizes was the one asked for")


def _map(name: str, whole: Traced, shapes: dict[str, tuple[int, ...]], last: str) -> FeaturePoint:
    order, modules = whole.order(), dict(whole.network.named_modules())
    convolution = next(n for n in whole.graph.nodes if n.op == "call_module" and n.target == last)
    wanted = shapes[convolution.name][-2:]
    found = None
    for node in order[order.index(convolution.name) :]:
        if node not in whole.points:
            continue
        shape = shapes.get(node, ())
        is_channels_last = len(shape) == 4 and shape[1:3] == wanted  # within blocks of ConvNeXt
        if len(shape) == 4 and shape[-2:] != wanted and not is_channels_last:
            break
        if len(shape) != 4 or shape[-2:] != wanted:
            continue
        if is_random_node(whole.node(node), modules):
            break
        found = FeaturePoint(node, shape[1], is_map=True)
    if found is None:
        raise InputError(f"network {name} has no last feature map through which everything flows")
    return found


def _vector(name: str, whole: Traced, shapes: dict[str, tuple[int, ...]]) -> FeaturePoint:
    classifier = classifier_name(whole.network)
    for node in whole.graph.nodes:
        if node.op == "call_module" and node.target == classifier:
            source = node.all_input_nodes[0].name
            while is_random_node(whole.node(source), dict(whole.network.named_modules())):
                source = whole.node(source).all_input_nodes[0].name
            if source in whole.points and len(shapes[source]) == 2:
                return FeaturePoint(source, shapes[source][1], is_map=False)
    raise InputError(f"network {name} has no single vector in front of its classifier")


def is_random_node(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a node draws random numbers while a network trains."""
    return node.op == "call_module" and is_random(modules[str(node.target)])


def _shapes(whole: Traced, channels: int, size: int) -> dict[str, tuple[int, ...]]:
    graph = fx.GraphModule(whole.network, whole.graph)
    with torch.no_grad():
        ShapeProp(graph).propagate(torch.empty(2, channels, size, size, device="meta"))
    found = {}
    for node in whole.graph.nodes:
        about: Any = node.meta.get("tensor_meta")
        if about is not None and hasattr(about, "shape"):
            found[node.name] = tuple(about.shape)
    return found
