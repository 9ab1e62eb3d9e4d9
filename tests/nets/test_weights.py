from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import models

from abl.errors import InputError, StageError
from abl.nets.build import build_network
from abl.nets.weights import read_state, weights_fingerprint

SQUEEZENET = Path(__file__).parents[3] / "shared/weights/squeezenet1_0_imagenet.safetensors"


def built(name: str, weights: object, *, classes: int = 2, channels: int = 3, size: int = 64):
    torch.manual_seed(0)
    return build_network(
        name, classes=classes, channels=channels, image_size=size, weights=str(weights)
    ).eval()


@pytest.mark.skipif(not SQUEEZENET.exists(), reason="the pretrained weights are not here")
def test_imagenet_squeezenet_gives_torchvisions_features():
    strict = models.squeezenet1_0().eval()
    strict.load_state_dict(load_file(SQUEEZENET), strict=True)
    network = built("squeezenet1_0", SQUEEZENET)
    images = torch.rand(3, 3, 64, 64)
    assert torch.equal(network.features(images), strict.features(images))
    assert network(images).shape == (3, 2)
    same_head = built("squeezenet1_0", SQUEEZENET, classes=1000)
    assert torch.equal(same_head(images), strict(images))
    grey = built("squeezenet1_0", SQUEEZENET, channels=1)
    grey_features = grey.features(images[:, :1])
    colour_features = strict.features(images[:, :1].expand(-1, 3, -1, -1))
    torch.testing.assert_close(grey_features, colour_features, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_from_a_file(tmp_path, suffix):
    source = build_network("tiny_resnet", classes=5, channels=3, image_size=64)
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save({"state_dict": source.state_dict()}, file)
    else:
        save_file(source.state_dict(), file)
    network = built("tiny_resnet", file)
    fresh = built("tiny_resnet", "none")
    for name, tensor in network.state_dict().items():
        expected = fresh if tensor.shape != source.state_dict()[name].shape else source
        assert torch.equal(tensor, expected.state_dict()[name]), name
    assert weights_fingerprint(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_densenet_files_with_the_old_names_are_read(tmp_path):
    source = models.densenet121().state_dict()
    pattern = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])\.")
    old = {
        pattern.sub(r"\1.\2.", name): tensor
        for name, tensor in source.items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(old, tmp_path / "densenet121.pth")
    loaded = built("densenet121", tmp_path / "densenet121.pth", classes=1000).state_dict()
    assert all(torch.equal(loaded[name], source[name]) for name in source)


def test_everything_that_does_not_fit_is_listed(tmp_path):
    state = build_network("plain4", classes=2, channels=3, image_size=64).state_dict()
    state["0.weight"] = torch.zeros(16, 3, 5, 5)
    state["surplus"] = torch.zeros(1)
    del state["1.bias"]
    file = tmp_path / "odd.safetensors"
    save_file(state, file)
    with pytest.raises(InputError) as caught:
        built("plain4", file)
    message = str(caught.value)
    for part in ("0.weight has shape (16, 3, 5, 5)", "1.bias is missing", "surplus is not in"):
        assert part in message


def test_a_file_that_runs_code_is_not_read(tmp_path):
    file = tmp_path / "whole.pt"
    torch.save(nn.Linear(2, 2), file)
    with pytest.raises(InputError, match="state dict of tensors alone"):
        read_state(file)


def test_missing_and_broken_files_are_told(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        built("plain4", tmp_path / "absent.pt")
    (tmp_path / "broken.safetensors").write_bytes(b"12345678901234567890")
    with pytest.raises(InputError, match="not a safetensors file"):
        built("plain4", tmp_path / "broken.safetensors")
    with pytest.raises(InputError, match="no ImageNet weights"):
        built("plain4", "imagenet")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_torchvisions_hub_weights_come_from_its_cache(hub):
    torch.manual_seed(1)
    source = models.squeezenet1_1()
    torch.save(source.state_dict(), hub / Path(models.SqueezeNet1_1_Weights.DEFAULT.url).name)
    network = built("squeezenet1_1", "imagenet")
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(network.features(images), source.eval().features(images))


def test_googlenets_hub_weights_keep_its_own_input_scaling(hub):
    torch.manual_seed(1)
    source = models.googlenet(aux_logits=True, transform_input=True, init_weights=False)
    file = hub / Path(models.GoogLeNet_Weights.DEFAULT.url).name
    torch.save(source.state_dict(), file)
    images = torch.rand(2, 3, 64, 64)
    expected = source.eval()(images)
    assert torch.equal(built("googlenet", "imagenet", classes=1000)(images), expected)
    with pytest.raises(InputError, match="channels: 3"):
        built("googlenet", "imagenet", channels=1)


def test_position_embeddings_are_interpolated(hub, monkeypatch):
    small = models.vision_transformer._vision_transformer

    def tiny(*, weights=None, progress=True, image_size=32, num_classes=10, **_):
        return small(16, 1, 2, 8, 16, None, False, image_size=image_size, num_classes=num_classes)

    monkeypatch.setitem(models._api.BUILTIN_MODELS, "vit_b_16", tiny)
    network = built("vit_b_16", "imagenet", size=64)
    assert network.encoder.pos_embedding.shape == (1, 17, 8)


def test_hub_weights_out_of_reach_are_told_in_one_sentence(hub, monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(StageError, match=r"cannot be fetched.*no route to host.*TORCH_HOME"):
        built("squeezenet1_1", "imagenet")


def test_timms_hub_weights_come_from_its_cache(tmp_path, monkeypatch):
    import timm
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(StageError, match=r"weights of resnet10t cannot be fetched.*HF_HOME"):
        built("timm/resnet10t", "imagenet", size=32)
    source = timm.create_model("resnet10t").eval()
    config = timm.get_pretrained_cfg("resnet10t")
    repository = tmp_path / ("models--" + config.hf_hub_id.replace("/", "--"))
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    save_file(source.state_dict(), snapshot / "model.safetensors")
    images = torch.rand(2, 3, 32, 32)
    network = built("timm/resnet10t", "imagenet", size=32)
    assert torch.equal(network.forward_features(images), source.forward_features(images))
    assert network(images).shape == (2, 2)
