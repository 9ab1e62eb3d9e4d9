"""Class activation maps: which places of an image speak for a class.

Source: Selvaraju et al., "Grad-CAM", ICCV 2017, section 3; captum's implementation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from abl.errors import InputError
from abl.nets.feature_point import feature_point_of
from abl.nets.graph import traced
from abl.nets.mask_guided import MaskGuided
from abl.nets.model import Assembled, Classifier, Design

LAST_MAP = "last_map"


@dataclass(frozen=True, eq=False)
class Mapped:
    """A network whose last feature map is the output of a module.

    Attributes:
        network: Computes what it did before.
        last: Gives the map (B, channels, h, w): behind the last convolution, its normalisation,
            activation and attention module, in front of any pooling.
        classes: Of the answer.
    """

    network: nn.Module
    last: nn.Module
    classes: int


def has_last_map(design: Design) -> bool:
    """Whether there is a feature map to look at: not in networks of attention blocks, in those
    that cannot be traced, and where two modalities are joined.
    """
    try:
        return _last_node(design) is not None
    except InputError:
        return False


def with_last_map(network: nn.Module, design: Design) -> Mapped:
    """The network with its last feature map named, in the mode it was in.

    It shares its modules with the network given; into one that is a graph already, the module is
    put in place.

    Args:
        network: As a training of this design has made it, its weights loaded.

    Raises:
        InputError: It has no last feature map.
    """
    node = _last_node(design)
    if node is None:
        raise InputError(f"network {design.network} has no last feature map to look at")
    inner = network.network if isinstance(network, Classifier) else network
    if isinstance(inner, MaskGuided):
        inner.classifier = marked = _marked(inner.classifier, node)
    elif isinstance(inner, Assembled):
        inner.extractors[0] = marked = _marked(inner.extractors[0], node)
    else:
        network = marked = _marked(inner, node)
    return Mapped(network, marked.get_submodule(LAST_MAP), design.classes)


def grad_cam(
    given: Mapped, inputs: tuple[Tensor, ...], *, predicted: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Grad-CAM of the malignant class (1) or, of more than two classes, of the predicted one.

    The gradient of the class's logit, averaged over the map's places, weighs the channels of the
    last feature map; what of their sum is above 0 speaks for the class. In evaluation mode an
    image's map does not depend on the others in its batch.

    Args:
        inputs: What the network takes: images (B, C, S, S), and masks if it is given some.
        predicted: Of two classes too, the predicted one.

    Returns:
        Maps float32 (B, h, w) >= 0; the class int64 (B,); its probability float64 (B,), which
        needs the logits' own precision; logits (B, 1, S, S) of the predicted mask, or None.
    """
    from captum.attr import LayerGradCam

    with torch.no_grad():
        output = given.network(*inputs)
    logits, masks = output if isinstance(output, tuple) else (output, None)
    chosen = torch.ones(len(logits), dtype=torch.int64, device=logits.device)
    if given.classes > 2 or predicted:
        chosen = logits.argmax(1)
    p = logits.double().softmax(1).gather(1, chosen[:, None])[:, 0]

    def answer(*each: Tensor) -> Any:
        found = given.network(*each)
        return found[0] if isinstance(found, tuple) else found

    cam: Any = LayerGradCam(answer, given.last).attribute(
        inputs if len(inputs) > 1 else inputs[0], target=chosen, relu_attributions=True
    )
    return cam.detach()[:, 0].float(), chosen, p, masks


def _last_node(design: Design) -> str | None:
    if design.fusion != "none":
        return None
    point = feature_point_of(design.network, **design.takes)
    return point.node if point.is_map else None


def _marked(network: nn.Module, node: str) -> fx.GraphModule:
    """The network with an identity behind a node, or behind the attention module that follows."""
    if isinstance(network, fx.GraphModule) and hasattr(network, LAST_MAP):
        return network
    given = network.graph if isinstance(network, fx.GraphModule) else traced(network).graph
    graph, values = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.output(graph.graph_copy(given, values))
    found = next(each for each in given.nodes if each.name == node)
    behind = [user for user in found.users if str(user.target).startswith("attention.")]
    last = values[behind[0] if behind else found]
    with graph.inserting_after(last):
        identity = graph.call_module(LAST_MAP)
    last.replace_all_uses_with(identity)
    identity.args = (last,)
    network.add_module(LAST_MAP, nn.Identity())
    made = fx.GraphModule(network, graph)
    delattr(network, LAST_MAP)  # a sequence would run it behind its classifier
    made.train(network.training)
    return made
