"""A file of a network without fully connected layers starts one with a gap head, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from abl.errors import InputError
from abl.nets.build import build_network
from abl.nets.design_check import weights_problems
from abl.nets.model import Classifier, Design, build_classifier

NETWORK, TAKES = "vgg11", {"classes": 2, "channels": 3, "image_size": 32}


def convolutions(prefix: str = "") -> dict[str, torch.Tensor]:
    """Those of a VGG11, and the linear layer that a GAP network has behind them."""
    torch.manual_seed(7)
    whole = build_network(NETWORK, classes=1000, channels=3, image_size=32).state_dict()
    kept = {n: each for n, each in whole.items() if n.startswith("features.")}
    return {prefix + n: each for n, each in (kept | {"fc.weight": torch.ones(1000, 512)}).items()}


def written(folder: Path, state: dict[str, torch.Tensor]) -> str:
    save_file(state, folder / "gap.safetensors")
    return str(folder / "gap.safetensors")


def built(weights: str, head: str = "gap", fusion: str = "none") -> Classifier:
    torch.manual_seed(0)
    return build_classifier(Design(NETWORK, **TAKES, weights=weights, head=head, fusion=fusion))


@pytest.mark.parametrize("prefix", ["", "extractors.0.", "model."])
@pytest.mark.parametrize("fusion", ["none", "early", "late"])
def test_a_gap_network_starts_from_a_file_without_fully_connected_layers(
    tmp_path: Path, prefix: str, fusion: str
) -> None:
    path = written(tmp_path, convolutions(prefix))
    found, wanted = built(path, fusion=fusion).state_dict(), convolutions()
    loaded = [name for name in found if ".features." in name or name.startswith("features.")]
    assert len(loaded) == (2 if fusion == "late" else 1) * (len(wanted) - 1)
    for name in loaded:
        assert torch.equal(found[name], wanted["features." + name.partition("features.")[2]]), name
    problems, [said] = weights_problems(path, NETWORK, **TAKES, head="gap")
    assert problems == []
    assert "classifier are not used" in said


def test_other_heads_need_the_layers_that_it_lacks(tmp_path: Path) -> None:
    path = written(tmp_path, convolutions())
    problems, _ = weights_problems(path, NETWORK, **TAKES, head="fc")
    assert "classifier.0.weight is missing" in problems[0].message
    with pytest.raises(InputError, match=r"classifier\.0\.weight is missing"):
        built(path, head="fc")


def test_a_file_that_lacks_a_convolution_is_refused_by_its_name(tmp_path: Path) -> None:
    state = convolutions()
    del state["features.3.weight"]
    state["features.0.weight"] = torch.ones(5, 3, 3, 3)
    path = written(tmp_path, state)
    [problem], _ = weights_problems(path, NETWORK, **TAKES, head="gap")
    assert "features.3.weight is missing" in problem.message
    assert "features.0.weight has shape (5, 3, 3, 3), not (64, 3, 3, 3)" in problem.message
    with pytest.raises(InputError, match="in front of head gap"):
        built(path)


def test_a_file_of_the_whole_network_starts_it_as_it_did(tmp_path: Path) -> None:
    torch.manual_seed(3)
    whole = build_network(NETWORK, **TAKES).state_dict()
    found = built(written(tmp_path, whole)).state_dict()
    names = [name for name in found if ".features." in name]
    assert names
    for name in names:
        assert torch.equal(found[name], whole["features." + name.partition("features.")[2]])
