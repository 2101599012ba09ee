"""Batch norm of globally pooled vectors."""

from typing import cast

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unetzoo.nd import conv

__all__ = ["PooledBatchNorm", "pooled_unit"]


class PooledBatchNorm(_BatchNorm):
    """Batch norm of one value per image and channel.

    A batch of a single image has no variance of its own and is normalised by the running statistics, in
    training too, where torch's layer refuses it; they stay as they are then.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any dimension."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, 1, ...) to the same."""
        if self.training and input.shape[0] == 1:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(input)


def pooled_unit(ndim: int, c_in: int, c_out: int) -> list[nn.Module]:
    """1x1 convolution and `PooledBatchNorm` of a pooled map, to be spread into a ``Sequential``."""
    layer = conv(ndim, c_in, c_out, bias=False)
    nn.init.kaiming_normal_(cast(Tensor, layer.weight), nonlinearity="relu")
    return [layer, PooledBatchNorm(c_out)]
