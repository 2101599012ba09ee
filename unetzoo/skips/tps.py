"""A deformation of the image that the network chooses, undone on the way up."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.levels import Gate, Level
from unetzoo.skips.base import Concat, Merge, SkipPathway

__all__ = ["DeformedSkip", "ThinPlateSpline", "pixel_centres", "scatter", "warp"]


class DeformedSkip(SkipPathway):
    """Warp a row and all coarser ones by a thin-plate spline, and put the decoder back in place there.

    After Li et al. 2017, "Dense Transformer Networks", arXiv:1705.08881. The spline's control points are
    moved as ``level``'s feature says; row ``level`` and those below are sampled along it, and where the
    decoder comes back to that row, skip and decoder are scattered along the same spline. Its sampling
    positions travel as two more channels of the row. The spline starts as the identity, and so does the
    pathway.

    The paper warps within the encoder, so that its deeper convolutions see the warped feature; here the rows
    are warped once they are computed. Its fully connected localisation, fixed to one image size, reads the
    whole map; here it reads the map's mean and first moments. Its released code divides by the sum of
    weights corner by corner, which is wrong where pixels collide; here it is the sum over all.

    Args:
        level: The row that is warped; -1 is the one above the bottleneck.
        control_points: Along (y, x).
        hidden: Width of the localisation's hidden layer.
    """

    ndims = (2,)
    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        level: int = -1,
        control_points: tuple[int, int] = (4, 4),
        hidden: int = 20,
    ) -> None:
        row = range(len(encoder) - 1)[level]
        width, stride = encoder[row]
        levels = [*encoder[:row], Level(width + 2, stride), *encoder[row + 1 :]]
        super().__init__(
            encoder,
            decoder,
            levels=levels,
            merge=lambda e, d: _Scattered(e, d) if e.stride == stride else Concat(e, d),
        )
        self.row, self.spline = row, ThinPlateSpline(control_points)
        last = nn.Linear(hidden, 2 * len(self.spline.points))
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.localise = nn.Sequential(nn.Linear(3 * width, hidden), nn.Tanh(), last, nn.Tanh())

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Rows from ``level`` on are warped; row ``level`` gets its sampling positions beside it."""
        offsets = torch.unflatten(self.localise(_moments(features[self.row])).float(), 1, (-1, 2))
        rows = list(features[: self.row])
        for f in features[self.row :]:
            positions = self.spline(offsets, pixel_centres(f))
            rows.append(warp(f, positions))
            if len(rows) == self.row + 1:
                rows[-1] = torch.cat([rows[-1], positions], 1)
        return rows


class _Scattered(Merge):
    def __init__(self, skip: Level, gate: Gate) -> None:
        super().__init__()
        self.channels = skip.channels - 2 + gate.channels

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        return scatter(torch.cat([skip[:, :-2], gate], 1), skip[:, -2:])


class ThinPlateSpline(nn.Module):
    """The smoothest map of the plane that takes a grid of control points where they are told to go.

    Bookstein 1989; the linear system is solved once, for it depends on the control points alone.

    Args:
        control_points: Along (y, x), evenly from -1 to 1, the image's corners.
    """

    points: Tensor
    solve: Tensor

    def __init__(self, control_points: Sequence[int] = (4, 4)) -> None:
        super().__init__()
        y, x = (np.linspace(-1, 1, n) for n in control_points)
        points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
        k = len(points)
        squared = ((points[:, None] - points) ** 2).sum(-1)
        system = np.zeros((k + 3, k + 3))
        system[:k, 0], system[:k, 1:3] = 1, points
        system[:k, 3:] = squared * np.log(squared.clip(1e-10))
        system[k, 3:], system[k + 1 :, 3:] = 1, points.T
        inverse = np.linalg.inv(system)[:, :k]
        self.register_buffer("points", torch.tensor(points, dtype=torch.float32), persistent=False)
        self.register_buffer("solve", torch.tensor(inverse, dtype=torch.float32), persistent=False)

    def forward(self, offsets: Tensor, positions: Tensor) -> Tensor:
        """Where positions go.

        Args:
            offsets: (B, points, 2), how far each control point moves, as (x, y).
            positions: (1 or B, 2, H, W), as (x, y), -1 and 1 being the image's edges.

        Returns:
            (B, 2, H, W), likewise. Products are summed by hand: a matrix product would lose digits under
            autocast.
        """
        p = positions.flatten(2).transpose(1, 2)  # (B, N, 2)
        squared = (p.unsqueeze(2) - self.points).square().sum(-1)
        basis = torch.cat([torch.ones_like(p[..., :1]), p, squared * squared.clamp(min=1e-10).log()], -1)
        theta = (self.solve.unsqueeze(-1) * offsets.unsqueeze(1)).sum(2)  # (B, 3 + points, 2)
        moved = (basis.unsqueeze(-1) * theta.unsqueeze(1)).sum(2)  # (B, N, 2)
        return positions + torch.unflatten(moved.transpose(1, 2), 2, positions.shape[2:])


def pixel_centres(x: Tensor) -> Tensor:
    """Position of every pixel of (B, C, H, W), as (x, y) from -1 to 1 between the edges: (1, 2, H, W)."""
    axes = [
        (2 * torch.arange(size, device=x.device, dtype=torch.float32) + 1) / size - 1 for size in x.shape[2:]
    ]
    lines, columns = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([columns, lines]).unsqueeze(0)


def warp(x: Tensor, positions: Tensor) -> Tensor:
    """Sample (B, C, H, W) at (B, 2, H, W), bilinearly; beyond the edge the border is repeated."""
    return F.grid_sample(x.float(), positions.movedim(1, -1), padding_mode="border", align_corners=False)


def scatter(x: Tensor, positions: Tensor, *, eps: float = 1e-5) -> Tensor:
    """The way back: give every pixel of (B, C, H, W) to the four pixels around its position.

    Each pixel becomes the mean of what it was given, by bilinear weights, and stays as it is where that was
    nothing; what would fall outside is dropped.
    """
    height, width = x.shape[2:]
    column = ((positions[:, 0].float() + 1) * width - 1) / 2
    line = ((positions[:, 1].float() + 1) * height - 1) / 2
    values = torch.cat([x.float(), torch.ones_like(x[:, :1].float())], 1).flatten(2)
    total = torch.zeros_like(values)
    for down in (0, 1):
        for right in (0, 1):
            i, j = line.floor() + down, column.floor() + right
            weight = (1 - (line - i).abs()) * (1 - (column - j).abs())
            weight = weight * ((i >= 0) & (i < height) & (j >= 0) & (j < width))
            index = i.clamp(0, height - 1).long() * width + j.clamp(0, width - 1).long()
            total = total.scatter_add(
                2, index.flatten(1).unsqueeze(1).expand_as(values), values * weight.flatten(1).unsqueeze(1)
            )
    weight = total[:, -1:]
    mean = total[:, :-1] / weight.clamp(min=eps)
    return torch.where(weight > eps, mean, values[:, :-1]).reshape(x.shape)


def _moments(x: Tensor) -> Tensor:
    """Mean, and mean weighed by x and y, of each channel: (B, C, H, W) to (B, 3 C)."""
    x, centres = x.float(), pixel_centres(x)
    return torch.cat([x.mean((2, 3)), *((x * centres[:, k : k + 1]).mean((2, 3)) for k in (0, 1))], 1)
