"""The residual block of Isensee's 3D U-Net."""

from torch import Tensor, nn

from unetzoo.nd import Activation, Norm, conv_unit

__all__ = ["ContextBlock"]


class ContextBlock(nn.Module):
    """``x + F(x)``, where F is two 3x3 convolutions with dropout of whole channels between them.

    Isensee et al. 2017, "Brain Tumor Segmentation and Radiomics Survival Prediction", arXiv:1802.10508,
    section 2.1, with norm and activation behind each convolution. Where the widths differ a convolution of
    its own comes first.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        norm: Norm | None = "instance",
        activation: Activation = "leaky_relu",
        bias: bool | None = True,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()

        def unit(width: int) -> list[nn.Module]:
            return conv_unit(ndim, width, c_out, norm_name=norm, activation_name=activation, bias=bias)

        self.enter = nn.Identity() if c_in == c_out else nn.Sequential(*unit(c_in))
        drop = nn.Dropout2d(dropout) if ndim == 2 else nn.Dropout3d(dropout)
        self.context = nn.Sequential(*unit(c_out), drop, *unit(c_out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        x = self.enter(x)
        out: Tensor = x + self.context(x)
        return out
