"""Layers by name: what is asked for alone is what is asked for together, on either side of an
activation that overwrites its input.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from abl.errors import InputError
from abl.nets.build import build_network
from abl.nets.layers import Embedder, layer_of

TAKES = {"classes": 2, "channels": 3, "image_size": 64}
ALEXNET = ["fc1:before", "fc1:after", "fc2:before", "fc2:after", "avg", "features.3:before"]


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build_network(name, **TAKES)


def values(network: nn.Module, name: str, layers: list[str]) -> list[torch.Tensor]:
    torch.manual_seed(1)
    images = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        return list(Embedder(network, [layer_of(name, each, **TAKES) for each in layers])(images))


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("alexnet", ALEXNET),
        ("tiny_resnet", ["avg", "1.body.0", "0:before", "0:after"]),
        ("squeezenet1_0", ["features.3", "features.12", "avg"]),
        ("timm/vgg11", ["fc1:before", "fc1:after", "fc2:before", "fc2:after", "pre_logits", "avg"]),
        ("timm/mobilenetv3_small_050", ["fc1:before", "fc1:after", "avg"]),
    ],
)
def test_layers_alone_and_together_have_the_same_values(name: str, layers: list[str]) -> None:
    network = made(name)
    known = [each for each in layers if _is_there(name, each)]
    assert len(known) >= 3
    together = values(network, name, known)
    for layer, found in zip(known, together, strict=True):
        assert torch.equal(found, values(network, name, [layer])[0]), layer
        assert found.shape == (3, layer_of(name, layer, **TAKES).width)


def _is_there(name: str, layer: str) -> bool:
    try:
        layer_of(name, layer, **TAKES)
    except InputError:
        return False
    return True


@pytest.mark.parametrize("name", ["alexnet", "timm/vgg11"])
def test_after_is_the_rectified_before(name: str) -> None:
    before, after = values(made(name), name, ["fc1:before", "fc1:after"])
    assert before.min() < 0
    assert torch.equal(after, before.clamp(min=0))


def test_values_are_those_of_the_network_itself() -> None:
    network = made("alexnet").eval()
    torch.manual_seed(1)
    images = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        flat = network.avgpool(network.features(images)).flatten(1)
        fc1 = network.classifier[1](flat)
        fc2 = network.classifier[4](fc1.relu())
        last = network.features[:12](images).mean(dim=(2, 3))
    found = values(network, "alexnet", ["fc1:before", "fc2:before", "avg"])
    for each, wanted in zip(found, (fc1, fc2, last), strict=True):
        assert torch.allclose(each, wanted, atol=1e-5)


def test_words_mean_what_a_network_has() -> None:
    names = {
        ("alexnet", "last"): "fc2:after",
        ("alexnet", "fc1"): "fc1:after",
        ("resnet18", "last"): "avg",
        ("timm/vgg11", "last"): "fc2:after",
    }
    for (network, word), name in names.items():
        assert layer_of(network, word, **TAKES).name == name


@pytest.mark.parametrize(
    ("network", "layer", "said"),
    [
        ("resnet18", "fc2", "has no layer fc2; it has avg"),
        ("alexnet", "fc3", "it has fc1, fc2, avg"),
        ("alexnet", "fc1:behind", "write fc1:before or fc1:after"),
        ("alexnet", "avg:before", "write avg"),
        ("alexnet", "featurs.3", "did you mean 'features.3'"),
        ("alexnet", "features.12:after", "no activation follows it in alexnet: write features.12"),
    ],
)
def test_what_is_not_there_says_what_to_type(network: str, layer: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        layer_of(network, layer, **TAKES)
