"""What every decoder is."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from unetzoo.levels import Gate, Level

__all__ = ["Decoder", "MergeRule"]

MergeRule = Callable[[int, Tensor, Tensor, Tensor], Tensor]


class Decoder(nn.Module):
    """Goes from the bottleneck up, meeting a skip at every row of the encoder; it never knows which.

    It is made in two steps, because the skip pathway needs to know what the decoder brings (``gates``) and
    the decoder what the pathway makes of it (``merged``): the constructor takes the encoder's rows, `build`
    the merged widths.

    Attributes:
        levels: Output rows, finest first. Rows finer than the encoder's finest, which meet no skip, come
            first; a decoder may hand the bottleneck on as its coarsest row.
        gates: What is brought to the skip of each encoder row but the bottleneck, finest first.
        ndims: Dimensions it is for.
        dynamic_size: Whether an exported graph may take any image size.
        merges: Whether it calls the pathway's merges.
    """

    ndims: tuple[int, ...] = (2, 3)
    dynamic_size: bool = True
    merges: bool = True
    levels: list[Level]
    gates: list[Gate]

    def build(self, merged: Sequence[int]) -> None:
        """Make the blocks that follow the merges.

        Args:
            merged: Channels after the merge of each encoder row but the bottleneck, finest first.
        """
        raise NotImplementedError

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """Skips finest first, bottleneck last, to the output of every row, coarsest first."""
        raise NotImplementedError
