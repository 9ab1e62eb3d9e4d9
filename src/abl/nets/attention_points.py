"""Where attention modules stand in a convolutional network: named points, read off its graph."""

from __future__ import annotations

import difflib
import operator
import re
from dataclasses import dataclass

import torch
from torch import nn

from abl.errors import InputError
from abl.nets.feature_point import ShapedGraph, feature_point_of, is_random_node, shaped_graph
from abl.nets.registry import remembered

# a map this much smaller than the one before belongs to the next resolution; convolutions without
# padding lose a few pixels within one
SMALLER = 0.7
_JOINS = (operator.add, operator.iadd, torch.add, torch.cat, torch.concat, "add", "add_")
_ONE = re.compile(r"L\d+")


@dataclass(frozen=True)
class AttentionPoint:
    """A point through which everything flows: a node of the network's graph."""

    name: str  # L0, L1, ..., or B0, B1, ...
    node: str
    width: int  # channels of its map


@dataclass(frozen=True)
class AttentionPoints:
    """The points of a network.

    Attributes:
        levels: The last point of each resolution, in front of any pooling: of ResNet34 behind the
            stem (L0) and behind its four stages (L1 .. L4).
        blocks: Behind every block: where paths meet again (ResNet, DenseNet, Inception); of a
            network without such places (VGG) behind every convolution.
    """

    levels: tuple[AttentionPoint, ...]
    blocks: tuple[AttentionPoint, ...]

    def at(self, points: str) -> tuple[AttentionPoint, ...]:
        """The points that `train.attention.points` names.

        Raises:
            InputError: A name that the network does not have.
        """
        if points == "blocks":
            return self.blocks
        names = [point.name for point in self.levels]
        if points == "all":
            return self.levels
        leaves_out = points.startswith("-")
        given = points.removeprefix("-").split("+")
        if not all(_ONE.fullmatch(name) and name in names for name in given) or (
            len(set(given)) < len(given)
        ):
            words = ["all", "blocks", "each_without", "each_alone", "subsets", *names]
            close = difflib.get_close_matches(points, words, n=1, cutoff=0.6)
            hint = f"did you mean '{close[0]}'? Valid" if close else "valid"
            raise InputError(
                f"placement: '{points}' is not known: {hint}: all, blocks, {names[0]} .. "
                f"{names[-1]}, several as {names[0]}+{names[-1]}, -{names[-1]} for all but it; "
                "each_without, each_alone, subsets for several arms"
            )
        kept = [point for point in self.levels if (point.name in given) != leaves_out]
        if not kept:
            raise InputError(f"placement: {points} leaves no point; that is variant: none")
        return tuple(kept)


def canonical_points(points: str, known: AttentionPoints) -> str:
    """The same for every spelling of the same points; blocks that are levels are these."""
    level_at = {point.node: point.name for point in known.levels}
    if points == "blocks" and any(point.node not in level_at for point in known.blocks):
        return points
    return "+".join(level_at[point.node] for point in known.at(points))


@remembered
def attention_points_of(
    name: str, *, classes: int, channels: int, image_size: int
) -> AttentionPoints:
    """The points of a network.

    Raises:
        InputError: It is no convolutional network, or its graph cannot be read.
    """
    asked = {"classes": classes, "channels": channels, "image_size": image_size}
    end = feature_point_of(name, **asked)
    if not end.is_map:
        raise InputError(
            f"network {name} has no feature maps for attention modules: use a convolutional one, "
            "or variant: none"
        )
    shaped = shaped_graph(name, **asked)
    order = shaped.whole.order()
    last = order.index(end.node)
    maps = [
        point
        for point in shaped.whole.points
        if order.index(point) <= last and len(shaped.shapes.get(point, ())) == 4
    ]
    modules = dict(shaped.whole.network.named_modules())
    convolutions = [
        order.index(node.name)
        for node in shaped.whole.graph.nodes
        if node.op == "call_module" and isinstance(modules[str(node.target)], nn.Conv2d)
    ]
    # the input scaled anew, as GoogLeNet's is, is no feature map
    maps = [point for point in maps if order.index(point) >= convolutions[0]]
    runs = _Runs(shaped, maps, convolutions)
    return AttentionPoints(
        tuple(runs.named("L", runs.ends_of_resolutions())),
        tuple(runs.named("B", runs.ends_of_blocks())),
    )


class _Runs:
    """Points in order, with what lies between them."""

    def __init__(self, shaped: ShapedGraph, maps: list[str], convolutions: list[int]):
        self._shaped, self._maps = shaped, maps
        self._order = {name: at for at, name in enumerate(shaped.whole.order())}
        self._convolutions = convolutions
        self._modules = dict(shaped.whole.network.named_modules())

    def named(self, letter: str, nodes: list[str]) -> list[AttentionPoint]:
        return [
            AttentionPoint(f"{letter}{at}", node, self._shaped.shapes[node][1])
            for at, node in enumerate(nodes)
        ]

    def ends_of_resolutions(self) -> list[str]:
        ends: list[str] = []
        largest = 0
        for point in self._maps:
            side = self._side(point)
            if not ends or side < SMALLER * largest:
                ends.append(point)
                largest = side
            elif not self._is_random(point):
                ends[-1] = point
        return ends

    def ends_of_blocks(self) -> list[str]:
        starts = [point for point in self._maps if self._joins(point)]
        if not starts:
            starts = [
                point
                for before, point in zip(["", *self._maps], self._maps, strict=False)
                if self._convolves(before, point)
            ]
        return [self._settled(point) for point in starts]

    def _settled(self, point: str) -> str:
        """The last point of the same size before anything is convolved again."""
        found = point
        for after in self._maps[self._maps.index(point) + 1 :]:
            if self._side(after) != self._side(point) or self._convolves(found, after):
                break
            if not self._is_random(after):
                found = after
        return found

    def _convolves(self, before: str, point: str) -> bool:
        start = self._order[before] if before else -1
        return any(start < at <= self._order[point] for at in self._convolutions)

    def _joins(self, point: str) -> bool:
        node = self._shaped.whole.node(point)
        inputs = [each for each in node.all_input_nodes if each.op != "get_attr"]
        return node.target in _JOINS and len(inputs) > 1

    def _side(self, point: str) -> int:
        return min(self._shaped.shapes[point][-2:])

    def _is_random(self, point: str) -> bool:
        return is_random_node(self._shaped.whole.node(point), self._modules)
