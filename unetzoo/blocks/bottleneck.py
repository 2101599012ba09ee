"""The bottleneck block of deep residual networks."""

from collections.abc import Callable

from torch import Tensor, nn

from unetzoo.nd import Norm, conv_unit

__all__ = ["Bottleneck"]


class Bottleneck(nn.Module):
    """``relu(x' + attend(F(x)))`` with 1x1, 3x3 and 1x1 convolutions in F, the inner two a quarter as wide.

    He et al. 2016, arXiv:1512.03385, fig. 5, the stride at the 3x3 convolution as in torchvision. ``x'`` is x
    itself, or its strided 1x1 projection where width or size change.

    Args:
        attention: Builds what weighs the channels of F(x) from (ndim, c_out); ``None`` leaves them.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        stride: int | tuple[int, ...] = 1,
        norm: Norm | None = "batch",
        attention: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        inner = max(1, c_out // 4)
        self.body = nn.Sequential(
            *conv_unit(ndim, c_in, inner, 1, norm_name=norm),
            *conv_unit(ndim, inner, inner, stride=stride, norm_name=norm),
            *conv_unit(ndim, inner, c_out, 1, norm_name=norm, activation_name=None),
        )
        self.attention = nn.Identity() if attention is None else attention(ndim, c_out)
        same = c_in == c_out and all(s == 1 for s in ([stride] if isinstance(stride, int) else stride))
        self.project: nn.Module = nn.Identity()
        if not same:
            unit = conv_unit(ndim, c_in, c_out, 1, stride=stride, norm_name=norm, activation_name=None)
            self.project = nn.Sequential(*unit)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *(size / stride))."""
        out: Tensor = self.act(self.project(x) + self.attention(self.body(x)))
        return out
