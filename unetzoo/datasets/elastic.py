"""Smooth elastic deformation of volumes."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config.type_definitions import KeysCollection
from monai.transforms.spatial.array import Resample
from monai.transforms.transform import MapTransform, RandomizableTransform
from monai.transforms.utils import create_grid
from monai.utils.misc import ensure_tuple_rep
from scipy.ndimage import spline_filter
from torch import Tensor

__all__ = ["RandElasticd", "spline_field"]


class RandElasticd(RandomizableTransform, MapTransform):
    """Bend image and mask by a smooth random field, in the manner of MONAI's dictionary transforms.

    Çiçek et al. 2016, "3D U-Net", arXiv:1606.06650, section 3: random shifts on a coarse grid, joined by
    cubic B-splines. MONAI's own ``Rand3DElasticd`` draws one shift per voxel and smooths them, which takes
    seconds per patch.

    Args:
        spacing: Voxels between the shifts, for all axes or per axis.
        sigma: Standard deviation of a shift in voxels, drawn anew each time from this range.
        prob: Probability of a deformation.
        mode: bilinear | nearest, one for all keys or one per key.
        padding_mode: What lies outside: zeros | border | reflection.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        spacing: float | Sequence[float] = 32.0,
        sigma: Sequence[float] = (0.0, 4.0),
        prob: float = 0.1,
        mode: str | Sequence[str] = "bilinear",
        padding_mode: str | Sequence[str] = "zeros",
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        low, high = sigma
        if not 0 <= low <= high:
            raise ValueError(f"sigma is a range of voxels from 0 upwards, got {list(sigma)}")
        self.spacing, self.sigma = spacing, (float(low), float(high))
        self.mode = ensure_tuple_rep(mode, len(self.keys))
        self.padding_mode = ensure_tuple_rep(padding_mode, len(self.keys))
        self.resample = Resample()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Values (C, *size), all of one size, moved alike."""
        result = dict(data)
        self.randomize(None)
        if not self._do_transform:
            return result
        size = tuple(data[self.first_key(result)].shape[1:])
        spacing = ensure_tuple_rep(self.spacing, len(size))
        sigma = self.R.uniform(*self.sigma)
        # one more on either side, so that every voxel lies between four knots
        knots = [int(np.ceil((n - 1) / step)) + 3 for n, step in zip(size, spacing, strict=True)]
        field = spline_field(self.R.normal(0, sigma, (len(size), *knots)), size, spacing)
        grid = torch.as_tensor(create_grid(size, backend="torch"), dtype=torch.float32)
        grid[:-1] += field
        for key, mode, padding in self.key_iterator(result, self.mode, self.padding_mode):
            result[key] = self.resample(
                torch.as_tensor(result[key]), grid=grid, mode=mode, padding_mode=padding
            )
        return result


def spline_field(shifts: np.ndarray, size: Sequence[int], spacing: Sequence[float]) -> Tensor:
    """Shifts (n, *knots) to a field (n, *size) that passes through them; knot 1 lies on voxel 0."""
    coefficients = np.stack([spline_filter(one, order=3, output=np.float64) for one in shifts])
    for axis, (count, step) in enumerate(zip(size, spacing, strict=True), start=1):
        basis = _basis(count, step, coefficients.shape[axis])
        coefficients = np.moveaxis(np.tensordot(basis, coefficients, (1, axis)), 0, axis)
    return torch.from_numpy(np.ascontiguousarray(coefficients, np.float32))


def _basis(count: int, step: float, knots: int) -> np.ndarray:
    """(count, knots): the cubic B-spline of every knot at every voxel."""
    distance = np.abs(np.arange(count)[:, None] / step + 1 - np.arange(knots))
    near = 2 / 3 - distance**2 + distance**3 / 2
    basis: np.ndarray = np.where(distance < 1, near, np.clip(2 - distance, 0, None) ** 3 / 6)
    return basis
