"""What every auxiliary objective is."""

from torch import Tensor, nn

__all__ = ["Auxiliary"]


class Auxiliary(nn.Module):
    """A further training objective on the decoder's features; it takes no part in prediction or export.

    Args:
        weight: Factor of its loss beside the main one.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, decoded: list[Tensor], target: Tensor) -> Tensor:
        """Decoder outputs and target to a scalar, not yet weighted.

        Args:
            decoded: Rows of the decoder, coarsest first, of the padded image.
            target: Class indices (B, *size), or 0 and 1 as (B, K, *size), of the image before padding; 255 is
                ignored.
        """
        raise NotImplementedError
