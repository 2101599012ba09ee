"""Whole cases from files: image and mask or target in, network input and what it is compared with out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..inference.contract import IGNORE, DataSpec
from ..inference.geometry import Image, Rows
from ..inference.image import read_image, read_mask, read_target
from ..inference.normalise import rescale, scale_of
from ..inference.resample import Resampled, grid_size, nearest
from ..inference.source import ImageSource
from .case import Case, Sample, counted
from .classes import encode
from .scenes import Scene, is_scene
from .vector_labels import is_vector


def read_case(case: Case, spec: DataSpec) -> Sample:
    """Read and encode one case; pixels without data are IGNORE in the mask, NaN in the target.

    Raises:
        ValueError: If image, mask or target contradict the spec or each other; the message names the file.
    """
    image = read_image(case.image, bands=spec.bands, nodata=spec.nodata, window=case.window)
    if image.valid.ndim != spec.ndim:
        raise ValueError(f"{case.image}: is {image.valid.ndim}D but the data is {spec.ndim}D (data.ndim)")
    if spec.target is not None:
        target = _target(case, image, spec.target.bands)
        return Sample(image, spec.normalisation, counted(target), target)
    if case.mask is None:
        raise ValueError(f"{case.image}: has no mask")
    if is_vector(case.mask):
        raw = case.vector.burn(case.mask, image, spec.classes, multilabel=spec.multilabel)
    else:
        raw = read_mask(case.mask, like=image, window=case.window)
    if case.window is not None and not spec.multilabel and raw.ndim > spec.ndim and (raw == raw[:1]).all():
        raw = raw[0]  # a grey mask saved as colour
    try:
        mask = encode(
            raw, spec.ndim, spec.classes, ignore_index=spec.ignore_index, multilabel=spec.multilabel
        )
    except ValueError as error:
        raise ValueError(f"{case.mask}: {error}") from error
    mask[..., ~image.valid] = IGNORE
    return Sample(image, spec.normalisation, mask)


def _target(case: Case, image: Image, bands: Sequence[str]) -> np.ndarray:
    """The target (K, *size) float32; NaN where it or the image has no data, and where the mask is 0."""
    if case.target is None:
        raise ValueError(f"{case.image}: has no target, which data.target asks for; add it to the manifest")
    target = read_target(case.target, image, bands=bands, window=case.window)
    body = None if case.mask is None else read_mask(case.mask, like=image, window=case.window)
    return where_it_counts(Rows(target.data, target.valid), image.valid, body)


def where_it_counts(target: Rows, valid: np.ndarray, body: np.ndarray | None) -> np.ndarray:
    """A piece of a target (K, *size) float32, NaN elsewhere.

    Args:
        valid: Where the image has data (*size).
        body: The mask's ids (*size) or (K, *size), if there is one.
    """
    counts = valid & target.valid
    if body is not None:
        counts &= body != 0 if body.ndim == counts.ndim else (body != 0).any(axis=0)
    return np.where(counts, target.data, np.nan).astype(np.float32)


def at_spacing(sample: Sample, spec: DataSpec, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The network's input and its reference on the grid that it works on; labels are those nearest.

    Raises:
        ValueError: If the image does not say how large its pixels are, and the spec wants a spacing.
    """
    source = ImageSource(sample.image)
    size = grid_size(source, spec, name)
    if size == source.size:
        return sample.x, sample.reference
    rows = Resampled(source, size).read(0, size[0])
    x = rescale(rows, scale_of(source, spec.normalisation))
    if sample.target is None:
        mask = nearest(sample.mask, size)
        mask[..., ~rows.valid] = IGNORE
        return x, mask
    counts = np.isfinite(sample.target).all(axis=0)
    target = replace(sample.image, data=sample.target, valid=counts)
    values = Resampled(ImageSource(target), size).read(0, size[0])
    return x, np.where(values.valid & rows.valid, values.data, np.nan).astype(np.float32)


class CachingReader:
    """``read_case`` at the spec's spacing; keeps what it has read, as (x, reference), while that fits.

    Args:
        budget: Bytes to keep in this process; what is read beyond them is read again each time.
    """

    def __init__(self, spec: DataSpec, *, budget: float) -> None:
        self.spec = spec
        self.budget = budget
        self._kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._scenes: dict[str, Scene | None] = {}
        self._held = 0  # by scenes

    def __call__(self, case: Case) -> tuple[np.ndarray, np.ndarray]:
        """(C, *size) float32, and the mask or the target of the sample; not to be written to."""
        if case.name in self._kept:
            return self._kept[case.name]
        sample = read_case(case, self.spec)
        x, reference = at_spacing(sample, self.spec, str(case.image))
        size = x.nbytes + reference.nbytes
        if size <= self.budget:
            self.budget -= size
            self._kept[case.name] = x, reference
        return x, reference

    def scene(self, case: Case) -> Scene | None:
        """The case to be read by windows, if it is too large for anything else."""
        if case.name not in self._scenes:
            large = is_scene(case, self.spec)
            self._scenes[case.name] = Scene(case, self.spec, self._keep) if large else None
        return self._scenes[case.name]

    def _keep(self, size: int) -> bool:
        fits = size <= self.budget
        self.budget -= size * fits
        self._held += size * fits
        return fits

    def __getstate__(self) -> dict[str, Any]:
        """Workers that are spawned start with an empty cache instead of a copy through a pipe."""
        kept = sum(x.nbytes + reference.nbytes for x, reference in self._kept.values())
        budget = self.budget + kept + self._held
        return {"spec": self.spec, "budget": budget, "_kept": {}, "_scenes": {}, "_held": 0}
