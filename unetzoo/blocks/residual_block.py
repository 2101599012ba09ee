"""The residual block of encoders trained from scratch."""

from torch import Tensor, nn

from unetzoo.nd import Activation, Norm, activation, conv_unit

__all__ = ["ResidualBlock"]


class ResidualBlock(nn.Module):
    """``act(x' + F(x))`` with two 3x3 convolutions in F (He et al. 2016, arXiv:1512.03385, fig. 2).

    ``x'`` is x itself, or its strided 1x1 projection where width or size change. The first convolution
    carries the stride.
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
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_unit(ndim, c_in, c_out, stride=stride, norm_name=norm, activation_name=activation_name),
            *conv_unit(ndim, c_out, c_out, norm_name=norm, activation_name=None),
        )
        same = c_in == c_out and all(s == 1 for s in ([stride] if isinstance(stride, int) else stride))
        self.project = (
            nn.Identity()
            if same
            else nn.Sequential(
                *conv_unit(ndim, c_in, c_out, 1, stride=stride, norm_name=norm, activation_name=None)
            )
        )
        self.act = activation(activation_name)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *(size / stride))."""
        out: Tensor = self.act(self.project(x) + self.body(x))
        return out
