"""Where a network can be frozen: after each convolution, stage or transformer block.

"The first n convolutions" (Qin et al. 2020) are counted in the order in which the network computes
them. In front of boundary n lies everything that is used before convolution n + 1 starts: their
biases, the normalisations between them with their statistics, squeeze-and-excitation. Networks with
attention are counted in blocks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from abl.errors import InputError
from abl.nets.execution import Call, Execution, execution_of
from abl.nets.registry import remembered

_STAGE = re.compile(r"stage (\d+)")
_NEARLY_STAGE = re.compile(r"\s*(?:stage|layer|block)[\s_]*(\d+)\s*", re.IGNORECASE)
_ATTENTION = re.compile(r"Attention(V\d+)?$")  # ShiftedWindowAttentionV2
_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True)
class Boundary:
    """One place to freeze up to.

    Attributes:
        n: Convolutions or blocks in front of it.
        unit: Name of the last of them, "" for n = 0.
        stage: The stage it is in, from 1; 0 for n = 0.
        tensors: Names of the parameters and buffers in front of it, as in the state dict.
        still: Names of the modules in front of it: in evaluation mode whenever they are frozen.
        parameters: Numbers in front of it that could be trained.
        flops: Floating-point operations of one image in front of it.
    """

    n: int
    unit: str
    stage: int
    tensors: frozenset[str]
    still: frozenset[str]
    parameters: int
    flops: int


@dataclass(frozen=True)
class Boundaries:
    """Boundary n of a network at place n; parameters and operations of the whole network."""

    network: str
    unit: str  # convolution or block
    places: tuple[Boundary, ...]
    parameters: int
    flops: int

    def at(self, frozen: int | str) -> Boundary:
        """The boundary that a value of `frozen` names: n, or 'stage k'.

        Raises:
            InputError: Out of range; says what is valid.
        """
        most, stages = len(self.places) - 1, self.places[-1].stage
        valid = f"0 to {most} {self.unit}s, or 'stage 1'" + f" to 'stage {stages}'" * (stages > 1)
        if isinstance(frozen, int) and 0 <= frozen <= most:
            return self.places[frozen]
        named = _STAGE.fullmatch(frozen) if isinstance(frozen, str) else None
        if named and 1 <= int(named.group(1)) <= stages:
            return [place for place in self.places if place.stage <= int(named.group(1))][-1]
        near = _NEARLY_STAGE.fullmatch(str(frozen))
        if near and named is None and 1 <= int(near.group(1)) <= stages:
            raise InputError(
                f"frozen: {frozen!r} is not known: did you mean 'stage {near.group(1)}'? "
                f"({self.network}: {valid})"
            )
        raise InputError(f"frozen: {frozen!r} is out of range for {self.network}: {valid}")


@remembered
def boundaries_of(name: str, *, classes: int, channels: int, image_size: int) -> Boundaries:
    """Where a network can be frozen, found from one forward pass on shapes alone.

    Raises:
        InputError: Unknown name, an image size it cannot take, or a network with neither
            convolutions nor attention.
    """
    run = execution_of(name, classes, channels, image_size)
    blocks = _blocks(run)
    units = [run.call(each) for each in (blocks or run.feature_convolutions)]
    if not units:
        raise InputError(f"frozen: {name} has neither convolutions nor attention blocks")
    end = units[-1].ends if blocks else _end_of_features(run, units[-1])
    starts = [unit.starts for unit in units[1:]]
    stages = _stages(units)
    places = [Boundary(0, "", 0, frozenset(), frozenset(), 0, 0)]
    for n, (unit, time) in enumerate(zip(units, [*starts, end], strict=True), start=1):
        places.append(_boundary(run, n, unit.name, stages[n - 1], time))
    parameters = sum(parameter.numel() for parameter in run.network.parameters())
    word = "block" if blocks else "convolution"
    return Boundaries(name, word, tuple(places), parameters, run.flops[-1])


def _boundary(run: Execution, n: int, unit: str, stage: int, time: int) -> Boundary:
    tensors = frozenset(name for name, used in run.used.items() if used < time)
    still = frozenset(call.name for call in run.calls if call.ends < time)
    parameters = sum(
        parameter.numel() for name, parameter in run.network.named_parameters() if name in tensors
    )
    return Boundary(n, unit, stage, tensors, still, parameters, run.flops[time])


def _end_of_features(run: Execution, last: Call) -> int:
    """When the last convolution has been normalised: what comes then belongs to the head."""
    modules = dict(run.network.named_modules())
    end, size = last.ends, (last.shape or ())[-2:]
    for call in run.calls:
        same_map = call.shape is not None and len(call.shape) == 4 and call.shape[-2:] == size
        if call.starts > last.ends and same_map and isinstance(modules[call.name], _NORMS):
            end = max(end, call.ends)
    return end + 1


def _stages(units: Sequence[Call]) -> list[int]:
    """Stage of each unit, from 1: a new one wherever the map becomes smaller."""
    stages, stage, smallest = [], 1, 0
    for unit in units:
        size = _map_size(unit)
        # squeeze-and-excitation computes on one pixel between maps
        if size > 1 and smallest and size < smallest:
            stage += 1
        if size > 1:
            smallest = min(size, smallest or size)
        stages.append(stage)
    return stages


def _map_size(unit: Call) -> int:
    """Pixels of a convolution's map; numbers in a block's tokens, which fall where they merge."""
    shape = unit.shape or (1,)
    # (B, H, W, C), as Swin has it: height and width come first
    if len(shape) == 4 and shape[0] == 1 and not shape[1] == shape[2] != shape[3]:
        return shape[-1] * shape[-2]
    return math.prod(shape)


def _blocks(run: Execution) -> list[str]:
    """Names of transformer blocks, in order: the nearest modules with attention and an MLP."""
    modules = dict(run.network.named_modules())
    called = {call.name for call in run.calls}
    found: dict[str, int] = {}
    for name, module in modules.items():
        if name not in called or not _ATTENTION.search(type(module).__name__):
            continue
        block = name
        while block:
            block = block.rpartition(".")[0]
            inside = f"{name}."
            if block in called and any(
                isinstance(part, nn.Linear) and not f"{block}.{path}".startswith(inside)
                for path, part in modules[block].named_modules()
            ):
                break
        if block:
            found[block] = run.call(block).starts
    return sorted(found, key=lambda each: found[each])
