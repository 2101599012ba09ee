from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from monai.networks.nets import swin_unetr
from torch import nn

from unetzoo import create_model
from unetzoo.blocks import SwinBlock
from unetzoo.encoders import ConvEncoder, RefinedEncoder, UNETREncoder

# MONAI stacks the voxels of a cell in an order of its own in 3D
ORDER = {2: [0, 1, 2, 3], 3: [0, 1, 2, 4, 3, 5, 6, 7]}


def convs(module: nn.Module) -> list[Any]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]


def copy(ours: Iterable[Any], theirs: Iterable[Any]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        a.copy_(b.reshape(a.shape))


def copy_convs(ours: nn.Module, theirs: nn.Module, *, swap: int = 0) -> None:
    """Weights of a residual block; MONAI concatenates the decoder first."""
    for a, b in zip(convs(ours), convs(theirs), strict=True):
        both = b.weight.shape[1] == 2 * swap
        a.weight.copy_(b.weight.roll(swap, 1) if both else b.weight)


@torch.no_grad()
def take_over(ours: Any, theirs: Any, ndim: int) -> None:
    inner, body = ours.encoder.encoder, theirs.swinViT
    copy(inner.stem.parameters(), body.patch_embed.parameters())
    layers = [body.layers1[0], body.layers2[0], body.layers3[0], body.layers4[0]]
    for stage, pool, layer in zip(inner.stages, inner.pools, layers, strict=False):
        blocks = [block for block in stage.modules() if isinstance(block, SwinBlock)]
        for a, b in zip(blocks, layer.blocks, strict=True):
            copy(a.parameters(), b.parameters())
        merging = layer.downsample
        stacked = [merging.norm.weight, merging.norm.bias, merging.reduction.weight]
        order = ORDER[ndim]
        voxels = [t.unflatten(-1, (len(order), -1)) for t in stacked]
        inverse = torch.tensor(order).argsort()
        copy(pool.parameters(), [t[..., inverse, :] for t in voxels])
    copy_convs(ours.encoder.image, theirs.encoder1)
    refined = [theirs.encoder2, theirs.encoder3, theirs.encoder4, None, theirs.encoder10]
    for a, b in zip(ours.encoder.blocks, refined, strict=True):
        if b is not None:
            copy_convs(a, b)
    ups = [theirs.decoder1, theirs.decoder2, theirs.decoder3, theirs.decoder4, theirs.decoder5]
    for up, block, level, b in zip(
        ours.decoder.ups, ours.decoder.blocks, ours.decoder.levels, ups, strict=True
    ):
        up.weight.copy_(b.transp_conv.conv.weight)
        up.bias.zero_()
        copy_convs(block, b.conv_block, swap=level.channels)
    copy(ours.heads[0].conv.parameters(), theirs.out.conv.conv.parameters())


@pytest.mark.parametrize("ndim", [2, 3])
def test_it_answers_as_monais_where_windows_fit(
    ndim: int, monkeypatch: pytest.MonkeyPatch, count: Callable[[nn.Module], int]
) -> None:
    def rearrange(x: Any, pattern: str) -> Any:
        """All that MONAI needs of einops: channels to the end and back."""
        return x.movedim(1, -1) if pattern.endswith(" c") else x.movedim(-1, 1)

    monkeypatch.setattr(swin_unetr, "rearrange", rearrange)
    torch.manual_seed(0)
    theirs = swin_unetr.SwinUNETR(2, 3, feature_size=12, window_size=2, spatial_dims=ndim).eval()
    changes = {
        "encoder.encoder.ndim": ndim,
        "encoder.encoder.channels": [12, 24, 48, 96, 192],
        "encoder.encoder.strides": [[2**k] * ndim for k in range(1, 6)],
        "encoder.encoder.block.window": 2,
        "encoder.encoder.block.head_dim": 4,
    }
    ours = create_model("swin_unetr", in_channels=2, num_classes=3, overrides=changes).eval()
    take_over(ours, theirs, ndim)
    x = torch.randn(1, 2, *(32, 64, 32)[:ndim])
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
    affine = [m for m in ours.modules() if type(m).__name__ == "_InstanceNorm"]
    biases = sum(up.bias.numel() for up in ours.decoder.ups)  # type: ignore[union-attr]
    assert count(ours) - sum(count(m) for m in affine) - biases == count(theirs)


def test_an_encoder_with_a_row_at_the_images_resolution_needs_no_refinement() -> None:
    with pytest.raises(ValueError, match="has a row at the image's resolution already"):
        RefinedEncoder(3, encoder=ConvEncoder, block=lambda *_: nn.Identity())


def unetr(**options: Any) -> Any:
    torch.manual_seed(0)
    given: dict[str, Any] = {
        "ndim": 2,
        "channels": [4, 4, 6],
        "hidden": 8,
        "layers": 3,
        "read": [1, 2],
        "heads": 2,
    }
    given |= {"grid": [3, 2], "block": lambda ndim, a, b: nn.Conv2d(a, b, 1)}
    return UNETREncoder(3, **(given | options)).eval()


def test_positions_are_learned_for_one_grid_and_stretched_over_others() -> None:
    encoder = unetr()
    seen: list[torch.Tensor] = []
    encoder.layers[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    for size in ((24, 16), (48, 32)):
        encoder(torch.zeros(1, 3, *size))
    own, stretched = (tokens - encoder.embed.bias for tokens in seen)
    torch.testing.assert_close(own, encoder.positions.flatten(2).transpose(1, 2))
    # a corner is its nearest position
    torch.testing.assert_close(stretched[:, 0], own[:, 0])
    assert stretched.shape == (1, 24, 8)


def test_a_row_is_made_of_the_layer_it_reads() -> None:
    encoder = unetr()
    after: list[torch.Tensor] = []
    for layer in encoder.layers:
        layer.register_forward_hook(lambda _, __, out: after.append(out))
    x = torch.randn(1, 3, 24, 16)
    rows = encoder(x)
    maps = [torch.unflatten(tokens.transpose(1, 2), 2, (3, 2)) for tokens in after]
    assert torch.equal(rows[1], encoder.rows[0](maps[0]))
    assert torch.equal(rows[2], encoder.rows[1](maps[1]))
    assert torch.equal(rows[3], encoder.norm(maps[2]))
    assert [len(row) for row in encoder.rows] == [3, 1]


def test_layers_that_do_not_fit_the_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"encoder\.read=\[1\] must name one of 3 layers for each of 2 rows"):
        unetr(read=[1])
