"""What is frozen stays as it is, and nothing else does: for every network there is."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from abl.errors import InputError
from abl.nets.boundaries import Boundaries, boundaries_of
from abl.nets.execution import execution_of
from abl.nets.model import Classifier, Design, build_classifier
from abl.nets.registry import library_names, own_names
from abl.nets.user_module import load_module, unload_module
from abl.spec.train import Optimizer
from abl.train.epoch import make_optimizer

SIZES = {"inception_v3": 96, "maxvit_t": 224}  # the others take 64
# over 150 million parameters: minutes and many gigabytes each, and each has a smaller sister of
# the same code in the list (convnext_base, vit_b_16, vit_b_32, regnet_y_32gf)
TOO_LARGE = {"convnext_large", "vit_h_14", "vit_l_16", "vit_l_32", "regnet_y_128gf"}
TIMM = [
    "timm/resnet10t",
    "timm/convnext_atto",
    "timm/mobilenetv4_conv_small",
    "timm/regnety_002",
    "timm/tf_efficientnet_lite0",
    "timm/ghostnet_100",
    "timm/repvgg_a0",
    "timm/vit_tiny_patch16_224",
    "timm/swin_tiny_patch4_window7_224",
]
# tests register networks of their own, linear ones: nothing in them can be frozen
NO_LAYERS = {"mine", "pooled3", "pooled6", "pooled_hidden"}
OURS = [name for name in own_names() if name not in NO_LAYERS]
EVERY = [*OURS, *sorted(library_names("torchvision")), *TIMM]


@dataclass(frozen=True)
class Step:
    """One step of an optimizer."""

    network: nn.Module
    changed: frozenset[str]
    frozen: frozenset[str]


def size_of(name: str) -> int:
    return SIZES.get(name, 64)


def places_of(name: str) -> Boundaries:
    return boundaries_of(name, classes=2, channels=3, image_size=size_of(name))


def all_tensors(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def after_one_step(name: str, frozen: int | str) -> Step:
    """Which tensors of a network one step changes."""
    torch.manual_seed(0)
    classifier = build_classifier(Design(name, 2, 3, size_of(name), frozen=frozen))
    # a parameter that starts at 0 or has no gradient is moved by weight decay then
    with torch.no_grad():
        for parameter in classifier.network.parameters():
            parameter += torch.empty_like(parameter).uniform_(-0.01, 0.01)
    before = {key: each.clone() for key, each in all_tensors(classifier.network).items()}
    sgd = Optimizer(name="sgd", lr=0.01, weight_decay=0.1)
    optimizer = make_optimizer(classifier, sgd)
    classifier.eval().train()
    # three, so that BatchNorm over one pixel does not give +1 and -1 alone
    logits = classifier(torch.rand(3, 3, size_of(name), size_of(name)))
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, 1, 1]))
    if any(parameter.requires_grad for parameter in classifier.parameters()):
        loss.backward()
        optimizer.step()
    after = all_tensors(classifier.network)
    not_finite = [key for key, each in after.items() if not each.isfinite().all()]
    assert not not_finite
    changed = frozenset(key for key in after if not torch.equal(after[key], before[key]))
    return Step(classifier.network, changed, classifier.frozen)


def statistics_of(network: nn.Module) -> set[str]:
    """Names of BatchNorm's statistics, which a network in training changes without a gradient."""
    return {
        f"{name}.{each}"
        for name, module in network.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None
        for each in ("running_mean", "running_var", "num_batches_tracked")
    }


def assert_step_stops_at_the_boundary(name: str, frozen: int | str) -> None:
    boundary = places_of(name).at(frozen)
    used = execution_of(name, 2, 3, size_of(name)).used
    step = after_one_step(name, frozen)
    could_change = {key for key, _ in step.network.named_parameters()}
    could_change |= statistics_of(step.network)
    assert boundary.tensors <= set(used)
    # one half: nothing in front of the boundary, buffers included
    assert sorted(step.changed & boundary.tensors) == []
    # the other: all that is behind it, but what the network never uses
    behind = (could_change & set(used)) - boundary.tensors
    assert sorted(behind - step.changed) == []
    assert sorted(step.changed - behind) == []
    assert step.frozen == boundary.tensors


FAST = [
    ("cnn1", [1, 3, 6]),
    ("tiny_inception", [3, "stage 2", 19]),
    ("tiny_mobile", [2, 9]),
    ("resnet18", [1, 7, "stage 3"]),
    ("squeezenet1_0", [3, 25]),
    ("shufflenet_v2_x0_5", [5, 30]),
    ("mobilenet_v3_small", [4, 20, "stage 3"]),
    ("densenet121", [60]),
    ("convnext_tiny", [0, 5]),
    ("googlenet", [10]),
    ("timm/vit_tiny_patch16_224", [6]),
    ("timm/resnet10t", [4]),
]


@pytest.mark.parametrize(
    ("name", "frozen"), [(name, each) for name, values in FAST for each in values]
)
def test_one_step_changes_exactly_what_is_behind_the_boundary(name, frozen):
    assert_step_stops_at_the_boundary(name, frozen)


@pytest.mark.slow
@pytest.mark.parametrize("name", [each for each in EVERY if each not in TOO_LARGE])
def test_one_step_changes_exactly_what_is_behind_the_boundary_of_every_network(name):
    places = places_of(name)
    most, stages = len(places.places) - 1, places.places[-1].stage
    values = {1, (most + 1) // 2, most, f"stage {(stages + 1) // 2}"}
    for frozen in sorted(values, key=str):
        assert_step_stops_at_the_boundary(name, frozen)


# an oracle of its own: what a real network calls, in order


def called_leaves(network: nn.Module, size: int) -> list[str]:
    """Names of modules without children, in the order of their first call."""
    called: list[str] = []
    for name, module in network.named_modules():
        if not list(module.children()):
            module.register_forward_pre_hook(
                lambda *_, name=name: None if name in called else called.append(name)
            )
    with torch.no_grad():
        network.eval()(torch.rand(1, 3, size, size))
    return called


CONVOLUTIONAL = [
    "cnn2",
    "tiny_resnet",
    "tiny_dense",
    "tiny_inception",
    "tiny_mobile",
    "vgg11_bn",
    "resnet18",
    "squeezenet1_0",
    "mobilenet_v2",
    "efficientnet_b0",
    "shufflenet_v2_x0_5",
    "mnasnet0_5",
    "googlenet",
    "inception_v3",
    "densenet121",
    "regnet_y_400mf",
]


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_the_first_n_convolutions_are_those_called_first(name):
    network = build_classifier(Design(name, 2, 3, size_of(name))).network
    modules = dict(network.named_modules())
    called = called_leaves(network, size_of(name))
    convolutions = [each for each in called if isinstance(modules[each], nn.Conv2d)]
    places = places_of(name)
    most = len(places.places) - 1
    assert places.unit == "convolution"
    # squeezenet's classes come from a convolution, which is no feature
    assert most == len(convolutions) - (name == "squeezenet1_0")
    tensors = set(network.state_dict())
    for n in range(1, most):
        first, following = called.index(convolutions[n - 1]), called.index(convolutions[n])
        in_front = {
            key for key in tensors if key.rpartition(".")[0] in called[: max(first + 1, following)]
        }
        assert places.places[n].unit == convolutions[n - 1]
        assert places.places[n].tensors == in_front


def test_vgg16_has_the_thirteen_convolutions_of_the_paper():
    places = boundaries_of("vgg16", classes=2, channels=3, image_size=64)
    convolutions = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert [place.n for place in places.places] == list(range(14))
    for n, place in enumerate(places.places):
        expected = {f"features.{at}.{part}" for at in convolutions[:n] for part in _WEIGHT}
        assert place.tensors == expected
    assert [place.stage for place in places.places[1:]] == [
        1,
        1,
        2,
        2,
        *[3] * 3,
        *[4] * 3,
        *[5] * 3,
    ]
    assert places.at("stage 2") == places.places[4]
    # weights of 3x3 convolutions and biases, by hand
    assert places.places[2].parameters == (3 * 64 + 64 * 64) * 9 + 2 * 64


_WEIGHT = ("weight", "bias")


def test_squeezenet_has_twenty_five_convolutions_the_classifier_not_among_them():
    places = boundaries_of("squeezenet1_0", classes=2, channels=3, image_size=64)
    assert len(places.places) == 26
    whole = set(build_classifier(Design("squeezenet1_0", 2, 3, 64)).state_dict())
    assert whole - places.places[25].tensors == {"classifier.1.weight", "classifier.1.bias"}


def test_a_vision_transformer_is_counted_in_blocks():
    places = boundaries_of("vit_b_16", classes=2, channels=3, image_size=64)
    assert places.unit == "block"
    assert len(places.places) == 13
    names = set(build_classifier(Design("vit_b_16", 2, 3, 64)).state_dict())
    layers = tuple(f"encoder.layers.encoder_layer_{at}." for at in (0, 1))
    start = {"class_token", "encoder.pos_embedding", "conv_proj.weight", "conv_proj.bias"}
    assert places.places[2].tensors == start | {key for key in names if key.startswith(layers)}


def test_swin_is_counted_in_blocks_and_a_stage_ends_where_tokens_merge():
    places = boundaries_of("swin_t", classes=2, channels=3, image_size=64)
    assert [place.unit for place in places.places[1:]] == [
        f"features.{at}.{block}"
        for at, count in ((1, 2), (3, 2), (5, 6), (7, 2))
        for block in range(count)
    ]
    assert [place.stage for place in places.places[1:]] == [1, 1, 2, 2, *[3] * 6, 4, 4]


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "squeezenet1_0", "swin_t", "tiny_dense"])
def test_each_boundary_holds_the_one_before(name):
    places = places_of(name).places
    for before, place in itertools.pairwise(places):
        assert before.tensors < place.tensors
        assert before.still < place.still
        assert before.parameters < place.parameters
        assert before.flops < place.flops
        assert place.n == before.n + 1
        assert place.stage - before.stage in (0, 1)
    assert places[-1].parameters < places_of(name).parameters
    assert places[-1].flops < places_of(name).flops


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "tiny_dense"])
def test_statistics_and_dropout_in_front_are_still_in_training_mode(name):
    classifier = build_classifier(Design(name, 2, 3, 64, frozen="stage 2"))
    boundary = places_of(name).at("stage 2")
    classifier.eval()
    classifier.train()
    modules = dict(classifier.network.named_modules())
    leaves = {key for key, each in modules.items() if not list(each.children())}
    norms = {key for key in leaves if isinstance(modules[key], nn.BatchNorm2d)}
    in_front = {key for key in norms if f"{key}.weight" in boundary.tensors}
    assert in_front
    assert norms - in_front
    assert {key for key in norms if not modules[key].training} == in_front


@pytest.mark.parametrize(
    "frozen", [14, 99, -1, "stage 9", "stage 0", "stage", "stage -1", "stage two", "six", "", "6",
               1.5, None]
)  # fmt: skip
def test_a_value_out_of_range_is_refused_with_those_that_are_valid(frozen):
    valid = r"out of range for vgg16: 0 to 13 convolutions, or 'stage 1' to 'stage 5'"
    with pytest.raises(InputError, match=valid) as refused:
        boundaries_of("vgg16", classes=2, channels=3, image_size=64).at(frozen)
    assert repr(frozen) in re.sub(r"\\\\n", r"\\n", str(refused.value))


@pytest.mark.parametrize("frozen", ["stage 1 ", " stage 1", "stage 1\n", "STAGE 1", "stage1"])
def test_a_stage_spelt_otherwise_is_refused_with_its_spelling(frozen):
    hint = r"did you mean 'stage 1'\? \(vgg16: 0 to 13 convolutions, or 'stage 1' to 'stage 5'"
    with pytest.raises(InputError, match=hint):
        boundaries_of("vgg16", classes=2, channels=3, image_size=64).at(frozen)


@pytest.mark.parametrize("frozen", [14, -1, "stage 9", "conv3_3"])
def test_a_classifier_is_not_built_with_a_value_out_of_range(frozen):
    with pytest.raises(InputError, match=r"0 to 13 convolutions, or 'stage 1' to 'stage 5'"):
        build_classifier(Design("vgg16", 2, 3, 64, frozen=frozen))


def test_blocks_are_named_in_the_message():
    with pytest.raises(InputError, match=r"0 to 12 blocks, or 'stage 1'$"):
        boundaries_of("vit_b_32", classes=2, channels=3, image_size=64).at(13)


def test_freezing_survives_saving_and_loading_of_weights():
    classifier = build_classifier(Design("tiny_resnet", 2, 3, 32, frozen=4))
    state = classifier.state_dict()
    again = build_classifier(Design("tiny_resnet", 2, 3, 32, frozen=4))
    again.load_state_dict(state)
    assert isinstance(again, Classifier)
    trained = {key for key, each in again.network.named_parameters() if each.requires_grad}
    assert trained == {key for key, _ in again.network.named_parameters()} - again.frozen
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(again.eval()(images), classifier.eval()(images))


def test_an_edited_file_of_ones_own_has_its_new_boundaries(tmp_path):
    path = tmp_path / "mine.py"
    text = """
from torch import nn
from abl.nets.registry import network

@network("of_mine")
def of_mine(classes, channels, image_size):
    body = [nn.Conv2d(channels, 4, 3)] + [nn.Conv2d(4, 4, 3) for _ in range(MORE)]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
"""
    found = []
    for more in (0, 2):
        path.write_text(text.replace("MORE", str(more)))
        load_module(path)
        found.append(boundaries_of("of_mine", classes=2, channels=1, image_size=16).places[-1].n)
    unload_module()
    assert found == [1, 3]
