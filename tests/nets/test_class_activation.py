"""Grad-CAM against its definition, and where it finds a network's last feature map."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from abl.errors import InputError
from abl.nets.feature_point import feature_point_of
from abl.nets.grad_cam import LAST_MAP, Mapped, grad_cam, has_last_map, with_last_map
from abl.nets.graph import traced
from abl.nets.mask_guided import build_guided
from abl.nets.model import Design, build_classifier
from abl.spec.attention import Attention, Segmentation

SIZE = 32
BRANCH = Segmentation(encoder="test_resnet", depth=3, width=4)
DESIGN = Design("tiny_resnet", 2, 3, SIZE)


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def small(classes: int = 2, *, behind: nn.Module | None = None) -> Mapped:
    """A convolution, a place for more, mean and a linear layer; the map is in front of the mean."""
    torch.manual_seed(0)
    last = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), behind or nn.Identity())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
    return Mapped(nn.Sequential(last, head).eval(), last, classes)


def trained(design: Design = DESIGN, attention: Attention | None = None) -> nn.Module:
    """A network whose batch statistics are not those it starts with."""
    torch.manual_seed(0)
    if attention is None:
        network: nn.Module = build_classifier(design)
    else:
        network = build_guided(design, attention)
    for _ in range(3):
        network(images(8))
    return network.eval()


def test_a_linear_head_gives_the_definition_by_hand():
    given = small()
    cam, chosen, p, masks = grad_cam(given, (images(),))
    features = given.last(images())
    weights = given.network[1][2].weight[1]  # of malignant; over H * W it is the mean gradient
    expected = torch.einsum("k,bkhw->bhw", weights, features).clamp(min=0) / SIZE**2
    torch.testing.assert_close(cam, expected)
    assert cam.max() > 0
    assert chosen.tolist() == [1, 1, 1]
    torch.testing.assert_close(p, given.network(images()).double().softmax(1)[:, 1])
    assert masks is None


def test_of_three_classes_the_predicted_one_is_looked_at():
    given = small(3)
    with torch.no_grad():
        given.network[1][2].bias.copy_(torch.tensor([0.0, 0.0, 5.0]))
    cam, chosen, p, _ = grad_cam(given, (images(),))
    assert chosen.tolist() == [2, 2, 2]
    assert (p > 0.5).all()
    weights = given.network[1][2].weight[2]
    expected = torch.einsum("k,bkhw->bhw", weights, given.last(images())).clamp(min=0) / SIZE**2
    torch.testing.assert_close(cam, expected)


class Corner(nn.Module):
    """Lets through what lies in the upper left quarter."""

    def forward(self, features: Tensor) -> Tensor:
        seen = torch.zeros_like(features)
        seen[..., : SIZE // 2, : SIZE // 2] = 1
        return features * seen


def test_a_network_that_looks_at_one_corner_has_its_map_there():
    cam = grad_cam(small(behind=Corner()), (images(),))[0]
    assert (cam[:, : SIZE // 2, : SIZE // 2].sum((1, 2)) > 0).all()
    assert cam[:, SIZE // 2 :].sum() == 0
    assert cam[:, :, SIZE // 2 :].sum() == 0


@pytest.mark.parametrize("design", [DESIGN, Design("tiny_dense", 2, 3, SIZE, frozen=1)])
def test_a_networks_last_map_is_found_and_its_answer_stays(design: Design):
    network = trained(design)
    point = feature_point_of(design.network, classes=2, channels=3, image_size=SIZE)
    whole = traced(network.network)
    front, behind = whole.piece("", point.node), whole.piece(point.node, "")
    features = front(images()).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(behind(features)[:, 1].sum(), features)
    expected = (gradient.mean((2, 3), keepdim=True) * features).sum(1).clamp(min=0)
    assert expected.max() > 0
    answer, names = network(images()), list(network.state_dict())
    given = with_last_map(network, design)
    torch.testing.assert_close(grad_cam(given, (images(),))[0], expected.detach())
    assert torch.equal(given.network(images()), answer)
    assert list(network.state_dict()) == names


@pytest.mark.parametrize("head", ["gap", "spp"])
def test_other_heads_have_the_same_last_map(head: str):
    design = Design("tiny_resnet", 2, 3, SIZE, head=head)
    network = trained(design)
    answer = network(images())
    given = with_last_map(network, design)
    seen = []
    given.last.register_forward_hook(lambda module, inputs, output: seen.append(output))
    assert torch.equal(given.network(images()), answer)
    extractor = feature_point_of("tiny_resnet", classes=2, channels=3, image_size=SIZE)
    assert seen[0].shape[:2] == (3, extractor.width)


@pytest.mark.parametrize("variant", ["parallel", "cbam"])
def test_behind_the_last_point_its_attention_module_gives_the_map(variant: str):
    network = trained(attention=Attention(variant=variant, segmentation=BRANCH))
    modules = network.network.classifier.get_submodule("attention")
    last = list(modules.children())[-1]
    seen = []
    last.register_forward_hook(lambda module, inputs, output: seen.append(output.detach().clone()))
    given = with_last_map(network, DESIGN)
    given.last.register_forward_hook(
        lambda module, inputs, output: seen.append(output.detach().clone())
    )
    cam, _, p, masks = grad_cam(given, (images(),))
    assert torch.equal(seen[0], seen[1])
    assert cam.shape == (3, *seen[0].shape[-2:])
    assert ((p > 0) & (p < 1)).all()
    assert (masks is None) == (variant == "cbam")
    if masks is not None:
        assert masks.shape == (3, 1, SIZE, SIZE)
        assert torch.equal(masks, network.network.segmenter(images()))


@pytest.mark.parametrize("attention", [None, Attention(variant="parallel", segmentation=BRANCH)])
def test_an_images_map_does_not_depend_on_its_batch(attention: Attention | None):
    given = with_last_map(trained(attention=attention), DESIGN)
    together = grad_cam(given, (images(),))[0]
    assert together.max() > 0
    for at in range(3):
        alone = grad_cam(given, (images()[at : at + 1],))[0]
        torch.testing.assert_close(alone[0], together[at], rtol=1e-4, atol=1e-7)


def test_a_frozen_network_has_the_same_map():
    expected = grad_cam(with_last_map(trained(), DESIGN), (images(),))[0]
    frozen = trained()
    for parameter in frozen.parameters():
        parameter.requires_grad_(False)
    assert torch.equal(grad_cam(with_last_map(frozen, DESIGN), (images(),))[0], expected)
    assert expected.max() > 0


def test_networks_of_attention_blocks_and_of_two_modalities_have_none():
    assert has_last_map(DESIGN)
    assert not has_last_map(Design("timm/test_vit", 2, 3, 160))
    assert not has_last_map(Design("swin_t", 2, 3, 64))
    late = Design("tiny_resnet", 2, 3, SIZE, fusion="late")
    assert not has_last_map(late)
    with pytest.raises(InputError, match="no last feature map"):
        with_last_map(build_classifier(late), late)


def test_a_network_mapped_twice_is_the_same_network():
    for attention in (None, Attention(variant="parallel", segmentation=BRANCH)):
        network = trained(attention=attention)
        first = grad_cam(with_last_map(network, DESIGN), (images(),))[0]
        assert torch.equal(grad_cam(with_last_map(network, DESIGN), (images(),))[0], first)
        assert first.max() > 0
    plain = trained()
    with_last_map(plain, DESIGN)
    assert LAST_MAP not in dict(plain.network.named_modules())
