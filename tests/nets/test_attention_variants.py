"""The algebra of attention modules: what masks of ones, zeros, constants and one pixel do."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from abl.nets.attention_variants import min_max, resized_mask
from abl.spec.attention import VARIANTS, Attention

WITHOUT_MASK = ("se", "cbam")
GUIDED = [name for name in VARIANTS if name not in WITHOUT_MASK]
WIDTH = 8


def module(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return VARIANTS[name](WIDTH, 4).eval()


def features(count: int = 3, seed: int = 1) -> Tensor:
    return torch.randn(count, WIDTH, 6, 5, generator=torch.Generator().manual_seed(seed))


def mask_of(value: float, count: int = 3) -> Tensor:
    return torch.full((count, 1, 6, 5), value)


def weights_of(found: torch.nn.Module, under: Tensor) -> Tensor:
    """sigmoid(MLP(GAP(x))), written out."""
    first, _, second = found.weigh.mlp
    pooled = under.mean((2, 3))
    hidden = torch.relu(pooled @ first.weight.T + first.bias)
    return torch.sigmoid(hidden @ second.weight.T + second.bias)[:, :, None, None]


def test_a_mask_of_ones_is_attention_without_a_place():
    x, one = features(), mask_of(1.0)
    assert torch.equal(module("spatial")(x, one), 2 * x)
    for name, expected in {
        "channel": lambda a: x + x * a,
        "serial": lambda a: x + x * a,
        "parallel": lambda a: x + x + x * a,
    }.items():
        found = module(name)
        assert torch.allclose(found(x, one), expected(weights_of(found, x)), atol=1e-6)


def test_a_mask_of_zeros_leaves_the_residual_and_one_weight_a_channel():
    x, none = features(), mask_of(0.0)
    assert torch.equal(module("spatial")(x, none), x)
    assert torch.equal(module("serial")(x, none), x)
    for name in ("channel", "parallel"):
        found = module(name)
        # what channels weigh is then the same for every image
        a = weights_of(found, torch.zeros_like(x))
        assert torch.allclose(found(x, none), x + x * a, atol=1e-6)
        assert torch.equal(a[0], a[1])


@pytest.mark.parametrize("name", ["spatial", "serial"])
def test_one_pixel_changes_that_place_alone(name):
    x, mask = features(), mask_of(0.0)
    mask[:, :, 2, 3] = 1.0
    changed = (module(name)(x, mask) != x).any(1)
    assert changed[:, 2, 3].all()
    assert changed.sum() == len(x)


def test_channels_are_weighed_by_what_lies_under_the_mask():
    x, mask = features(), mask_of(0.0)
    mask[:, :, 2, 3] = 1.0
    elsewhere = x.clone()
    elsewhere[:, :, 0, 0] += 100.0
    found = module("channel")
    ratio = found(x, mask) / x
    # brightness outside the nodule moves no weight
    assert torch.allclose((found(elsewhere, mask) / elsewhere)[:, :, 4, 4], ratio[:, :, 4, 4])
    inside = x.clone()
    inside[:, :, 2, 3] += 100.0
    assert not torch.allclose((found(inside, mask) / inside)[:, :, 4, 4], ratio[:, :, 4, 4])


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_an_image_does_not_depend_on_its_batch(name):
    mask = torch.rand(4, 1, 6, 5, generator=torch.Generator().manual_seed(2))
    found, given = module(name), (features(4), mask)[: 1 if name in WITHOUT_MASK else 2]
    together = found(*given)
    alone = torch.cat([found(*(each[at : at + 1] for each in given)) for at in range(4)])
    x = given[0]
    assert together.shape == x.shape
    assert torch.allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("name", GUIDED)
def test_a_guided_module_looks_at_its_mask(name):
    x = features()
    mask = torch.rand(3, 1, 6, 5, generator=torch.Generator().manual_seed(2))
    assert not torch.allclose(module(name)(x, mask), module(name)(x, 1 - mask))


def test_the_settings_know_which_variants_need_a_mask():
    assert {name for name in VARIANTS if Attention(variant=name).is_guided} == set(GUIDED)


@given(st.floats(0, 1), st.floats(0.01, 5), st.floats(-3, 3))
def test_a_constant_mask_is_none_and_others_fill_their_range(value, scale, shift):
    assert torch.equal(min_max(mask_of(value)), mask_of(0.0))
    mask = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(3)).double()
    found = min_max(mask * scale + shift)
    assert found.min() == 0
    # what is added to the denominator takes a little off the top
    assert 1 - 2e-4 < float(found.amax((2, 3)).min()) <= 1
    # each image for itself, whatever the others hold
    assert torch.allclose(found, min_max(mask), atol=2e-4)


def test_resizing_is_bilinear():
    ramp = torch.linspace(0, 1, 8)[None, None, None, :].expand(1, 1, 8, 8)
    small = resized_mask(ramp, 4, 4)
    pairs = (ramp[..., ::2] + ramp[..., 1::2])[:, :, ::2] / 2
    assert torch.allclose(small, pairs)
