"""Whole cases from files: image and mask in, network input and class indices out."""

from typing import Any

import numpy as np

from ..inference.contract import IGNORE, DataSpec
from ..inference.image import read_image, read_mask
from ..inference.normalise import normalise
from .case import Case, Sample
from .classes import encode


def read_case(case: Case, spec: DataSpec) -> Sample:
    """Read, normalise and encode one case; pixels without data are IGNORE in the mask.

    Raises:
        ValueError: If image or mask contradict the spec or each other; the message names the file.
    """
    if case.mask is None:
        raise ValueError(f"{case.image}: has no mask")
    image = read_image(case.image, bands=spec.bands, nodata=spec.nodata)
    if image.valid.ndim != spec.ndim:
        raise ValueError(f"{case.image}: is {image.valid.ndim}D but the data is {spec.ndim}D (data.ndim)")
    raw = read_mask(case.mask, like=image)
    try:
        mask = encode(
            raw, spec.ndim, spec.classes, ignore_index=spec.ignore_index, multilabel=spec.multilabel
        )
    except ValueError as error:
        raise ValueError(f"{case.mask}: {error}") from error
    mask[..., ~image.valid] = IGNORE
    return Sample(image, normalise(image, spec.normalisation), mask)


class CachingReader:
    """``read_case`` that keeps what it has read, as (x, mask), while that fits.

    Args:
        budget: Bytes to keep in this process; what is read beyond them is read again each time.
    """

    def __init__(self, spec: DataSpec, *, budget: float) -> None:
        self.spec = spec
        self.budget = budget
        self._kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, case: Case) -> tuple[np.ndarray, np.ndarray]:
        """(C, *size) float32 and the mask, (*size) or (K, *size) uint8; not to be written to."""
        if case.name in self._kept:
            return self._kept[case.name]
        sample = read_case(case, self.spec)
        size = sample.x.nbytes + sample.mask.nbytes
        if size <= self.budget:
            self.budget -= size
            self._kept[case.name] = sample.x, sample.mask
        return sample.x, sample.mask

    def __getstate__(self) -> dict[str, Any]:
        """Workers that are spawned start with an empty cache instead of a copy through a pipe."""
        kept = sum(x.nbytes + mask.nbytes for x, mask in self._kept.values())
        return {"spec": self.spec, "budget": self.budget + kept, "_kept": {}}
