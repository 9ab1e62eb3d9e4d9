"""In which order in memory a network's images and feature maps lie: `train.memory_format: auto`.

The rule, by what the sweep file says alone, so that it chooses the same on every machine:

- `channels_last` on a CPU for convolutional networks in which much time goes into memory: those of
  this package, and the families of `CONVOLUTIONAL`, of torchvision and of timm;
- `contiguous` on a GPU, where nothing was measured;
- `contiguous` for AlexNet, VGG, ConvNeXt and transformers, whose time is in large matrix products:
  they gain nothing, and what was trained of them before there was a rule stays valid;
- `contiguous` where the network, head, fusion mode or attention variant is of a user's own file: it
  may count on that order (`x.view(len(x), -1)` fails on the other).

Measured by a training step, one thread: benchmarks/memory_format.py. Other kernels add up in
another order, so that what was chosen is part of a training's identity. A name decides, and not
what the network is made of, because a plan imports no framework.
"""

from __future__ import annotations

from typing import Literal

from abl.nets.registry import NETWORKS, split_name
from abl.nets.user_module import component_identity
from abl.spec.train import Train

ChosenFormat = Literal["contiguous", "channels_last"]
# how names begin in torchvision and timm; a training step was 1.05 to 2.3 times faster
CONVOLUTIONAL = (
    "densenet", "efficientnet", "googlenet", "inception_v3", "mnasnet", "mobilenet", "regnet_",
    "resnet", "resnext", "seresnet", "shufflenet", "squeezenet", "wide_resnet", "xception",
)  # fmt: skip


def with_chosen_format(train: Train, *, gpus: float, network: str = "") -> Train:
    """The settings with a memory format that is no longer `auto`.

    Args:
        gpus: What a training asks for (resources.gpus); above 0 it runs on a GPU.
        network: The one that is trained, if it is not train.network.
    """
    if train.memory_format != "auto":
        return train
    is_own = not network and "module" in component_identity(train.components)
    gains = gpus <= 0 and not is_own and gains_by_channels_last(network or train.network)
    chosen: ChosenFormat = "channels_last" if gains else "contiguous"
    return train.model_copy(update={"memory_format": chosen})


def gains_by_channels_last(network: str) -> bool:
    """Whether a network is trained faster in that format on a CPU, by its name."""
    known = NETWORKS.entry(network)
    if known is not None:
        return known.module.startswith("abl.")
    return split_name(network)[1].startswith(CONVOLUTIONAL)
