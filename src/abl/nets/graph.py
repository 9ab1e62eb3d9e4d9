"""A network as a graph that can be cut: what lies in front of a point, and what behind it.

At the end adaptive average pooling whose gradient is deterministic on GPUs too.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

# modules that draw random numbers while a network trains
_RANDOM = ("Drop", "Stochastic")


class NotTraceableError(Exception):
    """A network whose forward pass is no fixed sequence of operations."""


@dataclass(frozen=True, eq=False)
class Traced:
    """A network's forward pass as a graph.

    Attributes:
        network: Shares its modules with every piece.
        graph: One input, one output.
        points: Nodes through which everything flows, in order: cut there, only their value has to
            be kept. Names are equal for every network of the same kind.
    """

    network: nn.Module
    graph: fx.Graph
    points: tuple[str, ...]

    def node(self, name: str) -> fx.Node:
        """The node of this name."""
        return next(node for node in self.graph.nodes if node.name == name)

    def order(self) -> list[str]:
        """Names of all nodes as they are computed."""
        return [node.name for node in self.graph.nodes]

    def piece(self, start: str = "", end: str = "") -> fx.GraphModule:
        """What lies behind point `start` ("" the input) up to point `end` ("" the output).

        It holds the network's own modules, under their names there.
        """
        piece, values = fx.Graph(), dict[fx.Node, fx.Node]()
        source = self.node(start) if start else next(iter(self.graph.nodes))
        values[source] = piece.placeholder("given")
        needed = _ancestors(self.node(end) if end else _output(self.graph), stop=source)
        for node in self.graph.nodes:
            if node in values or node not in needed:
                continue
            if node.op == "output":
                piece.output(fx.node.map_arg(node.args[0], lambda each: values[each]))
                return fx.GraphModule(self.network, piece)
            values[node] = piece.node_copy(node, lambda each: values[each])
            if node.name == end:
                break
        piece.output(values[self.node(end)])  # of an empty piece: the point itself
        return fx.GraphModule(self.network, piece)


def traced(network: nn.Module) -> Traced:
    """The graph of a network.

    Raises:
        NotTraceableError: Its operations depend on values, or differ in training.
    """
    training = network.training
    try:
        graphs = []
        for mode in (False, True):
            network.train(mode)
            graphs.append(_Tracer().trace(network, concrete_args=_defaults(network)))
    except Exception as error:  # a tracer fails in as many ways as there are ways to write Python
        raise NotTraceableError(f"{type(error).__name__}: {str(error).splitlines()[0]}") from error
    finally:
        network.train(training)
    if str(graphs[0]) != str(graphs[1]):
        raise NotTraceableError("it computes something else in training")
    inputs = [node for node in graphs[0].nodes if node.op == "placeholder"]
    if any(node.users for node in inputs[1:]):
        raise NotTraceableError("it has more than one input")
    return Traced(network, graphs[0], _points(graphs[0]))


def last_frozen_point(
    whole: Traced, tensors: Collection[str], still: Collection[str]
) -> str | None:
    """The deepest point all of whose ancestors are frozen, or None.

    Args:
        tensors: Names of frozen parameters and buffers.
        still: Names of modules that are in evaluation mode, so that they draw nothing.
    """
    modules = dict(whole.network.named_modules())
    frozen: set[fx.Node] = set()
    deepest, any_computed = None, False
    for node in whole.graph.nodes:
        if node.op == "output":
            break
        own = node.op == "placeholder" or _is_frozen(node, modules, tensors, still)
        if not own or not all(source in frozen for source in node.all_input_nodes):
            continue
        frozen.add(node)
        any_computed = any_computed or bool(_tensors_of(node, modules))
        if node.name in whole.points and any_computed:
            deepest = node.name
    return deepest


def _is_frozen(
    node: fx.Node,
    modules: Mapping[str, nn.Module],
    tensors: Collection[str],
    still: Collection[str],
) -> bool:
    own = _tensors_of(node, modules)
    if any(name not in tensors for name in own):
        return False
    if node.op == "call_module":
        name = str(node.target)
        return name in still or not is_random(modules[name])
    return node.op == "get_attr" or not any(
        word in str(node.target).lower() for word in ("dropout", "stochastic")
    )


def is_random(module: nn.Module) -> bool:
    """Whether a module draws random numbers while a network trains."""
    return any(word in type(each).__name__ for each in module.modules() for word in _RANDOM)


def _tensors_of(node: fx.Node, modules: Mapping[str, nn.Module]) -> list[str]:
    if node.op == "get_attr":
        return [str(node.target)]
    if node.op != "call_module":
        return []
    prefix = str(node.target)
    module = modules[prefix]
    names = [name for name, _ in [*module.named_parameters(), *module.named_buffers()]]
    return [f"{prefix}.{name}" for name in names]


def _points(graph: fx.Graph) -> tuple[str, ...]:
    """Nodes that every path from the input to the output passes."""
    place = {node: at for at, node in enumerate(graph.nodes)}
    needed = _ancestors(_output(graph))
    from_input: set[fx.Node] = set()
    found, reach = [], -1
    for node, at in place.items():
        computed = node.op == "placeholder" or any(n in from_input for n in node.all_input_nodes)
        if not computed or node not in needed:
            continue  # parameters and constants flow in wherever they are used
        from_input.add(node)
        if reach <= at and node.op not in ("placeholder", "output") and _is_tensor(node):
            found.append(node.name)
        users = [place[user] for user in node.users if user in needed]
        reach = max([reach, *users])
    return tuple(found)


def _is_tensor(node: fx.Node) -> bool:
    # what is unpacked afterwards is a tuple, as of chunk
    return not any(user.target is operator.getitem for user in node.users)


def _defaults(network: nn.Module) -> dict[str, object]:
    """Arguments of forward beside the images, at their defaults."""
    given = list(inspect.signature(network.forward).parameters.values())[1:]
    return {each.name: each.default for each in given if each.default is not each.empty}


def _output(graph: fx.Graph) -> fx.Node:
    return next(node for node in graph.nodes if node.op == "output")


def _ancestors(node: fx.Node, stop: fx.Node | None = None) -> set[fx.Node]:
    found, todo = {node}, [node]
    while todo:
        for source in todo.pop().all_input_nodes:
            if source is not stop and source not in found:
                found.add(source)
                todo.append(source)
    return found


class _Tracer(fx.Tracer):
    """Leaves whole: PyTorch's modules, and those whose code depends on values."""

    def __init__(self) -> None:
        from timm.models import get_notrace_functions, get_notrace_modules
        from torchvision.ops import StochasticDepth

        super().__init__(autowrap_functions=tuple(get_notrace_functions()))
        # a LayerNorm that permutes is one layer, which a head of two modalities makes wider
        self._whole = (AdaptiveAveragePool, StochasticDepth, nn.LayerNorm, *get_notrace_modules())

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self._whole) or super().is_leaf_module(m, module_qualified_name)


class AdaptiveAveragePool(nn.Module):
    """As nn.AdaptiveAvgPool2d: (B, C, H, W) -> (B, C, rows, columns), as two matrix products.

    PyTorch's own has no deterministic backward on CUDA; AlexNet and VGG contain it. Bins:
    floor(i * n / out) to ceil((i + 1) * n / out), PyTorch's.
    """

    def __init__(self, rows: int, columns: int):
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, features: Tensor) -> Tensor:
        height, width = features.shape[-2:]
        if (height, width) == (self.rows, self.columns):
            return features
        by_row = _bins(height, self.rows, features)
        by_column = _bins(width, self.columns, features)
        return by_row @ features @ by_column.T


def with_deterministic_pooling(network: nn.Module) -> nn.Module:
    """The network with each AdaptiveAvgPool2d of more than one bin replaced, in place."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.AdaptiveAvgPool2d):
            size = module.output_size
            rows, columns = size if isinstance(size, tuple) else (size, size)
            if rows is not None and columns is not None and (rows, columns) != (1, 1):
                network.set_submodule(name, AdaptiveAveragePool(rows, columns))
    return network


def _bins(size: int, bins: int, like: Tensor) -> Tensor:
    weights = torch.zeros(bins, size)
    for row in range(bins):
        start, end = row * size // bins, -(-(row + 1) * size // bins)
        weights[row, start:end] = 1 / (end - start)
    return weights.to(like.device, like.dtype)
