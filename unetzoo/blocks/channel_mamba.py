"""A Mamba from channel to channel, for maps of one size."""

from math import prod

from torch import Tensor, nn

from unetzoo.blocks.mamba import Mamba

__all__ = ["ChannelMamba"]


class ChannelMamba(nn.Module):
    """Layer norm and a Mamba whose tokens are channels and whose width is the number of pixels.

    What the released code of U-Mamba (Ma et al. 2024, arXiv:2401.04722) does where a map has no more pixels
    than channels. Its layers are as wide as the map, so it holds for one size.

    Args:
        size: Pixels per axis.
        residual: Add the map itself, which the released U-Mamba does not.

    Attributes:
        dynamic_size: No.
    """

    dynamic_size = False

    def __init__(self, size: tuple[int, ...], *, residual: bool = True) -> None:
        super().__init__()
        self.size, self.residual = size, residual
        self.norm, self.mixer = nn.LayerNorm(prod(size)), Mamba(prod(size))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same.

        Raises:
            ValueError: If the map has another size.
        """
        if tuple(x.shape[2:]) != self.size:
            raise ValueError(
                f"a Mamba over channels was made for maps of {self.size} pixels and is given "
                f"{tuple(x.shape[2:])}; set encoder.patch to the size of the images, or to null"
            )
        found: Tensor = self.mixer(self.norm(x.flatten(2))).reshape(x.shape)
        return x + found if self.residual else found
