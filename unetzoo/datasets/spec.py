"""What follows from a survey: normalisation, patch, and a line for people."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..inference.contract import METHODS, BandNormalisation, ImageTarget, Normalisation
from .survey import Survey


def normalisation_of(config: Mapping[str, Any], survey: Survey) -> Normalisation:
    """From the config; ``fixed`` takes the numbers that are not given from the training images."""
    if not config.get("groups"):
        return Normalisation(**_settings(config, "data.normalise", survey.mean, survey.std))
    each: list[BandNormalisation | None] = [None] * len(survey.bands)
    for where, settings, members in by_group(config, survey.bands):
        mean, std = ([numbers[c] for c in members] for numbers in (survey.mean, survey.std))
        values = _settings(settings, where, mean, std)
        own = {key: values.pop(key, ()) for key in ("mean", "std")}
        for key, numbers in own.items():
            if numbers and len(numbers) != len(members):
                raise ValueError(f"{where}.{key} has {len(numbers)} numbers for {len(members)} band(s)")
        for i, c in enumerate(members):
            each[c] = BandNormalisation(**values, **{key: n[i : i + 1] for key, n in own.items()})
    return Normalisation("each", each=tuple(band for band in each if band is not None))


def by_group(config: Mapping[str, Any], bands: Sequence[str]) -> list[tuple[str, dict[str, Any], list[int]]]:
    """Key, settings and indices of bands of each group, and of all bands that are in none.

    Raises:
        ValueError: If a group names no band, one that is not there, or that another has; or if bands are left
            without a method.
    """
    found = []
    rest = list(range(len(bands)))
    for name, group in (config.get("groups") or {}).items():
        where = f"data.normalise.groups.{name}"
        names = group.get("bands") or ()
        for band in names:
            if band not in bands or bands.index(band) not in rest:
                reason = "another group has, too" if band in bands else f"is none of {', '.join(bands)}"
                raise ValueError(f"{where}.bands has '{band}', which {reason}")
            rest.remove(bands.index(band))
        if not names:
            raise ValueError(f"{where} needs bands, the names of those that it is for")
        settings = {key: value for key, value in group.items() if key != "bands"}
        found.append((where, settings, [bands.index(band) for band in names]))
    settings = {key: value for key, value in config.items() if key != "groups"}
    return [*found, *([("data.normalise", settings, rest)] if rest else [])]


def measured(config: Mapping[str, Any]) -> bool:
    """Whether training images have to give mean and deviation."""
    return config.get("method") == "fixed" and not {"mean", "std"} <= {k for k, v in config.items() if v}


def _settings(
    config: Mapping[str, Any], where: str, mean: Sequence[float], std: Sequence[float]
) -> dict[str, Any]:
    """Arguments of a normalisation, with the numbers of the training images where they are wanted."""
    known = {field.name for field in fields(BandNormalisation)}
    if unknown := sorted(set(config) - known - {"groups"}):
        raise ValueError(f"{where} has the unknown key '{unknown[0]}'; known are {', '.join(sorted(known))}")
    if "method" not in config:
        raise ValueError(f"{where} needs a method: {', '.join(METHODS)}")
    values = {key: value for key, value in config.items() if key != "groups"}
    if values["method"] == "fixed":
        values |= {"mean": values.get("mean") or mean, "std": values.get("std") or std}
    for key in ("mean", "std", "window"):
        if values.get(key) is not None:
            values[key] = tuple(float(number) for number in values[key])
    return values


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
