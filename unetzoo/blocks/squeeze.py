"""What channel attention sees of a map: its mean, its maximum, or a frequency of its cosine transform."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.ops.dct_pool import cosine_basis

__all__ = [
    "DCT",
    "Max",
    "Mean",
    "MeanMax",
    "Squeeze",
    "frequency_list",
    "make_squeeze",
    "pooling_matrix",
]

# (ndim, channels) to a module from (B, C, *size) to a list of summaries, each (B, C, 1, ...)
Squeeze = Literal["gap", "dct", "max", "mean_max"] | Callable[[int, int], nn.Module]

# FcaNet's frequencies (u along the first axis, v along the second) by what each alone gives on ImageNet, by
# how low they are, and the least useful ones
_RANKED = {
    "top": (
        "00600114513000324635526553342261",
        "01052020060463526333511242113053",
    ),
    "low": (
        "00110221203401301234501234561234",
        "01012012230043154321065432106543",
    ),
    "bot": (
        "61332412445146256162243355625536",
        "64466314456522514350311242115333",
    ),
}
_COUNTS = (1, 2, 4, 8, 16, 32)


class Mean(nn.Module):
    """Global average pooling."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, *size) to its means, [(B, C, 1, ...)]."""
        return [x.mean(tuple(range(2, x.dim())), keepdim=True)]


class Max(nn.Module):
    """Global max pooling."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, *size) to its maxima, [(B, C, 1, ...)]."""
        return [x.amax(tuple(range(2, x.dim())), keepdim=True)]


class MeanMax(nn.Module):
    """Both, as two summaries."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, *size) to its means and maxima, each (B, C, 1, ...)."""
        axes = tuple(range(2, x.dim()))
        return [x.mean(axes, keepdim=True), x.amax(axes, keepdim=True)]


class DCT(nn.Module):
    """Each group of channels by one frequency of its cosine transform, of which the mean is the lowest.

    ``z[c] = sum over p of x[c, p] * b_u(p_0) * b_v(p_1)``, b the orthonormal DCT-II, after Qin et al. 2021,
    "FcaNet: Frequency Channel Attention Networks", ICCV. Channels are split into as many groups as there are
    frequencies, the first ones a channel larger where that leaves a remainder.

    Args:
        frequencies: FcaNet's lists {top,low,bot}{1,2,4,8,16,32}, or index tuples, one index per axis from 0
            to 6. Nobody has ranked frequencies in 3D: top and low both are the lowest there.
        freq_ref: What a frequency is counted in. image: half periods per map, so that it means the same at
            every resolution. pixel: half periods per 7 pixels, so that a kernel's width away means the same;
            FcaNet's weights for ImageNet are that. Its frequencies above 0 have mean 0 where the size is a
            multiple of 7.
        size: Pixels per axis that the map is averaged to first; ``None`` is 7 for image and no averaging for
            pixel. FcaNet has 56, 28, 14, 7, its maps' own sizes for an image of 224.

    Raises:
        ValueError: If there is no such list, or an index is no frequency of 7 pixels.
    """

    index: Tensor
    waves: Tensor | None

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        frequencies: str | Sequence[Sequence[int]] = "top16",
        freq_ref: Literal["image", "pixel"] = "image",
        size: int | None = None,
    ) -> None:
        super().__init__()
        chosen = frequency_list(frequencies, ndim)
        refuse_reference(freq_ref)
        self.size = 7 if size is None and freq_ref == "image" else size
        self.period = self.size if freq_ref == "image" else 7
        shares = [channels // len(chosen) + (k < channels % len(chosen)) for k in range(len(chosen))]
        of_channel = [f for f, share in zip(chosen, shares, strict=True) for _ in range(share)]
        self.register_buffer("index", torch.tensor(of_channel).T.contiguous(), persistent=False)  # (ndim, C)
        # known before the map's size is, where that is averaged away
        known = None if self.size is None else cosine_basis(self.size, self.index.device, self.period)
        self.register_buffer("waves", known, persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, *size) to its frequencies, [(B, C, 1, ...)]."""
        z = x
        # axis by axis from the last, and as products and sums, which keep float32 under autocast
        for axis in reversed(range(self.index.shape[0])):
            basis = self.basis(x.shape[2 + axis], x.device)[self.index[axis]]  # (C, n)
            z = (z * basis.reshape(basis.shape[0], *[1] * axis, -1)).sum(-1)
        return [z.to(x.dtype).reshape(*z.shape, *[1] * (x.dim() - 2))]

    def basis(self, length: int, device: torch.device) -> Tensor:
        """The 7 frequencies along an axis of ``length`` pixels, averaging folded in: (7, length), float32."""
        if self.waves is None:
            return cosine_basis(length, device, self.period)
        pooling = pooling_matrix(self.waves.shape[1], length, device)
        return (self.waves.float()[:, :, None] * pooling).sum(1)


def pooling_matrix(size: int, length: int, device: torch.device) -> Tensor:
    """Adaptive average pooling of an axis as a matrix, (size, length), float32.

    Unlike the operator it may be exported with a ``length`` that is not known yet.
    """
    i, p = torch.arange(size, device=device)[:, None], torch.arange(length, device=device)
    start, end = i * length // size, ((i + 1) * length + size - 1) // size
    return ((p >= start) & (p < end)).float() / (end - start).float()


def refuse_reference(freq_ref: str) -> None:
    """Refuse what frequencies cannot be counted in."""
    if freq_ref not in ("image", "pixel"):
        raise ValueError(f"freq_ref {freq_ref!r} is unknown; choose image or pixel")


def frequency_list(name: str | Sequence[Sequence[int]], ndim: int) -> list[tuple[int, ...]]:
    """Index tuples of one of FcaNet's lists, best first; in 3D the lowest, by the sum of squares.

    Args:
        name: {top,low,bot}{1,2,4,8,16,32}, or the index tuples themselves, which are checked.
    """
    if not isinstance(name, str):
        if not name or any(len(f) != ndim or not all(0 <= k < 7 for k in f) for f in name):
            raise ValueError(
                f"frequencies {name} are not lists of {ndim} indices from 0 to 6; give one per axis"
            )
        return [tuple(f) for f in name]
    kind, count = name[:3], name[3:]
    if kind not in _RANKED or count not in map(str, _COUNTS) or (kind == "bot" and ndim != 2):
        raise ValueError(
            f"frequencies {name!r} are unknown in {ndim}D; choose top, low"
            f"{' or bot' if ndim == 2 else ''} with {', '.join(map(str, _COUNTS))}, as in low16"
        )
    if ndim == 2:
        return [tuple(map(int, pair)) for pair in zip(*_RANKED[kind], strict=True)][: int(count)]
    return sorted(product(range(7), repeat=ndim), key=lambda f: (sum(k * k for k in f), f))[: int(count)]


def make_squeeze(squeeze: Squeeze, ndim: int, channels: int) -> nn.Module:
    """What turns (B, C, *size) into a list of summaries, each (B, C, 1, ...), by name or by a callable.

    Args:
        squeeze: gap (mean) | dct (`DCT` as it stands) | max | mean_max (two summaries), or what builds a
            module from (ndim, channels), for a `DCT` of other frequencies.
    """
    if callable(squeeze):
        return squeeze(ndim, channels)
    if squeeze == "dct":
        return DCT(ndim, channels)
    if squeeze not in ("gap", "max", "mean_max"):
        raise ValueError(f"squeeze {squeeze!r} is unknown; choose gap, dct, max or mean_max")
    return {"gap": Mean, "max": Max, "mean_max": MeanMax}[squeeze]()
