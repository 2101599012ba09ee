"""What follows from a survey: target image, spacing, patch, and a line for people."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..inference.contract import ImageTarget
from .survey import Survey


def target_of(config: Mapping[str, Any], survey: Survey) -> ImageTarget:
    """From the config; what it leaves open is taken from the training targets.

    Args:
        survey: Of the target images.
    """
    known = [field.name for field in fields(ImageTarget)]
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise ValueError(f"data.target has the unknown key '{unknown[0]}'; known are {', '.join(known)}")
    found = {"bands": survey.bands, "mean": survey.mean, "std": survey.std, "value_range": survey.value_range}
    # bands may be given as their number
    given = {key: value for key, value in config.items() if value is not None and not isinstance(value, int)}
    return ImageTarget(
        unit=str(given.pop("unit", "")),
        **{key: tuple(value) for key, value in {**found, **given}.items()},
    )


def resampling(
    survey: Survey, *, spacing: Sequence[float] | None, gsd: float | None
) -> tuple[float, ...] | None:
    """The spacing that images are brought to, per axis: ``spacing`` of volumes, ``gsd`` of rasters.

    Raises:
        ValueError: If it is that of the other kind, or not one number per axis.
    """
    ndim = len(survey.size)
    if gsd is not None and (ndim != 2 or spacing is not None):
        raise ValueError(f"data.gsd={gsd} is for rasters; volumes ({ndim}D) are resampled to data.spacing")
    if spacing is not None and (ndim != 3 or len(spacing) != 3):
        raise ValueError(
            f"data.spacing={list(spacing)} must be three numbers (z, y, x) of volumes, and these images are "
            f"{ndim}D; rasters are resampled to data.gsd"
        )
    return (gsd, gsd) if gsd is not None else None if spacing is None else tuple(spacing)


def resampled_size(survey: Survey, resample: Sequence[float] | None) -> tuple[int, ...]:
    """The median image on its new grid."""
    if resample is None or survey.spacing is None:
        return survey.size
    axes = zip(survey.size, survey.spacing, resample, strict=True)
    return tuple(max(1, round(n * have / want)) for n, have, want in axes)


def default_patch(size: Sequence[int]) -> tuple[int, ...]:
    """The median image rounded up to what five halvings (2D) or four (3D) divide, within limits."""
    step, most = (32, 256) if len(size) == 2 else (16, 64)
    return tuple(min(most, -(-n // step) * step) for n in size)


def facts(survey: Survey) -> str:
    """The images in a line for people."""
    line = f"images of {' x '.join(map(str, survey.size))} (median)"
    if survey.value_range is not None:
        line += f", values from {survey.value_range[0]:g} to {survey.value_range[1]:g}"
    if survey.spacing is not None:
        line += f", spacing {' x '.join(f'{s:.4g}' for s in survey.spacing)} {survey.unit}"
    return line
