"""A classifier taken apart where its frozen part ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from abl.nets.graph import NotTraceableError, last_frozen_point, traced
from abl.nets.model import Assembled, Classifier, Design, build_classifier


class _Behind(nn.Module):
    """What lies behind the cuts of a classifier: cached features, a tensor a branch -> logits."""

    def __init__(self, rests: Sequence[nn.Module], after: nn.Module | None):
        super().__init__()
        self._rests, self._after = list(rests), after

    def forward(self, *features: Tensor) -> Tensor:
        maps = [rest(each) for rest, each in zip(self._rests, features, strict=True)]
        if self._after is None:
            only: Tensor = maps[0]
            return only
        if isinstance(self._after, Assembled) and self._after.join is not None:
            return self._after.joined(*maps)
        logits: Tensor = self._after.head(maps[0])  # type: ignore[operator]
        return logits


@dataclass(frozen=True, eq=False)
class Cut:
    """A classifier taken apart where its frozen part ends.

    Attributes:
        point: Name of the point in the backbone's graph.
        fronts: (B, C, H, W) -> features, one a branch, in evaluation mode.
        behind: Features, one tensor a branch -> logits; shares the classifier's modules.
    """

    point: str
    fronts: tuple[nn.Module, ...]
    behind: nn.Module


def cut_of(design: Design, classifier: Classifier) -> Cut | None:
    """The classifier in two parts, where the frozen one ends; None if it has no frozen front.

    Raises:
        NotTraceableError: The network cannot be cut.
    """
    joined = design.joined
    if design.frozen == 0 or (joined is not None and joined.at == "input"):
        # a learned layer in front of the frozen ones: nothing is constant
        return None
    boundary, network = design.boundary, classifier.network
    if joined is None and design.head == "fc":
        branches, after = [traced(network)], None
    else:
        assert isinstance(network, Assembled)
        branches, after = [traced(each) for each in network.extractors], network
    point = last_frozen_point(branches[0], boundary.tensors, boundary.still)
    if point is None:
        return None
    if joined is not None and len(branches) == 1:
        branches = branches * 2
    fronts = tuple(each.piece("", point).eval() for each in branches)
    return Cut(point, fronts, _Behind([each.piece(point) for each in branches], after))


@lru_cache(maxsize=256)
def cut_point(design: Design) -> str | None:
    """Where `cut_of` cuts a classifier of this design, on shapes alone; None if it does not."""
    try:
        with torch.device("meta"):
            cut = cut_of(design, build_classifier(replace(design, weights="none")).eval())
    except NotTraceableError:
        return None
    return None if cut is None else cut.point


def front_of(design: Design) -> tuple[str, nn.Module] | None:
    """The frozen front of a design's backbone alone, with the name of the point it ends at.

    Raises:
        NotTraceableError: The network cannot be cut.
    """
    alone = replace(design, fusion="none", head="fc")
    cut = cut_of(alone, build_classifier(alone))
    return None if cut is None else (cut.point, cut.fronts[0])
