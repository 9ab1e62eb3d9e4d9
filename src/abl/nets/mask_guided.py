"""A classifier with attention modules at its points, and the branch that predicts their mask.

Source: Liu et al., Front. Med. 2026, doi 10.3389/fmed.2026.1694174.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx, nn

from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.nets.attention_points import AttentionPoint, AttentionPoints, attention_points_of
from abl.nets.graph import Traced, traced
from abl.nets.mask_attention import VARIANTS, min_max, resized_mask
from abl.nets.model import Classifier, Design, build_classifier
from abl.nets.segmentation import build_segmenter, check_segmenter, size_problem
from abl.spec.attention import MASKS, Attention


class MaskGuided(nn.Module):
    """Images, and masks where they are given, to logits.

    Args:
        classifier: (B, C, S, S) images and (B, 1, S, S) masks -> logits (B, classes).
        segmenter: (B, C, S, S) -> logits (B, 1, S, S) of the mask; None where masks are given, or
            all ones.
        detach: Whether the classification loss stops in front of the predicted mask.
        given: Whether masks are given.
    """

    def __init__(
        self, classifier: nn.Module, segmenter: nn.Module | None, *, detach: bool, given: bool
    ):
        super().__init__()
        self.classifier, self.segmenter = classifier, segmenter
        self._detach, self._given = detach, given

    def forward(
        self, images: Tensor, masks: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Logits (B, classes); with a segmentation branch also its logits (B, 1, S, S).

        Args:
            images: (B, C, S, S).
            masks: (B, 1, S, S) in [0, 1]; what the branch learns from, or the control that takes
                the place of its prediction.
        """
        if self.segmenter is not None:
            found: Tensor = self.segmenter(images)
            mask = torch.sigmoid(found)
            return self.classifier(images, mask.detach() if self._detach else mask), found
        if masks is None or not self._given:
            masks = images.new_ones(len(images), 1, *images.shape[-2:])
        logits: Tensor = self.classifier(images, masks)
        return logits


class _AtSize(nn.Module):
    """An attention module with its mask brought to the features' size."""

    def __init__(self, module: nn.Module, *, stretched: bool):
        super().__init__()
        self.module = module
        self._stretched = stretched

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        height, width = features.shape[-2:]
        small = resized_mask(mask.to(features.dtype), height, width)
        found: Tensor = self.module(features, min_max(small) if self._stretched else small)
        return found


def build_guided(design: Design, attention: Attention) -> Classifier:
    """A classifier with attention, on the CPU, in training mode, its frozen part marked.

    The backbone draws its weights first, so that every variant starts from the same ones.

    Raises:
        InputError: A part that is not known or does not fit the others.
    """
    raise_if_any([Problem(text) for text in guided_problems(design, attention)])
    points = _points_of(design).at(attention.points)
    plain = build_classifier(design)
    classifier = _with_modules(traced(plain.network), points, attention)
    segmenter = None
    if attention.is_predicted:
        segmenter = build_segmenter(attention.segmentation, design.channels)
    whole = MaskGuided(
        classifier, segmenter, detach=attention.detach, given=attention.masks is not None
    )
    prefix = "classifier."
    return Classifier(
        whole,
        {f"{prefix}{name}" for name in plain.frozen},
        {f"{prefix}{name}" for name in design.boundary.still},
    )


def guided_problems(design: Design, attention: Attention) -> list[str]:
    """Everything that keeps a classifier with attention from being made."""
    found = []
    if attention.variant not in VARIANTS:
        words = ["none", *VARIANTS]
        hint = nearest(attention.variant, words)
        found.append(f"variant: '{attention.variant}' is not known: {hint}")
    if attention.mask not in MASKS:
        hint = nearest(attention.mask, MASKS)
        found.append(f"mask: '{attention.mask}' is not known: {hint}")
    if (design.head, design.fusion) != ("fc", "none"):
        found.append(
            f"variant: {attention.variant} works with head: fc and fusion: none "
            f"(given: {design.head}, {design.fusion})"
        )
    branch = attention.segmentation
    if attention.is_predicted and (problem := size_problem(branch, design.image_size)):
        found.append(problem)
    checks: list[Callable[[], object]] = [lambda: _points_of(design).at(attention.points)]
    if attention.is_predicted or attention.mask not in MASKS:
        unweighted = branch.model_copy(update={"weights": "none"})
        checks.append(lambda: check_segmenter(unweighted, design.channels))
    for check in checks:
        try:
            check()
        except InputError as error:
            found += [problem.message for problem in error.problems]
    return found


def _points_of(design: Design) -> AttentionPoints:
    return attention_points_of(
        design.network,
        classes=design.classes,
        channels=design.channels,
        image_size=design.image_size,
    )


def _with_modules(
    whole: Traced, points: Sequence[AttentionPoint], attention: Attention
) -> fx.GraphModule:
    """The network (images, mask) -> logits with a module behind each point."""
    modules = {
        point.name: _AtSize(
            VARIANTS[attention.variant](point.width, attention.reduction),
            stretched=attention.is_predicted,
        )
        for point in points
    }
    whole.network.add_module("attention", nn.ModuleDict(modules))
    behind = {point.node: f"attention.{point.name}" for point in points}
    graph, values = fx.Graph(), dict[fx.Node, fx.Node]()
    inputs = [node for node in whole.graph.nodes if node.op == "placeholder"]
    values[inputs[0]] = graph.placeholder("images")
    mask = graph.placeholder("mask")
    for node in whole.graph.nodes:
        if node in inputs:
            continue
        if node.op == "output":
            graph.output(fx.node.map_arg(node.args[0], lambda each: values[each]))
            break
        values[node] = graph.node_copy(node, lambda each: values[each])
        if node.name in behind:
            values[node] = graph.call_module(behind[node.name], (values[node], mask))
    return fx.GraphModule(whole.network, graph)
