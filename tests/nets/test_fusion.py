"""Two modalities become one prediction, behind every head."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from abl.errors import InputError
from abl.nets.boundaries import boundaries_of
from abl.nets.build import build_network
from abl.nets.fusion import Gate
from abl.nets.model import Classifier, Design, build_classifier
from abl.nets.registry import FUSIONS, HEADS
from abl.spec.train import Optimizer
from abl.train.epoch import make_optimizer

SIZE = 32
BACKBONES = ["tiny_resnet", "resnet18", "squeezenet1_0"]


def built(name: str, fusion: str, head: str = "fc", **changes: object) -> Classifier:
    torch.manual_seed(0)
    asked = Design(name, 2, 3, SIZE, fusion=fusion, head=head, levels=(2, 1), **changes)  # type: ignore[arg-type]
    return build_classifier(asked)


def pairs(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 6, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def loss_of(classifier: nn.Module, images: torch.Tensor) -> torch.Tensor:
    target = torch.tensor([0, 1, 1])[: len(images)]
    return nn.functional.cross_entropy(classifier(images), target)


@pytest.mark.parametrize("head", sorted(HEADS))
@pytest.mark.parametrize("fusion", sorted(FUSIONS))
@pytest.mark.parametrize("name", BACKBONES)
def test_every_mode_works_with_every_head(name, fusion, head):
    classifier = built(name, fusion, head).train()
    images = pairs().requires_grad_()
    # SqueezeNet has a ReLU behind its logits, which may be at nought for an image
    with torch.no_grad():
        for key, each in classifier.named_parameters():
            if name == "squeezenet1_0" and key.endswith("classifier.1.bias"):
                each += 1
    logits = classifier(images)
    assert logits.shape == (3, 2)
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 1])).backward()
    # both modalities decide, and every parameter learns
    assert images.grad is not None
    for part in images.grad.chunk(2, dim=1):
        assert (part.flatten(1).abs().sum(1) > 0).all()
    # the bias in front of a BatchNorm and of attention's keys moves nothing, but is reached
    for key, parameter in classifier.named_parameters():
        assert parameter.grad is not None, key
    weights = {key: each for key, each in classifier.named_parameters() if key.endswith("weight")}
    if fusion == "cross_attention" and name != "tiny_resnet":
        # maps of one place here: it is looked at whatever query and key say
        del weights["network.join.query.weight"], weights["network.join.key.weight"]
    assert [key for key, each in weights.items() if not each.grad.abs().sum() > 0] == []
    assert classifier.eval()(pairs(1)).shape == (1, 2)


@pytest.mark.parametrize("head", sorted(HEADS))
def test_late_has_an_extractor_a_modality_with_weights_of_its_own(head):
    classifier = built("tiny_resnet", "late", head).eval()
    first, second = classifier.network.extractors
    shared = {id(each) for each in first.parameters()} & {id(each) for each in second.parameters()}
    assert not shared
    assert {k for k, _ in first.named_parameters()} == {k for k, _ in second.named_parameters()}
    # changing one leaves the other alone
    images = pairs()[:, :3]
    before = second(images)
    with torch.no_grad():
        for each in first.parameters():
            each.zero_()
    assert torch.equal(second(images), before)


@pytest.mark.parametrize("head", sorted(HEADS))
def test_late_shared_has_one_extractor_for_both(head):
    late, shared = (built("tiny_resnet", fusion, head) for fusion in ("late", "late_shared"))
    assert len(shared.network.extractors) == 1
    one = sum(each.numel() for each in shared.network.extractors.parameters())
    counts = [sum(p.numel() for p in each.parameters()) for each in (late, shared)]
    assert counts[0] - counts[1] == one > 0
    # each extractor of late gives its own maps of one image, that of late_shared gives one
    image = pairs()[:, :3]
    maps = [each.eval()(image) for each in late.network.extractors]
    assert not torch.equal(*maps)


def saved_weights(name: str, folder: Path) -> tuple[nn.Module, str]:
    """A network with weights of its own, as if trained, and the file that holds them."""
    torch.manual_seed(5)
    network = build_network(name, classes=2, channels=3, image_size=SIZE)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key.endswith("num_batches_tracked"):
                continue
            noise = 0.1 * torch.rand(tensor.shape) * (tensor.abs().mean() + 0.1)
            tensor.add_(noise)
    torch.save(network.state_dict(), folder / "w.pt")
    return network, str(folder / "w.pt")


@pytest.mark.parametrize(
    ("name", "fusion"),
    [
        pytest.param("vgg11", "late", marks=pytest.mark.slow),  # 128 M parameters
        ("resnet18", "late"),
        ("resnet18", "late_shared"),
        ("convnext_tiny", "late"),  # a LayerNorm in front of its linear layer
        ("squeezenet1_0", "late"),  # a convolution instead of one
    ],
)
def test_late_with_trained_weights_gives_what_the_network_gives_of_two_equal_images(
    name, fusion, tmp_path
):
    network, weights = saved_weights(name, tmp_path)
    image = pairs()[:, :3]
    with torch.no_grad():
        alone = network.eval()(image)
        both = built(name, fusion, weights=weights).eval()(torch.cat([image, image], dim=1))
    assert alone.isfinite().all()
    scale = float(alone.abs().max())
    assert scale > 1e-3
    torch.testing.assert_close(both, alone, rtol=1e-5, atol=1e-5 * max(1.0, scale))


def test_without_trained_weights_the_wider_layer_is_drawn_anew():
    classifier = built("resnet18", "late")
    (weight,) = [
        each for key, each in classifier.network.head.named_parameters() if "weight" in key
    ]
    assert weight.shape == (2, 1024)
    assert not torch.equal(weight[:, :512], weight[:, 512:])


def test_a_gate_with_weights_of_nought_is_the_mean():
    gate = Gate(4)
    for parameter in gate.parameters():
        nn.init.zeros_(parameter)
    first, second = torch.rand(2, 4, 3, 5), torch.rand(2, 4, 3, 5)
    torch.testing.assert_close(gate(first, second), (first + second) / 2)
    vectors = torch.rand(2, 4), torch.rand(2, 4)
    torch.testing.assert_close(gate(*vectors), (vectors[0] + vectors[1]) / 2)


def test_a_gate_weighs_each_channel_of_each_image_by_both_modalities():
    gate = Gate(3)
    nn.init.zeros_(gate.weigh.weight)
    with torch.no_grad():
        gate.weigh.bias.copy_(torch.tensor([40.0, -40.0, 0.0]))
    first, second = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    mixed = gate(first, second)
    torch.testing.assert_close(mixed[:, 0], first[:, 0])
    torch.testing.assert_close(mixed[:, 1], second[:, 1])
    torch.testing.assert_close(mixed[:, 2], (first[:, 2] + second[:, 2]) / 2)
    # z = sigmoid of a channel's mean in the second modality
    with torch.no_grad():
        gate.weigh.bias.zero_()
        gate.weigh.weight[0, 3] = 1.0
    z = torch.sigmoid(second[:, 0].mean((1, 2)))[:, None, None]
    torch.testing.assert_close(gate(first, second)[:, 0], z * first[:, 0] + (1 - z) * second[:, 0])


def test_attention_between_maps_sees_places_of_the_other_one():
    classifier = built("tiny_resnet", "cross_attention", "gap").eval()
    join = classifier.network.join
    first, second = torch.rand(1, 80, 3, 3), torch.rand(1, 80, 3, 3)
    joined = join(first, second)
    assert joined.shape == (1, 160, 3, 3)
    # the residual: without what attention adds, both maps as they are
    nn.init.zeros_(join.out.weight)
    nn.init.zeros_(join.out.bias)
    torch.testing.assert_close(join(first, second), torch.cat([first, second], dim=1))
    assert not torch.allclose(joined, join(first, second))


@pytest.mark.parametrize("fusion", ["gated"])
def test_vectors_of_transformers_are_fused_too(fusion):
    classifier = built("vit_b_32", fusion).eval()
    with torch.no_grad():
        assert classifier(pairs(2)).shape == (2, 2)


def test_attention_between_maps_needs_maps():
    asked = r"cross_attention.*late and gated work"
    with torch.device("meta"), pytest.raises(InputError, match=asked):
        built("vit_b_32", "cross_attention")


def test_an_unknown_mode_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="fusion: 'lat' is not known: did you mean 'late'"):
        built("tiny_resnet", "lat")


# frozen layers


@pytest.mark.parametrize("head", sorted(HEADS))
@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_frozen_layers_are_those_of_each_branch(fusion, head):
    classifier = built("tiny_resnet", fusion, head, frozen=4)
    alone = boundaries_of("tiny_resnet", classes=2, channels=3, image_size=SIZE).at(4).tensors
    prefixes = {
        "early": ["1." if head == "fc" else "1.extractors.0."],
        "late_shared": ["extractors.0."],
    }.get(fusion, ["extractors.0.", "extractors.1."])
    expected = {prefix + name for prefix in prefixes for name in alone}
    assert classifier.frozen == expected
    parameters = dict(classifier.network.named_parameters())
    fixed = {key for key, each in parameters.items() if not each.requires_grad}
    assert fixed == expected & set(parameters)
    assert len(fixed) == len(prefixes) * sum(not each.endswith(_STATISTICS) for each in alone)


_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.mark.parametrize("head", sorted(HEADS))
@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_one_step_leaves_the_frozen_part_of_both_branches_as_it_is(fusion, head):
    classifier = built("tiny_resnet", fusion, head, frozen=4).train()
    network = classifier.network
    sgd = Optimizer(name="sgd", lr=0.1, weight_decay=0.1)
    optimizer = make_optimizer(classifier, sgd)
    with torch.no_grad():
        for each in network.parameters():
            each += 0.01 * torch.randn_like(each)
    before = {key: each.clone() for key, each in network.state_dict().items()}
    loss_of(classifier, pairs()).backward()
    optimizer.step()
    after = network.state_dict()
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert changed == set(after) - classifier.frozen


@pytest.mark.parametrize("name", ["tiny_resnet", "squeezenet1_0"])
@pytest.mark.parametrize("frozen", [4, 10])
def test_earlys_convolution_learns_through_the_frozen_part(name, frozen):
    classifier = built(name, "early", frozen=frozen).train()
    stem = classifier.network[0]
    assert isinstance(stem, nn.Conv2d)
    assert (stem.in_channels, stem.out_channels, stem.kernel_size) == (6, 3, (1, 1))
    loss_of(classifier, pairs()).backward()
    assert all(float(each.grad.abs().min()) > 0 for each in stem.parameters())
    # it is the loss's own gradient, not one cut off on its way: checked by differences
    double = classifier.double().eval()
    images = pairs().double()
    double.zero_grad()
    loss_of(double, images).backward()
    grad = float(stem.weight.grad[1, 2, 0, 0])
    with torch.no_grad():
        values = []
        for step in (1e-6, -2e-6):
            stem.weight[1, 2, 0, 0] += step
            values.append(float(loss_of(double, images)))
    assert (values[0] - values[1]) / 2e-6 == pytest.approx(grad, rel=1e-3, abs=1e-9)
