"""Skips that fill what the image lacks with what it shows elsewhere."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.blocks.project import project
from unetzoo.levels import Gate, Level, MaskedLevel
from unetzoo.skips.base import Concat, Merge, SkipPathway

__all__ = ["ShiftConnection", "shift"]


def shift(known: Tensor, guess: Tensor, invalid: Tensor) -> Tensor:
    """Copy to every invalid pixel the feature of that valid pixel which is most like the guess made for it.

    ``shifted(p) = known(argmax_q cos(guess(p), known(q)))``, q over valid pixels, Yan et al. 2018,
    "Shift-Net", arXiv:1801.09392, eq. 1 and 2. The choice is a constant to the gradient, which returns to the
    pixels copied from. Memory grows with the square of the number of pixels.

    Args:
        known: (B, C, H, W), what is copied: the encoder's feature.
        guess: (B, C, H, W), what is compared with it: the decoder's.
        invalid: (B, 1, H, W), true where there are no data.

    Returns:
        (B, C, H, W), zero at valid pixels, and everywhere if an image has no valid one.
    """
    # the guess's length scales its whole row of similarities and does not change the choice
    source = F.normalize(known.detach().float().flatten(2), dim=1)
    similarity = guess.detach().float().flatten(2).transpose(1, 2) @ source  # (B, at, from)
    similarity = similarity.masked_fill(invalid.flatten(2), torch.finfo(similarity.dtype).min)
    best = similarity.argmax(2).unsqueeze(1).expand(-1, known.shape[1], -1)
    copied = known.flatten(2).gather(2, best).reshape(known.shape)
    filled = invalid & (~invalid).flatten(1).any(1).reshape(-1, 1, 1, 1)
    return torch.where(filled, copied, torch.zeros_like(copied))


class ShiftConnection(SkipPathway):
    """Concatenate, beside skip and decoder, the skip's valid features shifted to where there are no data.

    [skip, decoder, shifted] after Yan et al. 2018, "Shift-Net: Image Inpainting via Deep Feature
    Rearrangement", arXiv:1801.09392, fig. 2; see `shift`. Which pixels are invalid comes from the encoder: an
    encoder in `WithInvalid` hands their share on as the last channel of its rows, which stays in the skip.
    Without one nothing is invalid and the shifted channels are zero. The paper's guidance loss needs the
    missing pixels' true values and is left out. Where the decoder's width is not the encoder's, a 1x1
    convolution takes it there.

    Args:
        rows: Encoder rows that are shifted; -1 is the one above the bottleneck. The others are concatenated.
        threshold: Share from which on a pixel is invalid.
    """

    ndims = (2,)

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        rows: Sequence[int] = (-1,),
        threshold: float = 0.3125,
    ) -> None:
        shifted = {encoder[:-1][row].stride for row in rows}
        merge = partial(_Shifted, threshold=threshold)
        super().__init__(
            encoder, decoder, merge=lambda e, d: merge(e, d) if e.stride in shifted else Concat(e, d)
        )


class _Shifted(Merge):
    def __init__(self, skip: Level, gate: Gate, *, threshold: float) -> None:
        super().__init__()
        self.masked, self.threshold = isinstance(skip, MaskedLevel), threshold
        own = skip.channels - self.masked
        self.project = project(len(skip.stride), gate.channels, own)
        self.channels = skip.channels + 2 * own

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        gate = self.project(gate)
        if not self.masked:
            return torch.cat([skip, gate, torch.zeros_like(skip)], 1)
        shifted = shift(skip[:, :-1], gate, skip[:, -1:] >= self.threshold)
        return torch.cat([skip, gate, shifted], 1)
