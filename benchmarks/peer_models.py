"""Peers' networks in the shape that training and evaluation expect of ours."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from unetzoo.nd import crop_to
from unetzoo.network import SegmentationNetwork


class Peer(SegmentationNetwork):
    """A network that only takes multiples of ``divisor``, padded and cropped as ours is."""

    def __init__(
        self, net: nn.Module, *, ndim: int, divisor: int, num_classes: int, outputs: int, layout: bool
    ) -> None:
        super().__init__()
        self.net, self.divisor, self.num_classes, self.outputs = net, (divisor,) * ndim, num_classes, outputs
        self.activation = "sigmoid" if outputs == 1 else "softmax"
        self.channels_last = layout

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to logits (B, outputs, *size)."""
        return crop_to(self.net(self.pad(x)), x)


def smp_unet(
    *,
    in_channels: int,
    num_classes: int,
    head: Mapping[str, Any],
    encoder_name: str,
    decoder_channels: Sequence[int],
) -> Peer:
    """``segmentation_models_pytorch.Unet`` from scratch, with as many logits as our head would have."""
    import segmentation_models_pytorch as smp

    outputs = 1 if head["activation"] == "sigmoid" else num_classes
    net = smp.Unet(
        encoder_name,
        encoder_weights=None,
        decoder_channels=tuple(decoder_channels),
        in_channels=in_channels,
        classes=outputs,
    )
    return Peer(net, ndim=2, divisor=32, num_classes=num_classes, outputs=outputs, layout=True)


def monai_unet(
    *,
    in_channels: int,
    num_classes: int,
    head: Mapping[str, Any],
    channels: Sequence[int],
    num_res_units: int,
) -> Peer:
    """``monai.networks.nets.UNet`` in 3D, one logit per class."""
    assert head["activation"] == "softmax"
    from monai.networks.nets.unet import UNet

    strides = (2,) * (len(channels) - 1)
    net = UNet(3, in_channels, num_classes, tuple(channels), strides, num_res_units=num_res_units)
    return Peer(
        net, ndim=3, divisor=2 ** len(strides), num_classes=num_classes, outputs=num_classes, layout=False
    )
