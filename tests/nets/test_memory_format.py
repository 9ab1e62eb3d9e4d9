from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from abl.errors import InputError
from abl.nets.build import build_network
from abl.nets.memory_format import gains_by_channels_last, with_chosen_format
from abl.nets.registry import NETWORKS
from abl.nets.user_module import load_module, unload_module
from abl.spec.base import identity_of
from abl.spec.read import read_sweep
from abl.spec.train import Train

MINE = """
from torch import nn
from abl.nets.registry import network

@network("resnet_of_mine")
def resnet_of_mine(classes, channels, image_size):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
"""


def chosen(network: str, gpus: float = 0, **settings: object) -> str:
    train = Train.model_validate({"network": network, **settings})
    return with_chosen_format(train, gpus=gpus).memory_format


@pytest.mark.parametrize(
    "network",
    ["plain4", "tiny_vgg", "tiny_resnet", "tiny_dense", "tiny_inception", "tiny_mobile", "cnn1",
     "cnn2", "resnet18", "resnet152", "resnext50_32x4d", "wide_resnet50_2", "densenet121",
     "googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5",
     "shufflenet_v2_x1_0", "squeezenet1_1", "efficientnet_b0", "efficientnet_v2_s",
     "regnet_x_400mf", "timm/resnet18.a1_in1k", "timm/seresnet50", "timm/mobilenetv3_small_100"],
)  # fmt: skip
def test_convolutional_networks_are_trained_channels_last_on_cpus(network):
    assert chosen(network) == "channels_last"
    assert chosen(network, gpus=0.5) == "contiguous"
    assert chosen(network, memory_format="contiguous") == "contiguous"


@pytest.mark.parametrize(
    "network",
    ["alexnet", "vgg16", "vgg11_bn", "convnext_tiny", "vit_b_16", "swin_t", "maxvit_t",
     "timm/vit_tiny_patch16_224", "timm/convnext_atto"],
)  # fmt: skip
def test_others_keep_what_they_had_unless_asked(network):
    assert chosen(network) == "contiguous"
    assert chosen(network, memory_format="channels_last", gpus=1) == "channels_last"


def test_each_network_of_the_package_falls_under_the_rule():
    # other tests register networks of their own
    of_the_package = [each.name for each in NETWORKS.entries() if each.module.startswith("abl.")]
    assert len(of_the_package) > 5
    assert all(gains_by_channels_last(name) for name in of_the_package)


def test_a_part_of_ones_own_may_count_on_the_order_in_memory(tmp_path: Path):
    (tmp_path / "mine.py").write_text(MINE)
    try:
        load_module(tmp_path / "mine.py")
        assert chosen("resnet_of_mine") == "contiguous"
        assert chosen("resnet18") == "channels_last"
    finally:
        unload_module()


def test_what_was_chosen_enters_the_identity_as_the_first_version_spelled_it():
    before = identity_of(Train())  # of the time before there was a choice
    auto, last, plain = (
        with_chosen_format(Train(network="cnn1", memory_format=word), gpus=0)
        for word in ("auto", "channels_last", "contiguous")
    )
    assert identity_of(plain) == before
    assert identity_of(auto) == identity_of(last) == before | {"channels_last": True}
    for given in (before, identity_of(auto)):  # as a worker reads it
        assert identity_of(Train.model_validate(given)) == given
    older = Train.model_validate({"network": "cnn1", "channels_last": "yes"})
    assert identity_of(older) == identity_of(last)
    assert with_chosen_format(Train(channels_last=False), gpus=0).memory_format == "contiguous"


@pytest.mark.parametrize(
    ("block", "word"),
    [
        ("{channels_last: yes, memory_format: contiguous}", "memory_format"),
        ("{channels_last: 3}", "channels_last"),
        ("{memory_format: nhwc}", "memory_format"),
    ],
)
def test_a_format_that_cannot_be_is_one_line(block, word, tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(f"name: x\nstudy: backbones\ndata: {{phantom: {{}}}}\ntrain: {block}\n")
    with pytest.raises(InputError, match=word) as told:
        read_sweep(file)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("network", ["tiny_inception", "tiny_mobile", "cnn1", "googlenet"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_computes_the_same_function_in_both(network, channels):
    torch.manual_seed(0)
    built = build_network(network, classes=2, channels=channels, image_size=32).eval()
    images = torch.rand(3, channels, 32, 32)
    with torch.inference_mode():
        plain = built(images)
        last = built.to(memory_format=torch.channels_last)(
            images.contiguous(memory_format=torch.channels_last)
        )
    np.testing.assert_allclose(last, plain, rtol=1e-4, atol=1e-5)
