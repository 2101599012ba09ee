"""How far each pixel is from the border of its region."""

from collections.abc import Sequence

import torch
from monai.transforms.utils import distance_transform_edt
from torch import Tensor

__all__ = ["distance_to", "signed_distance"]


def distance_to(mask: Tensor, spacing: Sequence[float] | None = None) -> Tensor:
    """Euclidean distance of every pixel to the mask's nearest one, infinite where the mask is empty.

    By MONAI: on the CPU with SciPy, on a GPU where cuCIM is installed.

    Args:
        mask: bool (B, K, *size).
        spacing: Size of a pixel per axis; ``None`` is 1.
    """
    sampling = None if spacing is None else list(spacing)
    result = torch.full(mask.shape, torch.inf, dtype=torch.float32, device=mask.device)
    for found, layers in zip(result, mask, strict=True):
        some = layers.flatten(1).any(1)
        if some.any():
            found[some] = torch.as_tensor(distance_transform_edt(~layers[some], sampling)).to(found)
    return result


@torch.no_grad()
def signed_distance(region: Tensor, valid: Tensor, spacing: Sequence[float] | None = None) -> Tensor:
    """Distance to the region from outside, minus that to the outside from inside, 0 on its outermost pixels.

    Kervadec et al. 2019, arXiv:1812.07032, section 2.2. A pixel without a label is neither, so that the edge
    of the labelled part is no border. Infinite where there is no border at all.

    Args:
        region: bool (B, K, *size).
        valid: bool (B, 1 or K, *size), False where there is no label.
        spacing: Size of a pixel per axis; ``None`` is 1.
    """
    outside, inside = distance_to(region & valid, spacing), distance_to(~region & valid, spacing)
    one = 1.0 if spacing is None else min(spacing)
    return torch.where(region, one - inside, outside)
