"""Squeeze-and-excitation, ECA, CBAM and scSE: their formulas, their peers, their identity."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks import CBAM, ChannelAttention, EfficientChannelAttention, ScSE, SqueezeExcite
from unetzoo.blocks.eca import adaptive_kernel

BLOCKS: dict[str, Callable[..., Any]] = {
    "se": SqueezeExcite,
    "eca": EfficientChannelAttention,
    "cbam": CBAM,
    "sc_se": ScSE,
}
every_block = pytest.mark.parametrize("name", BLOCKS)


def image(ndim: int = 2, channels: int = 8, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, channels, *(5, 6, 4)[:ndim], generator=generator, dtype=dtype)


def made(name: str, ndim: int = 2, **options: Any) -> Any:
    torch.manual_seed(1)
    return BLOCKS[name](ndim, 8, **options).double()


@every_block
@pytest.mark.parametrize("ndim", [2, 3])
def test_identity_init_is_the_identity(name: str, ndim: int) -> None:
    x = image(ndim)
    assert torch.equal(made(name, ndim, identity_init=True)(x), x)
    assert not torch.allclose(made(name, ndim)(x), x)


@every_block
def test_every_parameter_learns_from_the_identity_too(name: str) -> None:
    block = made(name, identity_init=True)
    block(image()).square().sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    assert any(p.grad.abs().max() > 0 for p in block.parameters())


@pytest.mark.parametrize("name", ["se", "eca", "sc_se"])
def test_a_volume_of_equal_slices_is_weighed_as_the_slice(name: str) -> None:
    flat, deep = made(name, 2), made(name, 3)
    deep.load_state_dict({k: v.reshape(deep.state_dict()[k].shape) for k, v in flat.state_dict().items()})
    x = image()
    torch.testing.assert_close(deep(x.unsqueeze(2).expand(-1, -1, 3, -1, -1))[:, :, 1], flat(x))


def test_squeeze_excite_is_its_formula() -> None:
    block, x = made("se", reduction=4), image()
    w1, b1, w2, b2 = (p.flatten(1) if p.ndim > 1 else p for p in block.parameters())
    weights = torch.sigmoid(F.relu(x.mean((2, 3)) @ w1.T + b1) @ w2.T + b2)
    torch.testing.assert_close(block(x), x * weights[:, :, None, None])
    assert w1.shape == (2, 8)


def test_squeeze_excite_of_zero_logits_halves() -> None:
    block, x = made("se", bias=False), image()
    nn.init.zeros_(block.excite.weight)
    assert torch.equal(block(x), 0.5 * x)
    assert [name for name, _ in block.named_parameters()] == ["squeeze.weight", "excite.weight"]


def test_eca_is_timms() -> None:
    timm = pytest.importorskip("timm.layers")
    ours, x = made("eca"), image()
    theirs = timm.EcaModule(8).double()
    assert theirs.conv.weight.shape == ours.conv.weight.shape
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_ecas_kernel_grows_with_the_logarithm_of_the_width() -> None:
    kernels = {c: adaptive_kernel(c) for c in (48, 96, 128, 512)}
    assert kernels == {48: 3, 96: 3, 128: 5, 512: 5}
    with pytest.raises(ValueError, match="kernel_size=4 has no middle"):
        made("eca", kernel_size=4)


def test_channel_attention_is_timms() -> None:
    timm = pytest.importorskip("timm.layers.cbam")
    ours, x = made("cbam", reduction=4).channel, image()
    theirs = timm.CbamModule(8, rd_channels=2).double().channel
    theirs.fc1.weight.data.copy_(ours.squeeze.weight)
    theirs.fc2.weight.data.copy_(ours.excite.weight)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_cbam_weighs_channels_and_then_pixels() -> None:
    block, x = made("cbam"), image()
    y = x * block.channel.weights(x)
    summary = torch.stack([y.mean(1), y.max(1).values], 1)
    weights = F.conv2d(summary, block.spatial.conv.weight, padding=3).sigmoid()
    torch.testing.assert_close(block(x), y * weights)
    assert sum(p.numel() for p in ChannelAttention(2, 64).parameters()) == 2 * 64 * 4
    assert block.spatial.conv.weight.shape == (1, 2, 7, 7)


def test_scse_is_that_of_segmentation_models() -> None:
    smp = pytest.importorskip("segmentation_models_pytorch.base.modules")
    torch.manual_seed(0)
    ours, x = ScSE(2, 32).double(), image(channels=32)
    theirs = smp.SCSEModule(32, reduction=16).double()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_scse_by_maximum_takes_the_larger_of_the_two() -> None:
    block, x = made("sc_se", join="max"), image()
    torch.testing.assert_close(block(x), torch.maximum(block.channel(x), x * block.spatial(x).sigmoid()))
    with pytest.raises(ValueError, match="needs join=sum"):
        made("sc_se", join="max", identity_init=True)
    with pytest.raises(ValueError, match="join 'mean' is unknown"):
        made("sc_se", join="mean")
