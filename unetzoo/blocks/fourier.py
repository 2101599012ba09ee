"""Token mixing in the frequency domain, and the transform itself."""

from collections.abc import Sequence
from math import pi

import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn

from unetzoo.blocks.project import project
from unetzoo.nd import conv, full_precision, norm

__all__ = ["Fourier", "FourierBlock", "FourierMix", "frequencies", "low_pass"]

# a cutoff that is the frequency itself, but for rounding, keeps it
_ROUNDING = 1e-6


class Fourier:
    """The orthonormal Fourier transform of maps of one size, there and back, in float32 at least.

    A spectrum is a real and an imaginary part, each (B, C, ..., n // 2 + 1): what mirrors other frequencies
    is left out. While a graph is exported the transform is made of matrix products, exact too,
    which every runtime has.
    """

    def __init__(self, size: Sequence[int], device: torch.device, *, products: bool | None = None) -> None:
        self.size, (*others, last) = tuple(size), size
        self.turns: list[tuple[Tensor, Tensor]] | None = None
        if torch.compiler.is_exporting() if products is None else products:
            self.turns = [*(_turns(n, n, device) for n in others), _turns(last, last // 2 + 1, device)]

    def there(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, *size) to its spectrum."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        if self.turns is None:
            z = torch.fft.rfftn(x, dim=tuple(range(2, x.dim())), norm="ortho")
            return z.real, z.imag
        *others, (cos, sin) = ((c.to(x.dtype), s.to(x.dtype)) for c, s in self.turns)
        re, im = x @ cos, -(x @ sin)
        for axis, (cos, sin) in enumerate(others, start=2):
            a, b = re.movedim(axis, -1), im.movedim(axis, -1)
            re = (a @ cos + b @ sin).movedim(-1, axis)
            im = (b @ cos - a @ sin).movedim(-1, axis)
        return re, im

    def back(self, re: Tensor, im: Tensor) -> Tensor:
        """A spectrum to its map (B, C, *size)."""
        if self.turns is None:
            axes = tuple(range(2, re.dim()))
            x: Tensor = torch.fft.irfftn(torch.complex(re, im), s=self.size, dim=axes, norm="ortho")
            return x
        *others, (cos, sin) = ((c.to(re.dtype), s.to(re.dtype)) for c, s in self.turns)
        for axis, (c, s) in enumerate(others, start=2):
            a, b = re.movedim(axis, -1), im.movedim(axis, -1)
            re = (a @ c - b @ s).movedim(-1, axis)
            im = (b @ c + a @ s).movedim(-1, axis)
        n = self.size[-1]
        k = torch.arange(n // 2 + 1, device=re.device)
        # all but 0 and half of the pixels stand for their mirror image too
        weight = torch.where((k > 0) & (2 * k < n), 2.0, 1.0).to(re.dtype)
        return (weight * re) @ cos.T - (weight * im) @ sin.T


def frequencies(size: Sequence[int], device: torch.device) -> list[Tensor]:
    """Frequency along each axis of a spectrum, from above -1 to 1, the highest; 1-D tensors, float32."""
    *others, last = size
    signed = []
    for n in others:
        k = torch.arange(n, device=device)
        signed.append(2 * torch.where(2 * k > n, k - n, k) / n)
    return [*signed, 2 * torch.arange(last // 2 + 1, device=device) / last]


def low_pass(x: Tensor, cutoff: float) -> Tensor:
    """What of (B, C, *size) has frequencies up to ``cutoff`` times the highest along every axis, in float32.

    A convolution along each axis, and while a graph is exported a product with its matrix.
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    if cutoff >= 1:
        return x
    if torch.compiler.is_exporting():
        for axis in range(2, x.dim()):
            matrix = _low_pass_matrix(x.shape[axis], cutoff, x.device).to(x.dtype)
            x = (x.movedim(axis, -1) @ matrix).movedim(-1, axis)
        return x
    size, transform = x.shape[2:], Fourier(x.shape[2:], x.device)
    re, im = transform.there(x)
    for axis, frequency in enumerate(frequencies(size, x.device)):
        low = (frequency.abs() <= cutoff + _ROUNDING).reshape(-1, *[1] * (len(size) - 1 - axis))
        re, im = re * low, im * low
    return transform.back(re, im)


def _turns(n: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine of 2 pi p k / n over the square root of n, (n, count)."""
    p = torch.arange(n, device=device, dtype=torch.float32)[:, None]
    products = p * torch.arange(count, device=device, dtype=torch.float32)
    # whole turns are taken off while products of integers are exact still
    angle = (2 * pi / n) * (products - n * (products / n).floor())
    scale = (torch.ones((), device=device) / n).sqrt()
    return scale * angle.cos(), scale * angle.sin()


def _low_pass_matrix(n: int, cutoff: float, device: torch.device) -> Tensor:
    """The sum of the projections on all low frequencies of an axis, Dirichlet's kernel, (n, n)."""
    p = torch.arange(n, device=device, dtype=torch.float32)
    apart = p[:, None] - p
    count = 2 * (torch.ones((), device=device) * n * ((cutoff + _ROUNDING) / 2)).floor() + 1
    half_turns = count * apart
    half_turns = half_turns - 2 * n * (half_turns / (2 * n)).floor()
    same = apart == 0
    below = torch.where(same, 1.0, (pi / n * apart).sin())
    return torch.where(same, count, (pi / n * half_turns).sin() / below) / n


class FourierMix(nn.Module):
    """Multiply each frequency of each channel by a learned complex number: convolve with a large kernel.

    Rao et al. 2021, "Global Filter Networks", arXiv:2107.00645, eq. 5. The numbers are kept on a small grid
    from frequency -1 to 1, the highest that a map can have, and interpolated to what a map has, so that any
    size will do and the kernel, of about as many pixels as the grid has points, is the same for all. Maps are
    continued periodically.

    Args:
        grid: Points per axis.
    """

    def __init__(self, ndim: int, channels: int, *, grid: int = 15) -> None:
        super().__init__()
        if grid < 1:
            raise ValueError(f"grid={grid} holds no frequency; choose 1 or more")
        points = [*[grid] * (ndim - 1), grid // 2 + 1]
        # real and imaginary part
        self.weight = nn.Parameter(0.02 * torch.randn(2, channels, *points))

    def filters(self, size: Sequence[int], device: torch.device) -> Tensor:
        """The grid at the frequencies of a map, real and imaginary part: (2, C, ..., n // 2 + 1), float32."""
        filters = self.weight.float()
        last = len(size) - 1
        for axis, frequency in enumerate(frequencies(size, device)):
            points = self.weight.shape[2 + axis]
            place = (frequency if axis == last else (frequency + 1) / 2) * (points - 1)
            nodes = torch.arange(points, device=device)[:, None]
            hats = (1 - (place - nodes).abs()).clamp(min=0)  # (points, n)
            filters = (filters.movedim(2 + axis, -1) @ hats).movedim(-1, 2 + axis)
        return filters

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        size = x.shape[2:]
        with full_precision(x):
            transform = Fourier(size, x.device)
            re, im = transform.there(x)
            k_re, k_im = self.filters(size, x.device).unbind()
            mixed = transform.back(re * k_re - im * k_im, re * k_im + im * k_re)
        return mixed.to(x.dtype)


class FourierBlock(nn.Module):
    """``y = x + mix(norm(x))``, then ``y + scale(norm(y))``: a block of 3D UX-Net, its kernel in frequencies.

    Lee et al. 2023, "3D UX-Net", arXiv:2209.15076, eq. 2, whose 7x7x7 depthwise convolution `FourierMix`
    replaces as in Wang et al. 2024, arXiv:2401.06224. ``scale`` widens each channel by itself, applies GELU
    and narrows it again (UX-Net's depthwise scaling).

    Args:
        grid: Of `FourierMix`.
        ratio: Channels that ``scale`` makes of one.
        pointwise: Let ``scale`` mix channels, as in ConvNeXt.
        drop_path: Probability of leaving out a branch for an image in training.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        grid: int = 15,
        ratio: int = 4,
        pointwise: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        groups = 1 if pointwise else c_out
        self.project = project(ndim, c_in, c_out)
        self.mix = nn.Sequential(norm("layer", ndim, c_out), FourierMix(ndim, c_out, grid=grid))
        self.scale = nn.Sequential(
            norm("layer", ndim, c_out),
            conv(ndim, c_out, ratio * c_out, groups=groups),
            nn.GELU(),
            conv(ndim, ratio * c_out, c_out, groups=groups),
        )
        self.drop_path = nn.ModuleList(DropPath(drop_path) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        x = self.project(x)
        for branch, drop in zip((self.mix, self.scale), self.drop_path, strict=True):
            x = x + drop(branch(x))
        return x
