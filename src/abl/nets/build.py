"""Networks of each library, made alike: any image size and channels they can take, plain logits."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from abl.errors import InputError, StageError
from abl.nets.graph import with_deterministic_pooling
from abl.nets.own_parts import error_in_words, made_part
from abl.nets.registry import NETWORKS, library_of
from abl.nets.weights import first_line, load_state, not_fetched, read_state, weights_fingerprint

# trained with inputs scaled otherwise than the rest; torchvision converts inside the network
_CONVERT_INPUT = ("googlenet", "inception_v3")
_LARGEST_TRIED = 512
# what PyTorch and model code raise for a map that became too small; also what a faulty user's
# network raises, so the message is passed on
_SHAPE_ERRORS = (RuntimeError, ValueError, AssertionError, ZeroDivisionError)


def build_network(
    name: str, *, classes: int, channels: int, image_size: int, weights: str = "none"
) -> nn.Module:
    """A network on the CPU, in training mode; (B, channels, size, size) -> logits (B, classes).

    Initial weights come from torch's global generator: call train.process.reset_process first.

    Args:
        name: `cnn1`, `resnet18`, `timm/resnet18.a1_in1k`, ... (see network_names).
        weights: `none`, `imagenet`, or the path of a safetensors or state-dict file.

    Raises:
        InputError: unknown name, image size the network cannot take, weights that do not fit.
        StageError: hub weights that cannot be fetched.
    """
    library, plain = library_of(name)
    made = {"abl": _own_network, "torchvision": _torchvision_network, "timm": _timm_network}
    return made[library](plain, classes, channels, image_size, weights)


def _own_network(
    name: str, classes: int, channels: int, image_size: int, weights: str
) -> nn.Module:
    """One of our networks or a user's. Arguments and errors: build_network."""
    builder = NETWORKS[name]
    if weights == "imagenet":
        raise InputError(f"weights: {name} has no ImageNet weights (valid: none, or a file)")
    entry, given = NETWORKS.entry(name), (classes, channels, image_size)
    at = f" for images of {image_size} px"
    network = _built(
        name, image_size, lambda: made_part("network", name, entry, builder, *given, at=at)
    )
    owner = "" if entry is None else entry.owner
    check_image_size(network, name, channels, image_size, classes, owner=owner)
    _load_file(network, weights)
    return network


def _torchvision_network(
    name: str, classes: int, channels: int, image_size: int, weights: str
) -> nn.Module:
    """A torchvision classifier, without auxiliary heads. See build_network."""
    from torchvision import models

    sizes = _torchvision_size(name, image_size)
    extra: dict[str, Any] = {**sizes, "num_classes": classes}
    if name in _CONVERT_INPUT:
        # their own initialisation takes seconds; loaded weights replace it
        extra |= {"aux_logits": False, "init_weights": weights == "none"}
    network = _built(name, image_size, lambda: models.get_model(name, weights=None, **extra))
    if channels != 3:
        _replace_first_convolution(network, channels)
    network = with_deterministic_pooling(network)
    check_image_size(network, name, channels, image_size, classes)
    if weights == "imagenet":
        if name in _CONVERT_INPUT and channels != 3:
            raise InputError(f"weights: imagenet of {name} needs image: {{channels: 3}}")
        pretrained = _fetched(name, lambda: models.get_model(name, weights="DEFAULT"))
        state = dict(pretrained.state_dict())
        if name.startswith("vit_"):
            patch = int(getattr(network, "patch_size"))  # noqa: B009 - Module types it as Tensor
            state = dict(models.vision_transformer.interpolate_embeddings(image_size, patch, state))
        load_state(network, state, source=f"torchvision's ImageNet weights of {name}")
        if name in _CONVERT_INPUT:
            network.transform_input = True  # type: ignore[assignment]
    else:
        _load_file(network, weights)
        if name in _CONVERT_INPUT and channels == 3 and _is_torchvision_file(name, weights):
            network.transform_input = True  # type: ignore[assignment]
    return network


def _timm_network(
    name: str, classes: int, channels: int, image_size: int, weights: str
) -> nn.Module:
    """A timm network; timm itself adapts pretrained weights. See build_network."""
    import timm

    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise InputError(f"network {name}: {error}") from error
    extra: dict[str, Any] = {"num_classes": classes, "in_chans": channels}
    if config is not None and config.fixed_input_size:
        extra["img_size"] = image_size
    network = _built(name, image_size, lambda: timm.create_model(name, pretrained=False, **extra))
    check_image_size(network, name, channels, image_size, classes)
    if weights == "imagenet":
        if config is None or not config.has_weights:
            raise InputError(f"weights: timm has no pretrained weights of {name}")
        return _fetched(name, lambda: timm.create_model(name, pretrained=True, **extra))
    _load_file(network, weights)
    return network


def _built(name: str, image_size: int, build: Callable[[], nn.Module]) -> nn.Module:
    try:
        return build()
    except _SHAPE_ERRORS as error:
        # what libraries say of an image size that their patches or windows do not divide
        raise InputError(
            f"network {name} cannot be made for images of {image_size} px: {first_line(error)}"
        ) from error


def _fetched(name: str, build: Callable[[], nn.Module]) -> nn.Module:
    # hubs keep pickles too: of these only tensors are read, whatever the hub's client asks for
    before = os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        return build()
    except Exception as error:  # each hub client has errors of its own
        raise StageError(not_fetched(name, error)) from error
    finally:
        if before is None:
            del os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
        else:
            os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = before


def _load_file(network: nn.Module, weights: str) -> None:
    if weights != "none":
        load_state(network, read_state(weights), source=Path(weights).name)


def _torchvision_size(name: str, image_size: int) -> dict[str, Any]:
    if name.startswith("vit_"):
        return {"image_size": image_size}
    if name.startswith("maxvit"):
        return {"input_size": (image_size, image_size)}
    return {}


def _is_torchvision_file(name: str, weights: str) -> bool:
    from torchvision import models

    if weights == "none":
        return False
    # hub file names end in the first eight digits of the file's SHA-256
    url: str = models.get_model_weights(name)["DEFAULT"].url
    return weights_fingerprint(weights).startswith(Path(url).stem.rpartition("-")[2])


def _replace_first_convolution(network: nn.Module, channels: int) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            fresh = convolution_like(module, channels)
            with torch.no_grad():  # a grey image repeated has the features of the sum
                fresh.weight.copy_(module.weight.sum(1, keepdim=True).expand_as(fresh.weight))
                fresh.weight /= channels
                if module.bias is not None and fresh.bias is not None:
                    fresh.bias.copy_(module.bias)
            network.set_submodule(name, fresh)
            return


def convolution_like(module: nn.Conv2d, channels: int) -> nn.Conv2d:
    """A new convolution (of one group) that takes so many channels."""
    return nn.Conv2d(
        channels,
        module.out_channels,
        module.kernel_size,  # type: ignore[arg-type]
        module.stride,  # type: ignore[arg-type]
        module.padding,  # type: ignore[arg-type]
        module.dilation,  # type: ignore[arg-type]
        bias=module.bias is not None,
    )


def check_image_size(
    network: nn.Module,
    name: str,
    channels: int,
    image_size: int,
    classes: int,
    *,
    owner: str = "",
) -> None:
    """Raises InputError if (B, channels, image_size, image_size) does not give (B, classes).

    Args:
        owner: The user's file that the network is of, "" if it is of a library: whatever is raised
            in it is told with its line.
    """
    try:
        # for real: on shapes alone, PyTorch takes BatchNorm apart and loads its compiler for that
        images = torch.zeros(2, channels, image_size, image_size)
        with torch.random.fork_rng(devices=[]):  # what is drawn next are weights
            shape = _shape_of(network, lambda: network(images))
    except Exception as error:
        small = isinstance(error, _SHAPE_ERRORS)
        if not small and not owner:
            raise
        enough = _enough_pixels(network, channels, image_size) if small else None
        why = f"image.size must be {enough} or more" if enough else error_in_words(error, owner)
        raise InputError(f"network {name} cannot take images of {image_size} px: {why}") from error
    if shape != (2, classes):
        raise InputError(
            f"network {name} gives {shape} for two images; logits (2, {classes}) are needed"
        )


def _enough_pixels(network: nn.Module, channels: int, image_size: int) -> int | None:
    """The least size above one that failed; None if sizes are not the reason, or none is found."""
    for size in range(image_size, _LARGEST_TRIED + 1):
        try:
            _output_shape_on_meta(network, channels, size)
        except _SHAPE_ERRORS:
            continue
        return size if size > image_size else None
    return None


def _output_shape_on_meta(
    network: nn.Module, channels: int, image_size: int
) -> tuple[int, ...] | None:
    tensors = {
        key: torch.empty_like(tensor, device="meta")
        for key, tensor in [*network.named_parameters(), *network.named_buffers()]
    }
    images = torch.empty(2, channels, image_size, image_size, device="meta")
    return _shape_of(network, lambda: functional_call(network, tensors, (images,)))


def _shape_of(network: nn.Module, forward: Callable[[], object]) -> tuple[int, ...] | None:
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            output = forward()
    finally:
        network.train(was_training)
    return tuple(output.shape) if isinstance(output, Tensor) else None
