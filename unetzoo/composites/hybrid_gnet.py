"""HybridGNet: contours decoded by graph convolutions, and masks filled from them."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.auxiliary.contours import contours_of
from unetzoo.blocks import ChebConv, PolygonFill, point_means
from unetzoo.blocks.ring_graph import ring_halving, ring_operator, ring_unpooling
from unetzoo.encoders import Encoder
from unetzoo.levels import Level
from unetzoo.nd import full_precision
from unetzoo.network import SegmentationNetwork

__all__ = ["HybridGNet"]

# the paper's 1, 1, 1 and 1e-5, which have no mask's loss beside them, times 100
_WEIGHTS = {"landmarks": 100.0, "coarse": 100.0, "middle": 100.0, "kl": 1e-3}


class HybridGNet(SegmentationNetwork):
    """One closed contour per class, decoded from a few latent numbers by graph convolutions on its nodes.

    Gaggion et al. 2022, "Improving anatomical plausibility in medical image segmentation via hybrid graph
    neural networks", IEEE TMI, arXiv:2203.10977. An encoder and a linear layer give the latent numbers, drawn
    from N(mu, sigma^2) in training and mu otherwise; a graph network turns them into nodes, first half of
    them and then all, and looks up the encoder's maps around the nodes on its way (IGSC). The logits are the
    filled contours, so that every class is one region, unless its contour crosses itself.

    Training needs masks alone: landmarks are taken from their outlines at equal steps, from the topmost point
    on, where the paper has annotated ones.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes, background included.
        encoder: Builds the encoder from ``in_channels``; its last row gives the latent numbers.
        head: Builds what fills the contours from ``organs``, ``num_classes`` and ``size``.
        organs: Nodes of the contours of the classes in turn, six at least; as many are used as there are
            classes, without the background unless the head's classes overlap.
        size: Pixels (H, W) that images are resized to; the linear layer holds for one size.
        latents: Latent numbers.
        width: Channels of a node; half of it on the way to the coarse graph.
        order: Polynomials of the graph convolutions.
        igsc_levels: Encoder's rows that are looked up by the coarse nodes and by all; may list one or none.
        window: Samples along each side of a lookup, odd.
        detach_coords: Let the maps, but not the nodes' positions, learn from a lookup, as in the paper.
        weights: Of the losses ``landmarks``, of the two earlier positions (``coarse``, ``middle``), which are
            mean squared errors in fractions of the image, and of ``kl``; the paper's, times 100.

    Raises:
        ValueError: If parts do not go together, or a number makes no graph.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        encoder: Callable[[int], Encoder],
        head: Callable[[Sequence[int], int, Sequence[int]], PolygonFill],
        organs: Sequence[int],
        size: Sequence[int] = (1024, 1024),
        latents: int = 64,
        width: int = 32,
        order: int = 6,
        igsc_levels: Sequence[int] = (5, 4),
        window: int = 3,
        detach_coords: bool = True,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        if not organs or min(organs) < 6:
            raise ValueError(f"organs={list(organs)} must list contours of six nodes or more")
        self.in_channels, self.num_classes = in_channels, num_classes
        self.encoder = encoder(in_channels)
        rows = self.encoder.levels
        bottom = rows[-1]
        if len(bottom.stride) != 2:
            raise ValueError("contours are lines in a picture, so the encoder must be 2D")
        if any(s % unit for s, unit in zip(size, bottom.stride, strict=True)):
            raise ValueError(f"size={list(size)} must be multiples of the encoder's stride {bottom.stride}")
        if len(igsc_levels) > 2 or not {*igsc_levels} <= {*range(len(rows))}:
            raise ValueError(
                f"igsc_levels={list(igsc_levels)} must list up to two of the rows 0 to {len(rows) - 1}"
            )
        if window < 1 or window % 2 == 0:
            raise ValueError(
                f"window={window} must be odd: the point itself and as many samples on either side"
            )
        self.divisor = (1, 1)
        self.channels_last = self.encoder.channels_last
        self.size, self.looked_up = tuple(size), list(igsc_levels)
        self.head = head(organs, num_classes, self.size)
        self.activation, self.outputs, self.organs = self.head.activation, self.head.outputs, self.head.nodes
        pixels = [s // unit for s, unit in zip(size, bottom.stride, strict=True)]
        self.latent = Latent(bottom.channels * pixels[0] * pixels[1], latents)
        self.decoder = GraphDecoder(
            latents,
            self.organs,
            width=width,
            order=order,
            looked_up=[rows[i] for i in igsc_levels],
            window=window,
            detach=detach_coords,
        )
        self.weights = dict(_WEIGHTS) | dict(weights or {})
        if len(self.weights) > len(_WEIGHTS):
            raise ValueError(f"weights are of landmarks, coarse, middle and kl, got {list(weights or {})}")

    def contours(self, x: Tensor) -> "Contours":
        """(B, in_channels, *size) to the contours and what they were decoded from."""
        x = F.interpolate(x, self.size, mode="bilinear", align_corners=False)
        rows = self.encoder(x)
        z, mu, logvar = self.latent(rows[-1])
        landmarks, middle, coarse = self.decoder(z, [rows[i] for i in self.looked_up])
        return Contours(landmarks, middle, coarse, mu, logvar)

    def landmarks(self, x: Tensor) -> Tensor:
        """(B, in_channels, *size) to the contours' nodes, class after class: (B, N, 2), as (x, y).

        Fractions of the image's width and height: 0 and 1 are its edges, and nothing keeps a node within.
        """
        return self.contours(x).landmarks

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, *size) to logits (B, outputs, *size), for any size."""
        logits: Tensor = self.head(self.landmarks(x), x)
        return logits

    def forward_train(self, x: Tensor, target: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """`forward_deep`, and the weighted losses of landmarks and latent numbers, in one pass."""
        found = self.contours(x)
        wanted, known = contours_of(target, self.organs)
        with full_precision(wanted):
            coarse, coarse_known = self.decoder.halve @ wanted, self.decoder.halve @ known.unsqueeze(2)
        losses = {"landmarks": _distance(found.landmarks, wanted, known)}
        if found.coarse is not None:
            losses["coarse"] = _distance(found.coarse, coarse, coarse_known.squeeze(2))
        if found.middle is not None:
            losses["middle"] = _distance(found.middle, wanted, known)
        losses["kl"] = -0.5 * (1 + found.logvar - found.mu.square() - found.logvar.exp()).mean()
        return [self.head(found.landmarks, x)], {k: self.weights[k] * loss for k, loss in losses.items()}


class Contours(NamedTuple):
    """Nodes as (x, y) in fractions of the image, and the distribution of the latent numbers.

    Attributes:
        landmarks: (B, N, 2).
        middle: The same, where the second lookup was; ``None`` without it.
        coarse: (B, N', 2), where the first lookup was, on half the nodes; ``None`` without it.
        mu: (B, latents).
        logvar: (B, latents).
    """

    landmarks: Tensor
    middle: Tensor | None
    coarse: Tensor | None
    mu: Tensor
    logvar: Tensor


class Latent(nn.Module):
    """A map as a few normally distributed numbers, drawn in training and their mean otherwise."""

    def __init__(self, features: int, latents: int) -> None:
        super().__init__()
        self.mu, self.logvar = nn.Linear(features, latents), nn.Linear(features, latents)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, H, W) to z, mu and logvar, (B, latents) each."""
        flat = x.flatten(1)
        mu, logvar = self.mu(flat).float(), self.logvar(flat).float()
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp() if self.training else mu
        return z, mu, logvar


class GraphDecoder(nn.Module):
    """Latent numbers to the nodes of closed contours, in two resolutions.

    Args:
        looked_up: Rows that the coarse nodes and then all nodes look up; may be one or none.
        detach: Cut the gradient from a lookup to the positions.
    """

    ring: Tensor
    half_ring: Tensor
    halve: Tensor
    unpool: Tensor

    def __init__(
        self,
        latents: int,
        organs: Sequence[int],
        *,
        width: int,
        order: int,
        looked_up: Sequence[Level],
        window: int,
        detach: bool,
    ) -> None:
        super().__init__()
        halves, inner = [(n + 1) // 2 for n in organs], width // 2
        # dense, because sparse products do not export, and contours are short
        for name, matrix in (
            ("ring", ring_operator(organs)),
            ("half_ring", ring_operator(halves)),
            ("halve", ring_halving(organs)),
            ("unpool", ring_unpooling(organs)),
        ):
            self.register_buffer(name, matrix, persistent=False)
        self.nodes = sum(halves)
        self.lift = nn.Linear(latents, self.nodes * inner)
        nn.init.normal_(self.lift.weight, std=0.1)
        self.lookups = nn.ModuleList(
            Lookup(channels, window=window, detach=detach) for channels in (inner, width)[: len(looked_up)]
        )
        more = [row.channels + 2 for row in looked_up] + [0, 0]
        self.start = nn.ModuleList(ChebConv(inner, inner, order=order) for _ in range(2))
        self.widen = ChebConv(inner + more[0], width, order=order)
        self.refine = ChebConv(width, width, order=order)
        self.end = ChebConv(width + more[1], width, order=order)
        self.position = Position(width)

    def forward(self, z: Tensor, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """(B, latents) and the maps to be looked up to `Contours`' landmarks, middle and coarse."""
        x = torch.unflatten(self.lift(z).relu(), 1, (self.nodes, -1))  # (B, N', C)
        for layer in self.start:
            x = _normed(layer(x, self.half_ring))
        x, coarse = self.look_up(0, x, maps)
        x = _normed(self.widen(x, self.half_ring))
        x = _normed(self.refine(self.unpool @ x, self.ring))
        x, middle = self.look_up(1, x, maps)
        x = _normed(self.end(x, self.ring))
        return self.position(x), middle, coarse

    def look_up(self, which: int, x: Tensor, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Nodes with what they see, and where they looked; as they are, if there is no such lookup."""
        if which >= len(self.lookups):
            return x, None
        seen: tuple[Tensor, Tensor] = self.lookups[which](x, maps[which])
        return seen


class Lookup(nn.Module):
    """The image-to-graph skip: nodes say where they are, and are told what the map says there (IGSC)."""

    def __init__(self, channels: int, *, window: int, detach: bool) -> None:
        super().__init__()
        self.position, self.window, self.detach = Position(channels), window, detach

    def forward(self, x: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, C) and (B, D, H, W) to (B, N, C + D + 2) and positions (B, N, 2)."""
        points = self.position(x)
        seen = point_means(features, points.detach() if self.detach else points, window=self.window)
        return torch.cat([x.float(), seen, points], 2), points


class Position(nn.Module):
    """A node's features to its place, linearly and without bias; (B, N, C) to (B, N, 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(2, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Summed by hand: a matrix product would lose digits under autocast, of which a place needs many."""
        return (x.unsqueeze(2) * self.weight).sum(3)


def _normed(x: Tensor) -> Tensor:
    """Norm over each node's features, and ReLU."""
    return F.layer_norm(x, x.shape[2:]).relu()


def _distance(points: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Mean squared error of the known points."""
    squared = (points - wanted).square().mean(2)
    return (squared * known).sum() / known.sum().clamp(min=1)
