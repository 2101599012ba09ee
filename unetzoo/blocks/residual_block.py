"""The residual block of encoders trained from scratch."""

from torch import Tensor, nn

from unetzoo.nd import Activation, Norm, activation, conv, conv_unit

__all__ = ["ResidualBlock"]


class ResidualBlock(nn.Module):
    """``act(x' + F(x))`` with two 3x3 convolutions in F (He et al. 2016, arXiv:1512.03385, fig. 2).

    ``x'`` is x itself, or its strided 1x1 projection where width or size change. The first convolution
    carries the stride.

    Args:
        bias: Of the convolutions; ``None`` only where no norm follows.
        plain_shortcut: Let ``x'`` be a 1x1 convolution with bias and without norm, whatever changes.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        stride: int | tuple[int, ...] = 1,
        norm: Norm | None = "batch",
        activation_name: Activation = "relu",
        bias: bool | None = None,
        plain_shortcut: bool = False,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_unit(
                ndim, c_in, c_out, stride=stride, norm_name=norm, activation_name=activation_name, bias=bias
            ),
            *conv_unit(ndim, c_out, c_out, norm_name=norm, activation_name=None, bias=bias),
        )
        same = c_in == c_out and all(s == 1 for s in ([stride] if isinstance(stride, int) else stride))
        self.project: nn.Module = nn.Identity()
        if plain_shortcut:
            self.project = conv(ndim, c_in, c_out, stride=stride)
        elif not same:
            unit = conv_unit(
                ndim, c_in, c_out, 1, stride=stride, norm_name=norm, activation_name=None, bias=bias
            )
            self.project = nn.Sequential(*unit)
        self.act = activation(activation_name)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *(size / stride))."""
        out: Tensor = self.act(self.project(x) + self.body(x))
        return out
