"""A network cut where its frozen part ends computes what the whole one does, to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from abl.nets.boundaries import boundaries_of
from abl.nets.cost import front_cost
from abl.nets.cut import Cut, cut_of, front_of
from abl.nets.graph import NotTraceableError, last_frozen_point, traced
from abl.nets.model import Design, build_classifier

SIZE = 64
PANEL = {
    "cnn1": (1, 4, 7),
    "plain4": (1, 2, 4),
    "tiny_resnet": (1, 3, 4, 10),
    "tiny_dense": (2, 5, 12),
    "tiny_inception": (1, 3, 7, 19),
    "tiny_mobile": (2, 8, 14),
    "alexnet": (1, 3, 5),
    "vgg11": (4, 8),
    "resnet18": (1, 6, 20),
    "squeezenet1_0": (1, 2, 3, 4, 5, 25),
    "densenet121": (1, 30),
    "mobilenet_v3_small": (3, 20),
    "efficientnet_b0": (5, 40),
    "shufflenet_v2_x0_5": (3, 30),
    "mnasnet0_5": (10,),
    "convnext_tiny": (1, 9),
    "googlenet": (4, 20),
    "timm/resnet10t": (3, 9),
}


def design(name: str, frozen: int | str, **changes: object) -> Design:
    return Design(name, 2, 3, SIZE, frozen=frozen, **changes)  # type: ignore[arg-type]


def made(asked: Design) -> tuple[nn.Module, Cut]:
    torch.manual_seed(0)
    classifier = build_classifier(asked)
    cut = cut_of(asked, classifier)
    assert cut is not None
    # BatchNorm with statistics of its own, so that evaluation mode is not a plain scaling by 1
    for module in classifier.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    return classifier.eval(), cut


def images(count: int = 3, channels: int = 3) -> torch.Tensor:
    return torch.rand(count, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("name", "frozen"), [(name, n) for name, ns in PANEL.items() for n in ns])
def test_front_and_rest_give_the_logits_of_the_whole_network(name, frozen):
    classifier, cut = made(design(name, frozen))
    with torch.no_grad():
        features = cut.fronts[0](images())
        together = cut.behind(features.clone())
        whole = classifier(images())
    assert torch.equal(together, whole)
    assert whole.shape == (3, 2)
    assert not torch.equal(whole[0], whole[1])  # the images matter
    # nothing that is trained lies in the front, and everything that is lies behind
    in_front = {id(each) for part in cut.fronts for each in part.parameters()}
    trained = {id(each) for each in classifier.parameters() if each.requires_grad}
    assert in_front
    assert not in_front & trained


@pytest.mark.parametrize("fusion", ["late", "late_shared", "gated", "cross_attention"])
@pytest.mark.parametrize("head", ["fc", "gap", "spp"])
def test_each_branch_of_two_modalities_is_cut(fusion, head):
    asked = design("tiny_resnet", 4, fusion=fusion, head=head)
    classifier, cut = made(asked)
    pair = images(3, 6)
    first, second = pair.chunk(2, dim=1)
    with torch.no_grad():
        features = (cut.fronts[0](first), cut.fronts[1](second))
        together, whole = cut.behind(*features), classifier(pair)
    assert torch.equal(together, whole)
    assert len(cut.fronts) == 2


@pytest.mark.parametrize("head", ["gap", "spp"])
@pytest.mark.parametrize("name", ["tiny_inception", "squeezenet1_0"])
def test_another_head_is_behind_the_same_cut(name, head):
    classifier, cut = made(design(name, 3, head=head))
    _, own = made(design(name, 3))
    assert cut.point == own.point
    with torch.no_grad():
        assert torch.equal(cut.behind(cut.fronts[0](images())), classifier(images()))


def test_squeezenet_is_cut_at_the_squeeze_until_both_expanding_convolutions_are_frozen():
    # conv 1; fire 3: squeeze 2, expand 3 and 4 side by side; fire 4: squeeze 5, ...
    modules = [_module_of(design("squeezenet1_0", n)) for n in (1, 2, 3, 4, 5, 6, 7, 25)]
    assert modules[0] == "features.2"
    assert modules[1] == modules[2] == "features.3.squeeze_activation"
    assert modules[3] == "features.3 (cat)"
    assert modules[4] == modules[5] == "features.4.squeeze_activation"
    assert modules[6] == "features.4 (cat)"
    assert modules[7] == "features.12 (cat)"


def _module_of(asked: Design) -> str:
    """Name of the module that computes a cut's point; that of its surroundings for a cat."""
    classifier, cut = made(asked)
    whole = traced(classifier.network)
    node = whole.node(cut.point)
    if node.op == "call_module":
        return str(node.target)
    around = str(node.all_input_nodes[0].target).rpartition(".")[0]
    return f"{around} ({node.target.__name__})"


def test_a_later_boundary_never_cuts_earlier():
    for name in ("squeezenet1_0", "tiny_inception", "tiny_dense", "tiny_resnet", "resnet18"):
        places = boundaries_of(name, classes=2, channels=3, image_size=SIZE).places
        whole = traced(build_classifier(design(name, 0)).network)
        order = whole.order()
        points = [last_frozen_point(whole, each.tensors, each.still) for each in places]
        at = [order.index(point) for point in points[1:] if point is not None]
        assert points[0] is None
        assert len(at) == len(points) - 1
        assert at == sorted(at)
        assert set(points[1:]) <= set(whole.points)


def test_parallel_convolutions_that_are_half_frozen_are_not_in_the_front():
    # n = 3: expand1x1 is frozen, expand3x3 is not; both are computed behind the cut
    classifier, cut = made(design("squeezenet1_0", 3))
    named = {id(each): name for name, each in classifier.network.named_parameters()}
    in_front = {named[id(each)] for each in cut.fronts[0].parameters()}
    assert {name.rpartition(".")[0] for name in in_front} == {"features.0", "features.3.squeeze"}
    frozen = {
        name for name, each in classifier.network.named_parameters() if not each.requires_grad
    }
    assert "features.3.expand1x1.weight" in frozen
    assert "features.3.expand3x3.weight" not in frozen


@pytest.mark.parametrize("name", ["squeezenet1_0", "tiny_resnet", "resnet18", "efficientnet_b0"])
def test_gradients_behind_the_cut_are_those_of_the_whole_network(name):
    classifier, cut = made(design(name, 5))
    target = torch.tensor([0, 1, 1])
    trained = [each for each in classifier.parameters() if each.requires_grad]
    nn.functional.cross_entropy(classifier(images()), target).backward()
    whole = [each.grad.clone() for each in trained]
    classifier.zero_grad(set_to_none=True)
    with torch.no_grad():
        features = cut.fronts[0](images())
    nn.functional.cross_entropy(cut.behind(features), target).backward()
    assert all(torch.equal(each.grad, one) for each, one in zip(trained, whole, strict=True))
    assert sum(float(each.abs().sum()) for each in whole) > 0


@pytest.mark.parametrize(("fusion", "frozen"), [("early", 4), ("none", 0), ("late", 0)])
def test_nothing_is_cut_where_nothing_is_constant(fusion, frozen):
    asked = design("tiny_resnet", frozen, fusion=fusion)
    assert cut_of(asked, build_classifier(asked)) is None


def test_random_layers_are_in_the_front_only_when_they_are_still():
    # cnn2 has a dropout behind its last convolution: no part of what is frozen
    classifier, cut = made(design("cnn2", 6))
    classifier.train()
    fixed = [cut.fronts[0](images()) for _ in range(2)]
    assert torch.equal(*fixed)
    assert not torch.equal(cut.behind(fixed[0]), cut.behind(fixed[0]))
    # stochastic depth within frozen blocks draws nothing
    classifier, cut = made(design("convnext_tiny", 9))
    classifier.train()
    assert torch.equal(cut.fronts[0](images()), cut.fronts[0](images()))


def test_front_of_a_design_is_that_of_its_classifier():
    asked = design("tiny_resnet", 4, fusion="late_shared", head="spp")
    torch.manual_seed(3)
    found = front_of(asked)
    torch.manual_seed(3)
    cut = cut_of(asked, build_classifier(asked))
    assert found is not None
    assert cut is not None
    assert found[0] == cut.point
    assert torch.equal(found[1](images()), cut.fronts[0](images()))


def test_the_cost_of_a_front_is_counted_on_shapes():
    # squeezenet: 96 maps of 7x7 convolutions, stride 2, pooled to 14 x 14; then 16 of 1x1
    cost = {
        n: front_cost("squeezenet1_0", n, classes=2, channels=3, image_size=SIZE)
        for n in (1, 2, 3, 4)
    }
    first = 2 * 96 * 29 * 29 * 3 * 49
    squeeze = 2 * 16 * 14 * 14 * 96
    assert [each.flops for each in cost.values()][:3] == [first, *[first + squeeze] * 2]
    assert [each.least for each in cost.values()] == [1, 2, 2, 4]
    assert [each.numbers for each in cost.values()] == [96 * 14 * 14, *[16 * 14 * 14] * 2,
                                                        128 * 14 * 14]  # fmt: skip
    assert cost[2] == cost[3]
    assert 0 < cost[1].share < cost[2].share < cost[4].share < 1


def test_no_features_are_kept_of_nothing():
    assert front_cost("resnet18", 0, classes=2, channels=3, image_size=SIZE) is None


class _Branching(nn.Module):
    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return given if given.sum() > 0 else -given


class _OtherInTraining(nn.Module):
    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return given + 1 if self.training else given


@pytest.mark.parametrize("network", [_Branching(), _OtherInTraining()])
def test_a_network_that_cannot_be_cut_says_so(network):
    with pytest.raises(NotTraceableError):
        traced(network.eval())
    assert not network.training
