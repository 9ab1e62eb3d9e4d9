"""A classifier as a sweep asks for it: backbone, frozen part, head, and two modalities."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from abl.errors import InputError, nearest
from abl.nets.boundaries import Boundary, boundaries_of
from abl.nets.build import build_network
from abl.nets.feature_point import feature_point_of
from abl.nets.fusion import Fusion
from abl.nets.graph import traced
from abl.nets.headless_weights import GAP, is_file, load_headless
from abl.nets.heads import OwnHead
from abl.nets.own_parts import made_part
from abl.nets.registry import FUSIONS, HEADS
from abl.spec.data import Image
from abl.spec.train import Train


@dataclass(frozen=True)
class Design:
    """What a classifier is made of; the values of the `train` and `image` blocks.

    Attributes:
        network: Name of the backbone.
        classes: Of the answer.
        channels: Of one modality's image.
        image_size: Side in pixels.
        weights: none, imagenet, or a file.
        head: fc, gap, spp.
        levels: Of spatial pyramid pooling.
        fusion: none for one modality, or how two become one.
        frozen: n or 'stage k'.
    """

    network: str
    classes: int
    channels: int
    image_size: int
    weights: str = "none"
    head: str = "fc"
    levels: tuple[int, ...] = (4, 2, 1)
    fusion: str = "none"
    frozen: int | str = 0

    @property
    def takes(self) -> dict[str, int]:
        """What a network is built for, as `build_network` and what looks at networks ask for it."""
        names = ("classes", "channels", "image_size")
        return {name: getattr(self, name) for name in names}

    @property
    def boundary(self) -> Boundary:
        """Where it is frozen. Raises InputError if that is out of range."""
        if self.frozen == 0:
            return Boundary(0, "", 0, frozenset(), frozenset(), 0, 0)
        return boundaries_of(self.network, **self.takes).at(self.frozen)

    @property
    def joined(self) -> Fusion | None:
        """How two modalities become one, or None. Raises InputError for an unknown mode."""
        if self.fusion == "none":
            return None
        if self.fusion not in FUSIONS:
            words = ["none", *FUSIONS]
            hint = nearest(self.fusion, words) + FUSIONS.own_words()
            raise InputError(f"fusion: '{self.fusion}' is not known: {hint}")
        return FUSIONS[self.fusion]


def design_of(train: Train, image: Image, classes: int) -> Design:
    """What a training asks of its classifier; weights of a pretraining are those of its file."""
    return Design(
        network=train.network,
        classes=classes,
        channels=image.channels,
        image_size=image.size,
        weights=train.weights if isinstance(train.weights, str) else "none",
        head=train.head,
        levels=train.spp_levels,
        fusion=train.fusion,
        frozen=train.frozen,
    )


class Classifier(nn.Module):
    """A network and which of its tensors are frozen.

    Maps (B, C, H, W), or (B, 2C, H, W) with two modalities, to logits (B, classes).
    """

    def __init__(self, network: nn.Module, tensors: Collection[str], still: Collection[str]):
        super().__init__()
        self.network = network
        self._frozen = frozenset(tensors)
        modules = dict(network.named_modules())
        # not registered a second time
        self._still = [modules[name] for name in still if name in modules]
        for name, parameter in network.named_parameters():
            if name in self._frozen:
                parameter.requires_grad_(False)

    def forward(self, *inputs: Tensor) -> Any:
        """What the network gives: logits, and of a segmentation branch its masks."""
        return self.network(*inputs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """That of the network: files of weights fit a network built without this class."""
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Into the network."""
        return self.network.load_state_dict(*args, **kwargs)

    def train(self, mode: bool = True) -> Classifier:
        """As nn.Module.train, but what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in self._still:
            module.eval()
        return self

    @property
    def frozen(self) -> frozenset[str]:
        """Names of the frozen parameters and buffers of `network`."""
        return self._frozen


class Assembled(nn.Module):
    """A backbone's features with another head, or those of two modalities, joined.

    Attributes:
        extractors: One a modality, or one for both.
        join: Makes one of two modalities' features; None for one modality.
        head: Features -> logits.
    """

    def __init__(self, extractors: Sequence[nn.Module], join: nn.Module | None, head: nn.Module):
        super().__init__()
        self.extractors = nn.ModuleList(extractors)
        self.join = join
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        if self.join is None:
            logits: Tensor = self.head(self.extractors[0](images))
            return logits
        first, second = images.chunk(2, dim=1)
        return self.joined(self.extractors[0](first), self.extractors[-1](second))

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits from the two modalities' features."""
        assert self.join is not None
        logits: Tensor = self.head(self.join(first, second))
        return logits


def build_classifier(design: Design) -> Classifier:
    """A classifier on the CPU, in training mode, its frozen part marked.

    Initial weights come from torch's global generator.

    Raises:
        InputError: A part that is not known or does not fit the others; what to use instead.
        StageError: Hub weights that cannot be fetched.
    """
    boundary, joined = design.boundary, design.joined
    if design.head not in HEADS:
        hint = nearest(design.head, HEADS) + HEADS.own_words()
        raise InputError(f"head: '{design.head}' is not known: {hint}")
    backbone = _backbone(design)
    if joined is not None and joined.at == "input":
        inner = _with_head(design, [backbone]) if design.head != "fc" else backbone
        network: nn.Module = nn.Sequential(_join(joined, design.channels), inner)
        prefix = "1.extractors.0." if design.head != "fc" else "1."
        return _classifier(network, boundary, [prefix])
    if joined is None and design.head == "fc":
        return _classifier(backbone, boundary, [""])
    backbones = [backbone]
    if joined is not None and joined.extractors == 2:
        backbones.append(_backbone(design))
    network = _with_head(design, backbones)
    prefixes = [f"extractors.{at}." for at in range(len(backbones))]
    return _classifier(network, boundary, prefixes)


def _backbone(design: Design) -> nn.Module:
    if design.head == GAP and is_file(design.weights):
        network = build_network(design.network, **design.takes, weights="none")
        if load_headless(network, design.weights, name=design.network, **design.takes):
            return network
    return build_network(design.network, **design.takes, weights=design.weights)


def _with_head(design: Design, backbones: Sequence[nn.Module]) -> Assembled:
    joined = design.joined if design.joined and design.joined.at == "features" else None
    point = feature_point_of(design.network, **design.takes)
    if joined is not None and joined.needs_map and not point.is_map:
        raise InputError(
            f"fusion: {joined.name} needs a convolutional network; {design.network} has no last "
            "feature map (late and gated work)"
        )
    graphs = [traced(backbone) for backbone in backbones]
    own = OwnHead(graphs[0], point.node, point.width, point.is_map, design.weights != "none")
    width = point.width * (2 if joined is not None and joined.widens else 1)
    extractors = [graph.piece("", point.node) for graph in graphs]
    join = None if joined is None else _join(joined, point.width)
    given = (own, width, design.classes, design.levels)
    entry = HEADS.entry(design.head)
    head = made_part("head", design.head, entry, HEADS[design.head], *given)
    return Assembled(extractors, join, head)


def _join(mode: Fusion, width: int) -> nn.Module:
    return made_part("fusion", mode.name, FUSIONS.entry(mode.name), mode.build, width)


def _classifier(network: nn.Module, boundary: Boundary, prefixes: Sequence[str]) -> Classifier:
    known = set(network.state_dict()) | {name for name, _ in network.named_buffers()}
    tensors = {f"{prefix}{name}" for prefix in prefixes for name in boundary.tensors}
    still = {f"{prefix}{name}" for prefix in prefixes for name in boundary.still}
    return Classifier(network, tensors & known, still)
