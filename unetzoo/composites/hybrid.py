"""A 2D network on the slices of a volume, and a 3D one that starts from what it found."""

from collections.abc import Mapping
from math import lcm
from typing import Any

import torch
from torch import Tensor, nn

from unetzoo.nd import activation, conv, norm
from unetzoo.unet import UNet

__all__ = ["HybridNet"]


class HybridNet(UNet):
    """A 3D U-Net that sees the volume and the logits of a 2D one, and adds its features at the end.

    Li et al. 2018, "H-DenseUNet", IEEE TMI, arXiv:1709.07330, section III: slices are seen in the context of
    their neighbours (a slice at the end is its own neighbour), and the finest rows of both networks are added
    before a last convolution (hybrid feature fusion) and the head. Train the slices first, then with
    ``task.freeze=[slices]``, then all.

    Args:
        in_channels: Bands of the volume.
        slices: Arguments of the 2D `UNet`: encoder, skip, decoder, head. Its decoder's finest row is as wide
            as the 3D decoder's, and both have stride 1.
        context: Slices that the 2D network sees, the middle one being the one it segments; odd.
        context_scale: Factor of the 2D logits in the 3D network's input; the paper's 250 goes with Hounsfield
            units, 1 with normalised volumes.
        dropout: Probability of zeroing a channel of the fused features.
        parts: The other arguments of `UNet`, for the 3D network.

    Raises:
        ValueError: If ``context`` is even, or the two networks do not go together.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        slices: Mapping[str, Any],
        context: int = 3,
        context_scale: float = 1.0,
        dropout: float = 0.3,
        **parts: Any,
    ) -> None:
        if context < 1 or context % 2 == 0:
            raise ValueError(f"context={context} must be odd: the slice itself and as many on either side")
        flat = UNet(in_channels=context * in_channels, num_classes=num_classes, **slices)
        super().__init__(in_channels=in_channels + flat.outputs, num_classes=num_classes, **parts)
        rows = (flat.decoder.levels[0], self.decoder.levels[0])
        if (flat.ndim, self.ndim) != (2, 3):
            raise ValueError(f"slices must be 2D and the rest 3D, not {flat.ndim}D and {self.ndim}D")
        if rows[0].channels != rows[1].channels or max(*rows[0].stride, *rows[1].stride) > 1:
            raise ValueError(
                f"the finest rows of the 2D and 3D decoders are added, but are {rows[0]} and {rows[1]}; "
                "give both the same width, and stride 1"
            )
        self.slices, self.in_channels = flat, in_channels
        self.context, self.context_scale = context, context_scale
        self.divisor = tuple(lcm(*units) for units in zip(self.divisor, (1, *flat.divisor), strict=True))
        self.channels_last = False
        width = rows[0].channels
        # the paper's order: dropout, norm, ReLU
        self.fuse = nn.Sequential(
            conv(3, width, width, 3), nn.Dropout3d(dropout), norm("batch", 3, width), activation("relu")
        )

    def decode(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The 3D pathway's rows, and the 3D decoder's with the finest one fused, of the padded volume."""
        x = self.pad(x)
        features, logits = self.see_slices(x)
        skips = self.skip(self.encoder(torch.cat([x, self.context_scale * logits], 1)))
        *coarser, finest = self.decoder(skips, self.skip.merge)
        return skips, [*coarser, self.fuse(finest + features)]

    def see_slices(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, D, H, W) to the 2D network's finest features and logits, both as volumes."""
        flat = self.slices
        skips = flat.skip(flat.encoder(stacked(x, self.context)))
        rows = flat.decoder(skips, flat.skip.merge)
        size = (x.shape[0], x.shape[2])
        features, logits = (y.unflatten(0, size).transpose(1, 2) for y in (rows[-1], flat.heads[0](rows)))
        return features, logits


def stacked(x: Tensor, context: int) -> Tensor:
    """(B, C, D, H, W) to slices (B * D, context * C, H, W): neighbours from front to back, ends repeated."""
    reach, depth = context // 2, x.shape[2]
    padded = torch.cat([*[x[:, :, :1]] * reach, x, *[x[:, :, -1:]] * reach], 2)
    near = torch.cat([padded.narrow(2, k, depth) for k in range(context)], 1)
    return near.transpose(1, 2).flatten(0, 1)
