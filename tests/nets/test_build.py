from __future__ import annotations

import pytest
import torch
from torch import nn

from abl.errors import InputError
from abl.nets.build import build_network
from abl.nets.graph import AdaptiveAveragePool, with_deterministic_pooling
from abl.nets.registry import NETWORKS

# of the package alone: other tests register networks that are meant to fail
OURS = sorted(each.name for each in NETWORKS.entries() if each.module.startswith("abl."))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OURS)
def test_our_networks_give_logits_and_every_parameter_a_gradient(name, channels):
    torch.manual_seed(0)
    network = build_network(name, classes=3, channels=channels, image_size=64)
    logits = network(torch.rand(4, channels, 64, 64))
    assert logits.shape == (4, 3)
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize(
    "name", ["plain4", "tiny_resnet", "tiny_dense", "tiny_inception", "tiny_mobile"]
)
def test_small_networks_are_small(name):
    network = build_network(name, classes=2, channels=3, image_size=64)
    assert 20_000 <= sum(parameter.numel() for parameter in network.parameters()) <= 200_000


@pytest.mark.parametrize(("name", "parameters"), [("cnn1", 131_519), ("cnn2", 239_494)])
def test_published_layer_list(name, parameters):
    network = build_network(name, classes=2, channels=3, image_size=140)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    # one linear convolution more in cnn1, no sigmoid: the outputs are logits
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == (7 if name == "cnn1" else 6)
    assert sum(isinstance(m, nn.ReLU) for m in network.modules()) == 6
    assert [m.stride for m in network.modules() if isinstance(m, nn.MaxPool2d)] == [1, 1, 1, 2, 2]


def test_cnn1_has_a_smallest_image_size():
    assert build_network("cnn1", classes=2, channels=3, image_size=23) is not None
    with pytest.raises(InputError, match=r"22 px: image\.size must be 23 or more"):
        build_network("cnn1", classes=2, channels=3, image_size=22)


@pytest.mark.parametrize(
    ("name", "channels", "size"),
    [
        ("squeezenet1_0", 3, 64),
        ("squeezenet1_0", 1, 64),
        ("resnet18", 1, 32),
        ("googlenet", 3, 64),
        ("mobilenet_v3_small", 3, 32),
        ("timm/resnet10t", 1, 32),
        ("vit_tiny_patch16_224", 3, 64),
    ],
)
def test_library_networks_give_plain_logits_in_both_modes(name, channels, size):
    network = build_network(name, classes=5, channels=channels, image_size=size)
    assert network.training
    images = torch.rand(2, channels, size, size)
    assert network(images).shape == (2, 5)
    assert network.eval()(images).shape == (2, 5)


def test_inception_v3_says_what_it_needs():
    with pytest.raises(InputError, match=r"64 px: image\.size must be 75 or more"):
        build_network("inception_v3", classes=2, channels=3, image_size=64)


def test_a_patch_size_that_does_not_divide_is_told():
    with pytest.raises(InputError, match=r"vit_b_16 cannot.*60 px"):
        build_network("vit_b_16", classes=2, channels=3, image_size=60)


def test_one_channel_takes_the_features_of_a_grey_image_repeated():
    torch.manual_seed(3)
    colour = build_network("resnet18", classes=2, channels=3, image_size=32).eval()
    torch.manual_seed(3)
    grey = build_network("resnet18", classes=2, channels=1, image_size=32).eval()
    image = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(grey(image), colour(image.expand(-1, 3, -1, -1)))


def test_same_seed_same_initial_weights():
    torch.manual_seed(5)
    first = build_network("tiny_mobile", classes=2, channels=3, image_size=64).state_dict()
    torch.manual_seed(5)
    again = build_network("tiny_mobile", classes=2, channels=3, image_size=64).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("size", [1, 2, 6, 7, 13, 20])
def test_deterministic_pooling_agrees_with_pytorch(size):
    features = torch.rand(2, 3, size, size + 1, dtype=torch.float64)
    network = nn.Sequential(nn.AdaptiveAvgPool2d((6, 7)), nn.AdaptiveAvgPool2d(1))
    expected = network(features)
    replaced = with_deterministic_pooling(network)
    assert isinstance(replaced[0], AdaptiveAveragePool)
    assert isinstance(replaced[1], nn.AdaptiveAvgPool2d)  # a plain mean is deterministic
    torch.testing.assert_close(replaced(features), expected)
    torch.testing.assert_close(
        replaced[0](features), nn.AdaptiveAvgPool2d((6, 7))(features), rtol=1e-6, atol=1e-7
    )
