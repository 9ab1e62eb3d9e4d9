"""A classifier with attention modules at its points, and the branch that predicts their mask.

Source: Liu et al., Front. Med. 2026, doi 10.3389/fmed.2026.1694174; the branch is a U-Net
(Ronneberger et al. 2015) with a timm network as its encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, fx, nn

from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.nets.attention_points import AttentionPoint, attention_points_of
from abl.nets.attention_variants import min_max, resized_mask
from abl.nets.cost import numbers_and_flops
from abl.nets.graph import Traced, traced
from abl.nets.model import Classifier, Design, build_classifier
from abl.nets.own_parts import made_part
from abl.spec.attention import MASKS, VARIANTS, Attention, Segmentation


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

        Masks are in [0, 1]: what the branch learns from, or the control in its prediction's place.
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
    """An attention module with its mask, if it looks at one, brought to the features' size."""

    def __init__(self, module: nn.Module, *, guided: bool, stretched: bool):
        super().__init__()
        self.module = module
        self._guided, self._stretched = guided, stretched

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        if not self._guided:
            alone: Tensor = self.module(features)
            return alone
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
    points = attention_points_of(design.network, **design.takes).at(attention.points)
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
        hint = nearest(attention.variant, words) + VARIANTS.own_words()
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
    try:
        attention_points_of(design.network, **design.takes).at(attention.points)
    except InputError as error:
        found += [problem.message for problem in error.problems]
    if attention.is_predicted or attention.mask not in MASKS:
        try:
            _segmenter_of_shapes(branch, design.channels)
        except InputError as error:
            found += [problem.message for problem in error.problems]
    return found


def without_weights(attention: Attention) -> Attention:
    """The same with a branch that starts from no weights."""
    branch = attention.segmentation.model_copy(update={"weights": "none"})
    return attention.model_copy(update={"segmentation": branch})


def _with_modules(
    whole: Traced, points: Sequence[AttentionPoint], attention: Attention
) -> fx.GraphModule:
    """The network (images, mask) -> logits with a module behind each point."""
    name, reduction = attention.variant, attention.reduction
    build, entry = VARIANTS[name], VARIANTS.entry(name)
    modules = {
        point.name: _AtSize(
            made_part("variant", name, entry, build, point.width, reduction),
            guided=attention.is_guided,
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


def build_segmenter(settings: Segmentation, channels: int) -> nn.Module:
    """A network (B, channels, S, S) -> logits (B, 1, S, S) of belonging to the nodule.

    S is a multiple of 2 to the power of the encoder's depth. From segmentation-models-pytorch.

    Raises:
        InputError: The encoder is not known, or has fewer stages.
    """
    import segmentation_models_pytorch as smp
    import timm

    if settings.encoder not in timm.list_models(settings.encoder):
        raise InputError(
            f"segmentation.encoder: '{settings.encoder}' is no network of timm: resnet18, "
            "resnet10t, mobilenetv3_small_050, ..."
        )
    stages = [settings.width * 2**at for at in reversed(range(settings.depth))]
    try:
        network = smp.Unet(
            f"tu-{settings.encoder}",
            encoder_depth=settings.depth,
            encoder_weights=None if settings.weights == "none" else "imagenet",
            decoder_channels=stages,
            in_channels=channels,
            classes=1,
        )
    except (ValueError, RuntimeError, KeyError, AttributeError, IndexError) as error:
        raise InputError(
            f"segmentation.encoder: {settings.encoder} cannot be the encoder of a U-Net of depth "
            f"{settings.depth} ({str(error).splitlines()[0]})"
        ) from error
    return Segmenter(network)


class Segmenter(nn.Module):
    """A U-Net that may be fed images together with the masks that its loss reads."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet

    def forward(self, images: Tensor, masks: Tensor | None = None) -> Tensor:
        """(B, C, S, S) -> logits (B, 1, S, S)."""
        logits: Tensor = self.unet(images)
        return logits


@cache
def _segmenter_of_shapes(settings: Segmentation, channels: int) -> nn.Module:
    """As `build_segmenter`, on the meta device."""
    with torch.device("meta"):
        return build_segmenter(settings.model_copy(update={"weights": "none"}), channels)


@cache
def segmenter_flops(settings: Segmentation, channels: int, image_size: int) -> int:
    """FLOPs of a forward pass of the branch on one image, found on shapes alone."""
    network = _segmenter_of_shapes(settings, channels).eval()
    return numbers_and_flops(network, channels, image_size)[1]


def size_problem(settings: Segmentation, image_size: int) -> str | None:
    """What is wrong with the size of the images, or None."""
    step = 2**settings.depth
    if image_size % step == 0:
        return None
    near = max(round(image_size / step), 1) * step
    return (
        f"image.size: {image_size} is no multiple of {step}, which a segmentation branch of depth "
        f"{settings.depth} needs: use {near}"
    )


def overlap(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Dice and intersection over union of each image, float32 (B,); nan where both are empty.

    Of nothing found in nothing neither is defined: counted as 1, images without a nodule would
    raise the mean of a branch that finds none anywhere.

    Args:
        logits: (B, 1, S, S); above 0 is nodule.
        masks: (B, 1, S, S) in [0, 1]; above a half is nodule.
    """
    found, true = (logits > 0).flatten(1), (masks > 0.5).flatten(1)
    both = (found & true).sum(1).float()
    sizes = found.sum(1).float() + true.sum(1).float()
    return 2 * both / sizes, both / (sizes - both)  # 0 / 0 is nan
