"""Heads behind the last feature map of any convolutional network."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from abl.errors import InputError
from abl.nets.build import build_network
from abl.nets.design_check import design_problems
from abl.nets.feature_point import feature_point_of
from abl.nets.heads import PyramidPool
from abl.nets.model import Classifier, Design, build_classifier
from abl.nets.registry import HEADS
from abl.spec.data import Image
from abl.spec.train import Train

# smallest workable sides
PANEL = {
    "cnn1": 23,
    "cnn2": 16,
    "plain4": 16,
    "tiny_resnet": 16,
    "tiny_dense": 16,
    "tiny_inception": 16,
    "tiny_mobile": 16,
    "alexnet": 63,
    "vgg11": 32,
    "resnet18": 32,
    "densenet121": 32,
    "squeezenet1_0": 32,
    "mobilenet_v3_small": 32,
    "efficientnet_b0": 32,
    "convnext_tiny": 32,
    "inception_v3": 75,
    "googlenet": 32,
    "shufflenet_v2_x0_5": 32,
    "mnasnet0_5": 32,
    "timm/resnet10t": 32,
}


def built(name: str, head: str, size: int, *, frozen: int = 0, levels=(3, 2, 1)) -> Classifier:
    torch.manual_seed(0)
    return build_classifier(Design(name, 2, 3, size, head=head, levels=levels, frozen=frozen))


def images(count: int, height: int, width: int | None = None) -> torch.Tensor:
    return torch.rand(count, 3, height, width or height)


# seconds each, and of designs that the others have too
LARGE = {"vgg11", "densenet121", "inception_v3", "googlenet", "convnext_tiny", "efficientnet_b0"}


def panel() -> list:
    return [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in PANEL]


@pytest.mark.parametrize("head", ["fc", "gap", "spp"])
@pytest.mark.parametrize("name", panel())
def test_every_head_works_behind_every_convolutional_network(name, head):
    size = PANEL[name]
    classifier = built(name, head, size)
    logits = classifier.train()(images(3, size))
    assert logits.shape == (3, 2)
    assert logits.isfinite().all()
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 1])).backward()
    last = [each.grad for each in classifier.parameters()][-1]
    first = next(each.grad for each in classifier.parameters())
    assert last is not None
    assert first is not None
    assert classifier.eval()(images(2, size)).shape == (2, 2)


def test_the_panel_holds_every_head_there_is():
    assert set(HEADS) == {"fc", "gap", "spp"}


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "tiny_dense"])
def test_own_head_is_the_network_itself(name):
    classifier = built(name, "fc", 32)
    torch.manual_seed(0)
    network = build_network(name, classes=2, channels=3, image_size=32)
    x = images(2, 32)
    assert torch.equal(classifier.eval()(x), network.eval()(x))


@pytest.mark.parametrize("head", ["gap", "spp"])
@pytest.mark.parametrize("name", ["vit_b_16", "swin_t"])
def test_a_transformer_has_its_own_head_alone_and_says_so(name, head):
    # the first is cut in front of its classifier; the other cannot be cut at all
    needs = f"head: {head} needs a convolutional network.*its own head works: fc"
    with pytest.raises(InputError, match=needs if name == "vit_b_16" else "only head: fc"):
        built(name, head, 64)
    (problem,) = design_problems(Train(network=name, head=head), Image(size=64), 2)
    assert "fc" in problem
    assert not design_problems(Train(network=name, head="fc"), Image(size=64), 2)
    assert built(name, "fc", 64).eval()(images(1, 64)).shape == (1, 2)


def test_an_unknown_head_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="head: 'sp' is not known: did you mean 'spp'"):
        built("tiny_resnet", "sp", 32)


# where features end


@pytest.mark.parametrize(
    ("name", "width", "module"),
    [
        ("vgg11", 512, "features.19"),  # the ReLU in front of the last max-pool, features.20
        ("alexnet", 256, "features.11"),
        ("resnet18", 512, "layer4.1.relu"),
        ("mobilenet_v2", 1280, "features.18.2"),
        ("efficientnet_b0", 1280, "features.8.2"),
        ("inception_v3", 2048, None),  # a concatenation
        ("squeezenet1_0", 512, None),
        ("tiny_mobile", 128, None),
    ],
)
def test_features_end_in_front_of_any_pooling(name, width, module):
    point = feature_point_of(name, classes=2, channels=3, image_size=96)
    assert (point.width, point.is_map) == (width, True)
    classifier = built(name, "gap", 96)
    extractor = classifier.network.extractors[0]
    targets = [str(n.target) for n in extractor.graph.nodes if n.op == "call_module"]
    if module is not None:
        assert targets[-1] == module
    last = classifier.network.head[-1]
    assert isinstance(last, nn.Linear)
    assert (last.in_features, last.out_features) == (width, 2)


@pytest.mark.parametrize(("name", "size"), [("resnet18", 32), ("vgg11", 32), ("tiny_dense", 16)])
def test_the_point_does_not_depend_on_the_image_size(name, size):
    small = feature_point_of(name, classes=2, channels=3, image_size=size)
    assert small == feature_point_of(name, classes=2, channels=3, image_size=224)


def test_global_average_drops_vggs_last_pooling_and_its_fully_connected_layers():
    classifier = built("vgg16", "gap", 64)
    convolutions = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    parts = ("weight", "bias")
    expected = {f"extractors.0.features.{at}.{part}" for at in convolutions for part in parts}
    expected |= {f"head.2.{part}" for part in parts}
    assert {name for name, _ in classifier.network.named_parameters()} == expected
    pools = [each for each in classifier.modules() if isinstance(each, nn.MaxPool2d)]
    assert len(pools) == 4  # of five
    # 64 px, halved four times
    assert classifier.network.extractors[0](images(1, 64)).shape == (1, 512, 4, 4)


@pytest.mark.parametrize("name", ["vgg11", "resnet18"])
def test_global_average_is_the_mean_of_the_last_map_and_a_linear_layer(name):
    classifier = built(name, "gap", 64).eval()
    x = images(2, 64)
    with torch.no_grad():
        maps = classifier.network.extractors[0](x)
        expected = classifier.network.head[-1](maps.mean((2, 3)))
        torch.testing.assert_close(classifier(x), expected)


def test_the_pyramid_keeps_vggs_linear_layers_and_renews_the_first():
    classifier = built("vgg16", "spp", 64, levels=(4, 2, 1))
    shapes = {
        name: tuple(each.shape)
        for name, each in classifier.network.head.named_parameters()
        if name.endswith("weight")
    }
    assert list(shapes.values()) == [(4096, 512 * 21), (4096, 4096), (2, 4096)]
    pools = [each for each in classifier.modules() if isinstance(each, nn.MaxPool2d)]
    assert len(pools) == 4


# any shape of image


@pytest.mark.parametrize(
    "name", ["alexnet", "resnet18", "squeezenet1_0", "mobilenet_v3_small", "tiny_dense"]
)
def test_the_pyramid_takes_images_of_different_shapes(name):
    classifier = built(name, "spp", 96, levels=(2, 1)).eval()
    with torch.no_grad():
        wide, tall = images(2, 64, 96), images(2, 96, 64)
        assert classifier(wide).shape == classifier(tall).shape == (2, 2)
        turned = classifier(wide.transpose(2, 3))
    assert not torch.equal(turned, classifier(wide))


SIDES = st.integers(1, 13)


@given(SIDES, SIDES, st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 99))
def test_the_pyramid_is_adaptive_max_pooling(height, width, levels, seed):
    height, width = (max(side, *levels) for side in (height, width))
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2, 3, height, width, generator=generator)
    pool = PyramidPool(levels)
    expected = [functional.adaptive_max_pool2d(features, level).flatten(1) for level in levels]
    assert torch.equal(pool(features), torch.cat(expected, dim=1))
    assert pool(features).shape == (2, 3 * pool.bins)


@given(SIDES, SIDES, st.integers(1, 8), st.integers(0, 99))
def test_maps_smaller_than_a_level_are_pooled_too(height, width, level, seed):
    features = torch.randn(1, 2, height, width, generator=torch.Generator().manual_seed(seed))
    pooled = PyramidPool([level])(features)
    assert pooled.shape == (1, 2 * level * level)
    expected = functional.adaptive_max_pool2d(features, level).flatten(1)
    assert torch.equal(pooled, expected)


@given(st.integers(3, 9), st.integers(3, 9), st.integers(0, 99))
def test_the_pyramids_gradient_is_that_of_adaptive_max_pooling(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1, 2, height, width, generator=generator, dtype=torch.float64)
    weights = torch.randn(1, 2 * 14, generator=generator, dtype=torch.float64)
    one = features.clone().requires_grad_()
    other = features.clone().requires_grad_()
    (PyramidPool([3, 2, 1])(one) * weights).sum().backward()
    parts = [functional.adaptive_max_pool2d(other, level).flatten(1) for level in (3, 2, 1)]
    (torch.cat(parts, dim=1) * weights).sum().backward()
    torch.testing.assert_close(one.grad, other.grad)


# and what is frozen


@pytest.mark.parametrize("head", ["fc", "gap", "spp"])
@pytest.mark.parametrize(
    ("name", "frozen"), [("squeezenet1_0", 7), ("resnet18", 7), ("tiny_dense", 5)]
)
def test_the_frozen_part_is_the_same_behind_every_head(name, head, frozen):
    classifier = built(name, head, 32, frozen=frozen)
    prefix = "" if head == "fc" else "extractors.0."
    alone = built(name, "fc", 32, frozen=frozen)
    assert classifier.frozen == {prefix + each for each in alone.frozen}
    trained = {key for key, each in classifier.network.named_parameters() if each.requires_grad}
    every = {key for key, _ in classifier.network.named_parameters()}
    assert every - trained == classifier.frozen & every
    assert any(key.startswith("head.") for key in trained) == (head != "fc")


@pytest.mark.parametrize("name", ["timm/seresnet18", "timm/convnext_atto"])
def test_gates_and_scales_beside_the_last_convolution_do_not_hide_its_map(name):
    point = feature_point_of(name, classes=2, channels=3, image_size=64)
    assert point.is_map
    assert built(name, "gap", 64).eval()(images(1, 64)).shape == (1, 2)
