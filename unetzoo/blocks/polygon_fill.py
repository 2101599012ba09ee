"""Masks from closed contours, with a gradient to every node."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["PolygonFill", "signed_distance"]


def signed_distance(polygon: Tensor, columns: Tensor, rows: Tensor, *, segments: int = 8) -> Tensor:
    """Distance from every pixel to a closed polygon, positive inside (even-odd rule).

    Which segment is the nearest is found without gradient; the distance to it has one. It is the gradient of
    the whole, since the minimum over segments has none of its own.

    Args:
        polygon: (B, N, 2), as (x, y), in the unit of columns and rows; the last node is linked to the first.
        columns: (W,), x of the pixels' centres.
        rows: (H,), y of the pixels' centres.
        segments: How many are held at a time; memory is a few maps for each.

    Returns:
        (B, H, W).
    """
    ends = torch.cat([polygon, torch.cat([polygon[:, 1:], polygon[:, :1]], 1)], 2)  # (B, N, x y x' y')
    nearest, share, inside = _nearest_segment(ends.detach(), columns, rows, segments)
    chosen = ends.gather(1, nearest.flatten(1).unsqueeze(2).expand(-1, -1, 4))
    chosen = torch.unflatten(chosen, 1, nearest.shape[1:])  # (B, H, W, 4)
    foot = torch.lerp(chosen[..., :2], chosen[..., 2:], share.unsqueeze(3))
    squared = (columns - foot[..., 0]).square() + (rows.unsqueeze(1) - foot[..., 1]).square()
    # a distance of zero would have no gradient
    distance = (squared + 1e-12).sqrt()
    return torch.where(inside, distance, -distance)


@torch.no_grad()
def _nearest_segment(
    ends: Tensor, columns: Tensor, rows: Tensor, segments: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Of every pixel: the nearest segment, how far along it the nearest point is, and whether it is inside.

    Each is (B, H, W).
    """
    best = share = nearest = crossings = torch.zeros(())
    for start in range(0, ends.shape[1], segments):
        some = ends[:, start : start + segments].unsqueeze(3)  # (B, S, 4, 1)
        ax, ay, bx, by = some.unbind(2)  # (B, S, 1)
        ex, ey = bx - ax, by - ay
        dx, dy = (columns - ax).unsqueeze(2), (rows - ay).unsqueeze(3)  # (B, S, 1, W), (B, S, H, 1)
        ex_, ey_ = ex.unsqueeze(2), ey.unsqueeze(2)
        length = (ex_.square() + ey_.square()).clamp(min=1e-12)
        t = ((dx * ex_ + dy * ey_) / length).clamp(0, 1)
        squared = (dx - t * ex_).square() + (dy - t * ey_).square()
        least, which = squared.min(1)
        along = t.gather(1, which.unsqueeze(1)).squeeze(1)
        # a ray to the right crosses the segment where its row lies between the ends
        between = (ay > rows) != (by > rows)  # (B, S, H)
        meets = ax + (rows - ay) / torch.where(between, ey, 1) * ex
        crossed = (columns < torch.where(between, meets, -torch.inf).unsqueeze(3)).sum(1)
        if start == 0:
            best, share, nearest, crossings = least, along, which, crossed
        else:
            nearer = least < best
            best = torch.where(nearer, least, best)
            share = torch.where(nearer, along, share)
            nearest = torch.where(nearer, which + start, nearest)
            crossings = crossings + crossed
    return nearest, share, crossings % 2 == 1


class PolygonFill(nn.Module):
    """Logits from contours: positive within, zero on the line, so that a mask is the filled polygon.

    The logit is the signed distance in pixels over ``softness``, levelled off towards ``limit``, so that a
    mask's loss refines contours that are near and leaves those that are far to other losses.

    Args:
        nodes: Of each class's contour; as many are used as there are classes, under softmax without the
            background, whose logit is zero.
        num_classes: Classes, background included.
        size: Pixels (H, W) that distances are measured in.
        activation: softmax | sigmoid, classes that may overlap and all have a contour.
        softness: Distance, in pixels, of a logit of about 1.
        limit: Largest logit.

    Attributes:
        outputs: Number of logit channels.

    Raises:
        ValueError: If a class has no contour.
    """

    def __init__(
        self,
        nodes: Sequence[int],
        num_classes: int,
        size: Sequence[int],
        *,
        activation: Literal["softmax", "sigmoid"] = "softmax",
        softness: float = 1.0,
        limit: float = 10.0,
    ) -> None:
        super().__init__()
        wanted = num_classes - 1 if activation == "softmax" else num_classes
        if not 0 < wanted <= len(nodes):
            besides = " besides the background" if activation == "softmax" else ""
            raise ValueError(
                f"organs={list(nodes)} lists {len(nodes)} contours for {wanted} classes{besides}; "
                "give a number of nodes for each"
            )
        if softness <= 0 or limit <= 0:
            raise ValueError(f"softness={softness} and limit={limit} must be positive")
        self.nodes, self.size, self.activation = list(nodes)[:wanted], tuple(size), activation
        self.outputs = num_classes
        self.softness, self.limit = softness, limit

    def forward(self, points: Tensor, image: Tensor) -> Tensor:
        """Contours (B, N, 2), as (x, y) in fractions of the image, to logits (B, outputs, H, W).

        Args:
            image: (B, C, H, W), of which only the size is read.
        """
        points = points if points.dtype == torch.float64 else points.float()
        height, width = self.size
        rows, columns = (
            (torch.arange(count, device=points.device, dtype=points.dtype) + 0.5) / count * extent
            for count, extent in zip(image.shape[2:], self.size, strict=True)
        )
        pixels = points * torch.tensor([width, height], device=points.device)
        logits = [
            self.limit * (signed_distance(p, columns, rows) / (self.softness * self.limit)).tanh()
            for p in torch.split_with_sizes(pixels, self.nodes, 1)
        ]
        if self.activation == "softmax":
            logits.insert(0, torch.zeros_like(logits[0]))
        return torch.stack(logits, 1)
