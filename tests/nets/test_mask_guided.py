"""Attention modules in real backbones: where they stand, and which gradients reach what."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from abl.errors import InputError
from abl.nets.attention_points import attention_points_of, canonical_points
from abl.nets.build import build_network
from abl.nets.design_check import design_problems
from abl.nets.mask_guided import MaskGuided, build_guided
from abl.nets.model import Classifier, Design, build_classifier
from abl.spec.attention import VARIANTS, Attention, Segmentation
from abl.spec.data import Image
from abl.spec.train import Train

SIZE = 32
BRANCH = Segmentation(encoder="test_resnet", depth=3, width=4)
BACKBONES = ["tiny_resnet", "tiny_vgg", "tiny_dense", "tiny_inception", "resnet18"]
MORE = [
    "resnet34", "resnext50_32x4d", "vgg16", "densenet121", "efficientnet_b0", "mobilenet_v2",
    "squeezenet1_0", "googlenet", "convnext_tiny", "regnet_y_400mf", "timm/resnet34",
]  # fmt: skip


def guided(name: str = "tiny_resnet", size: int = SIZE, **changes: object) -> Classifier:
    torch.manual_seed(0)
    attention = Attention(**{"variant": "parallel", "segmentation": BRANCH, **changes})  # type: ignore[arg-type]
    return build_guided(Design(name, 2, 3, size), attention)


def images(count: int = 2, size: int = SIZE) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def points(name: str, size: int = 64):
    return attention_points_of(name, classes=2, channels=3, image_size=size)


# where modules stand


def test_resnet34_has_the_five_points_of_the_paper():
    found = points("resnet34")
    assert [(point.name, point.width) for point in found.levels] == [
        ("L0", 64), ("L1", 64), ("L2", 128), ("L3", 256), ("L4", 512),
    ]  # fmt: skip
    assert found.levels[0].node == "relu"  # in front of the stem's pooling
    assert len(found.blocks) == 3 + 4 + 6 + 3


def test_vgg_has_a_point_in_front_of_each_pooling_and_a_block_a_convolution():
    found = points("vgg16")
    assert [point.width for point in found.levels] == [64, 128, 256, 512, 512]
    assert len(found.blocks) == 13


def test_points_do_not_depend_on_the_image_size():
    assert points("resnet18", 32) == points("resnet18", 96)


def test_spellings_of_the_same_points_are_one():
    found = points("resnet18")
    assert canonical_points("all", found) == "L0+L1+L2+L3+L4"
    assert canonical_points("L3+L1", found) == canonical_points("-L0+L2+L4", found) == "L1+L3"


def test_blocks_that_are_levels_are_these():
    found = points("tiny_resnet")
    assert canonical_points("blocks", found) == canonical_points("-L0", found)
    assert canonical_points("blocks", points("resnet18")) == "blocks"


@pytest.mark.parametrize("given", ["L5", "-L7", "L1+L1", "every", "L1,L2", "-L0+L1+L2+L3+L4", ""])
def test_points_that_there_are_not_are_refused_with_those_there_are(given):
    with pytest.raises(InputError, match=r"placement: .*(L0 \.\. L4|leaves no point)"):
        points("resnet18").at(given)


def test_a_network_without_maps_is_refused():
    with pytest.raises(InputError, match="no feature maps for attention modules"):
        points("vit_b_16", 224)


# networks with modules


@pytest.mark.parametrize("variant", sorted(VARIANTS))
@pytest.mark.parametrize("name", BACKBONES)
def test_every_variant_works_in_every_backbone(name, variant):
    mask = "full" if variant in ("se", "cbam") else "true"
    found = guided(name, variant=variant, mask=mask).train()
    masks = torch.rand(2, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    logits = found(images(), masks)
    assert logits.shape == (2, 2)
    logits.square().sum().backward()
    # each module of each point learns
    learned = {n for n, p in found.named_parameters() if p.grad is not None and p.grad.any()}
    if variant != "spatial":
        at = {name.split("attention.")[1].split(".")[0] for name in learned if "attention." in name}
        assert at == {point.name for point in points(name, SIZE).levels}


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
@pytest.mark.parametrize("where", ["all", "blocks"])
def test_more_backbones(name, where):
    # untrained networks let little through in evaluation mode: seen in float64
    found = guided(name, 64, mask="ellipse", points=where).eval().double()
    masks = torch.zeros(2, 1, 64, 64, dtype=torch.float64)
    masks[:, :, 20:40, 20:40] = 1
    plain = found(images(size=64).double(), masks)
    assert plain.shape == (2, 2)
    assert not torch.equal(plain, found(images(size=64).double(), 1 - masks))


def test_the_backbone_starts_from_the_same_weights_whatever_stands_in_it():
    torch.manual_seed(0)
    plain = build_classifier(Design("tiny_resnet", 2, 3, SIZE)).state_dict()
    for variant in VARIANTS:
        state = guided(variant=variant).state_dict()
        for name, tensor in plain.items():
            assert torch.equal(state[f"classifier.{name}"], tensor), (variant, name)


def test_a_mask_of_zeros_with_spatial_attention_is_the_plain_network():
    torch.manual_seed(0)
    plain = build_network("tiny_resnet", classes=2, channels=3, image_size=SIZE).eval()
    found = guided(variant="spatial", mask="true").eval()
    assert torch.allclose(found(images(), torch.zeros(2, 1, SIZE, SIZE)), plain(images()))


def test_a_control_enters_past_the_stretching_and_a_prediction_does_not():
    # a constant mask: as a control it doubles the features, as a prediction it says nothing
    half = torch.full((2, 1, SIZE, SIZE), 0.5)
    control = guided(variant="spatial", mask="true").eval()
    predicted = guided(variant="spatial", mask="predicted").eval()
    inner = predicted.network
    assert isinstance(inner, MaskGuided)
    nothing = inner.classifier(images(), half)
    torch.manual_seed(0)
    plain = build_network("tiny_resnet", classes=2, channels=3, image_size=SIZE).eval()
    assert torch.allclose(nothing, plain(images()))
    assert not torch.allclose(control(images(), half), nothing)


def test_full_is_a_mask_of_ones_and_reads_none():
    full = guided(mask="full").eval()
    true = guided(mask="true").eval()
    assert torch.equal(full(images()), true(images(), torch.ones(2, 1, SIZE, SIZE)))
    assert torch.equal(full(images(), torch.zeros(2, 1, SIZE, SIZE)), full(images()))


@pytest.mark.parametrize("detach", [False, True])
def test_the_classification_loss_reaches_the_branch_unless_it_is_detached(detach):
    found = guided(detach=detach).train()
    logits, masks = found(images())
    assert masks.shape == (2, 1, SIZE, SIZE)
    nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    reached = [
        name
        for name, parameter in found.named_parameters()
        if name.startswith("network.segmenter.")
        and parameter.grad is not None
        and parameter.grad.any()
    ]
    assert bool(reached) != detach


def test_images_of_a_batch_do_not_see_each_other():
    found = guided().eval()
    x = images(4)
    together, _ = found(x)
    alone = torch.cat([found(x[at : at + 1])[0] for at in range(4)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_frozen_layers_stay_and_modules_learn():
    torch.manual_seed(0)
    design = Design("tiny_resnet", 2, 3, SIZE, frozen=2)
    found = build_guided(design, Attention(variant="channel", mask="full")).train()
    before = {name: tensor.clone() for name, tensor in found.state_dict().items()}
    trained = [p for p in found.parameters() if p.requires_grad]
    found(images()).square().sum().backward()
    torch.optim.SGD(trained, 0.1).step()
    changed = {
        name for name, tensor in found.state_dict().items() if not tensor.equal(before[name])
    }
    frozen = {f"classifier.{name}" for name in design.boundary.tensors}
    assert not changed & frozen
    assert any("attention.L0" in name for name in changed)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"variant": "paralel"}, "variant: 'paralel' is not known: did you mean 'parallel'"),
        ({"points": "L9"}, "placement: 'L9' is not known: valid: all, blocks, L0 .. L3"),
        (
            {"segmentation": BRANCH.model_copy(update={"encoder": "resnet999"})},
            "segmentation.encoder: 'resnet999' is no network of timm",
        ),
        (
            {"segmentation": BRANCH.model_copy(update={"depth": 5})},
            "image.size: 40 is no multiple of 32",
        ),
        (
            {"segmentation": Segmentation(encoder="vit_tiny_patch16_224", depth=3)},
            "cannot be the encoder|vit_tiny",
        ),
    ],
)
def test_what_does_not_fit_is_said_without_training(changes, problem):
    attention = Attention(**{"variant": "parallel", "segmentation": BRANCH, **changes})
    train = Train(network="tiny_resnet", attention=attention)
    found = "; ".join(design_problems(train, Image(size=40), 2))
    assert re.search(problem, found), found


def test_other_heads_are_refused_with_what_works():
    train = Train(network="tiny_resnet", head="gap", attention=Attention(variant="se"))
    assert "head: fc" in str(design_problems(train, Image(size=SIZE), 2))
