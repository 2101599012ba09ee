"""Objectives with a value per pixel."""

from collections.abc import Sequence

from torch import Tensor

from unetzoo.auxiliary.base import Auxiliary
from unetzoo.levels import Level
from unetzoo.nd import conv, resize

__all__ = ["DenseAuxiliary"]


class DenseAuxiliary(Auxiliary):
    """A 1x1 convolution on the finest decoder row, at the image's resolution.

    Args:
        outputs: Values per pixel.
        weight: Factor of the loss beside the main one.
    """

    def __init__(self, levels: Sequence[Level], outputs: int, *, weight: float = 1.0) -> None:
        super().__init__(weight=weight)
        finest = levels[0]
        self.conv = conv(len(finest.stride), finest.channels, outputs)
        self.resize = resize(finest.stride)

    def dense(self, decoded: list[Tensor], target: Tensor) -> Tensor:
        """Decoder outputs of the padded image to (B, outputs, *size) of the target's."""
        values: Tensor = self.resize(self.conv(decoded[-1]))
        for axis in range(2, values.dim()):
            values = values.narrow(axis, 0, target.shape[axis - values.dim()])
        return values
