"""The residual block whose norms and activations come first."""

from torch import Tensor, nn

from unetzoo.nd import Norm, conv_unit, norm

__all__ = ["PreActivationBlock"]


class PreActivationBlock(nn.Module):
    """``relu(x' + F(x))``, F being twice norm, ReLU and 3x3 convolution (the encoder of HybridGNet).

    ``x'`` is x itself, or its 1x1 projection with norm where the width changes. After He et al. 2016,
    arXiv:1603.05027, which has no ReLU behind the sum.
    """

    def __init__(self, ndim: int, c_in: int, c_out: int, *, norm_name: Norm = "batch") -> None:
        super().__init__()
        self.body = nn.Sequential(*_unit(ndim, c_in, c_out, norm_name), *_unit(ndim, c_out, c_out, norm_name))
        self.project = (
            nn.Identity()
            if c_in == c_out
            else nn.Sequential(
                *conv_unit(ndim, c_in, c_out, 1, norm_name=norm_name, activation_name=None, bias=False)
            )
        )
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        out: Tensor = self.act(self.project(x) + self.body(x))
        return out


def _unit(ndim: int, c_in: int, c_out: int, norm_name: Norm) -> list[nn.Module]:
    convolution = conv_unit(ndim, c_in, c_out, norm_name=None, activation_name=None)
    return [norm(norm_name, ndim, c_in), nn.ReLU(inplace=True), *convolution]
