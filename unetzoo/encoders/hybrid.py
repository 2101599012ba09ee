"""TransUNet's encoder: a ResNet, and a vision transformer on its coarsest map."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from math import gcd
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.encoders.base import Encoder
from unetzoo.encoders.stem import Adaptation, adapt_kernel
from unetzoo.levels import Level

__all__ = ["HybridEncoder"]

_TIMM = "vit_base_r50_s16_224"


class HybridEncoder(Encoder):
    """A ResNet with standardised weights and group norm, whose coarsest map goes through a transformer.

    R50+ViT-B/16 of Dosovitskiy et al. 2021, arXiv:2010.11929, as the encoder of TransUNet (Chen et al. 2021,
    arXiv:2102.04306): rows at stride 2, 4 and 8 are the ResNet's, the bottleneck at 16 is the transformer's.
    It is timm's network without the class token. Positions are learned for ``grid`` and interpolated to
    others.

    Args:
        channels: Width per row of the ResNet, finest first.
        layers: Residual blocks per row from the second on.
        width: Channels of a token.
        depth: Transformer blocks.
        heads: Attention heads of each.
        grid: Tokens per axis that positions are learned for; 14 is 224 px.
        enrich: Builds what the map of tokens goes through before they get positions, from (ndim, channels).
        pretrained: Download timm's weights of R50+ViT-B/16.
        weights: File with such weights (``.safetensors`` or ``.pth``), for machines without network.
        bands: Names of the input's bands, which ``stem=keep_rgb`` goes by.
        stem: How weights for red, green and blue become weights for the bands: keep_rgb | mean | cyclic.

    Raises:
        ValueError: If a width is no multiple of 8, or weights are asked for and the widths are not theirs.
        OSError: If they cannot be read or downloaded.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Sequence[int] = (64, 256, 512, 1024),
        layers: Sequence[int] = (3, 4, 9),
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        grid: int = 14,
        enrich: Callable[[int, int], nn.Module] | None = None,
        pretrained: bool = False,
        weights: str | Path | None = None,
        bands: Sequence[str] | None = None,
        stem: Adaptation = "cyclic",
    ) -> None:
        from timm.models.resnetv2 import ResNetV2
        from timm.models.vision_transformer import Block

        super().__init__()
        self.name = _TIMM
        if len(layers) != len(channels) - 1:
            raise ValueError(
                f"encoder.layers {list(layers)} must give one number for each but the first of the rows "
                f"{list(channels)}"
            )
        if any(c % 8 for c in channels):
            raise ValueError(f"encoder.channels {list(channels)} must be multiples of 8; timm rounds others")
        rgb = pretrained or weights is not None
        body = ResNetV2(
            list(layers),
            channels=tuple(channels[1:]),
            stem_chs=channels[0],
            num_classes=0,
            in_chans=3 if rgb else in_channels,
            global_pool="",
            preact=False,
            norm_layer=_group_norm,
            conv_layer=_StandardisedConv,
        )
        # the finest row is the stem without its pooling
        *enter, _ = body.stem
        self.stem, self.stages = nn.Sequential(*enter), body.stages
        # zeros are as good as nothing behind a ReLU
        self.pool = nn.Sequential(nn.ConstantPad2d((0, 1, 0, 1), 0.0), nn.MaxPool2d(3, 2))
        self.embed = nn.Conv2d(channels[-1], width, 1)
        self.enrich = nn.Identity() if enrich is None else enrich(2, width)
        self.positions = nn.Parameter(0.02 * torch.randn(1, width, grid, grid))
        self.positions.no_weight_decay = True  # type: ignore[attr-defined]
        norm_layer: Any = partial(nn.LayerNorm, eps=1e-6)
        self.blocks = nn.Sequential(
            *(Block(width, heads, qkv_bias=True, norm_layer=norm_layer) for _ in range(depth))
        )
        self.norm = norm_layer(width)
        strides = [2 ** (i + 1) for i in range(len(channels))]
        widths = [*channels[:-1], width]
        self.levels = [Level(c, (s, s)) for c, s in zip(widths, strides, strict=True)]
        if rgb:
            self.take(_released(weights))
            if in_channels != 3 or stem == "keep_rgb":
                first: Any = self.stem[0]
                first.weight = nn.Parameter(adapt_kernel(first.weight.detach(), in_channels, stem, bands))
                first.in_channels = in_channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """One (B, C_i, H / stride_i, W / stride_i) per row."""
        features = [self.stem(x)]
        x = self.pool(features[0])
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        features[-1] = self.transform(x)
        return features

    def transform(self, x: Tensor) -> Tensor:
        """The ResNet's coarsest map to the transformer's, (B, width, *size)."""
        x = self.enrich(self.embed(x))
        x = x + F.interpolate(self.positions, x.shape[2:], mode="bicubic", align_corners=False)
        tokens: Tensor = self.norm(self.blocks(x.flatten(2).transpose(1, 2)))
        return tokens.transpose(1, 2).reshape_as(x)

    def take(self, vit: Any) -> None:
        """Copy the weights of timm's network.

        Raises:
            ValueError: If its widths are others.
        """
        body = vit.patch_embed.backbone
        pairs = [
            (self.stem[0], body.stem.conv),
            (self.stem[1], body.stem.norm),
            (self.stages, body.stages),
            (self.embed, vit.patch_embed.proj),
            (self.blocks, vit.blocks),
            (self.norm, vit.norm),
        ]
        positions = vit.pos_embed[:, vit.num_prefix_tokens :].transpose(1, 2)  # (1, C, N)
        side = round(positions.shape[2] ** 0.5)
        try:
            for ours, theirs in pairs:
                ours.load_state_dict(theirs.state_dict())
            with torch.no_grad():
                self.positions.copy_(
                    F.interpolate(
                        positions.unflatten(2, (side, side)), self.positions.shape[2:], mode="bicubic"
                    )
                )
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise ValueError(
                f"the weights of {_TIMM} do not fit this encoder ({reason}); leave its widths as they are"
            ) from error


class _StandardisedConv(nn.Conv2d):
    """Kernels of mean 0 and variance 1 (Qiao et al. 2019, arXiv:1903.10520), padded as in TensorFlow.

    The weights were trained with that padding, more at the far end. Maps here are multiples of the stride, so
    it is constant.
    """

    def __init__(self, c_in: int, c_out: int, kernel_size: int, stride: int = 1, **options: Any) -> None:
        super().__init__(c_in, c_out, kernel_size, stride, bias=False, **options)
        total = max(0, kernel_size - stride)
        self.pads = [total // 2, total - total // 2] * 2

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, c_out, *(size / stride))."""
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) * (variance + 1e-8).rsqrt()
        return F.conv2d(F.pad(x, self.pads), weight, None, self.stride, 0, self.dilation, self.groups)


def _group_norm(channels: int, **options: Any) -> nn.Module:
    from timm.layers.norm_act import GroupNormAct

    return GroupNormAct(channels, num_groups=gcd(32, channels), **options)


def _released(weights: str | Path | None) -> Any:
    import timm

    if weights is not None and not Path(weights).is_file():
        raise FileNotFoundError(
            f"{weights}: no such weights file; give the path of timm's weights for {_TIMM}"
        )
    file: dict[str, Any] = {}
    if weights is not None:
        file = {"pretrained_cfg_overlay": {"file": os.fspath(weights)}}
    try:
        return timm.create_model(_TIMM, pretrained=True, num_classes=0, **file)
    except Exception as error:  # torch, timm and the hub's client raise a kind of their own each
        raise OSError(
            f"the weights of {_TIMM} could not be read ({str(error).strip().splitlines()[0]}); set "
            "encoder.weights to a local file or encoder.pretrained=false to train from scratch"
        ) from error
