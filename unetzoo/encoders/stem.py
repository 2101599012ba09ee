"""Give a network made for RGB another number of bands without throwing its first layer away."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Adaptation", "adapt_kernel"]

Adaptation = Literal["keep_rgb", "mean", "cyclic"]
_RGB = ("red", "green", "blue")


def adapt_kernel(
    weight: Tensor, in_channels: int, how: Adaptation, bands: Sequence[str] | None = None
) -> Tensor:
    """First-layer kernel for ``in_channels`` bands from one for red, green and blue.

    - ``keep_rgb``: red, green and blue keep their kernels, found by name; other bands start at zero, so the
      network is at first the one that was trained.
    - ``mean``: every band gets the mean of the three, times 3 / bands: a grey image is answered as before.
    - ``cyclic``: red, green, blue, red ... times 3 / bands, as segmentation_models.pytorch does.

    Args:
        weight: (out, 3, *kernel).
        bands: Names of the bands, in order; needed by ``keep_rgb``.

    Returns:
        (out, in_channels, *kernel).

    Raises:
        ValueError: If the names do not fit, or red, green and blue are not among them for ``keep_rgb``.
    """
    if bands is not None and len(bands) != in_channels:
        raise ValueError(
            f"{len(bands)} bands are named ({', '.join(bands)}) but in_channels is {in_channels}; "
            "make them agree"
        )
    if how == "mean":
        return weight.mean(1, keepdim=True).repeat_interleave(in_channels, 1) * (3 / in_channels)
    if how == "cyclic":
        return weight[:, torch.arange(in_channels) % 3] * (3 / in_channels)
    if how != "keep_rgb":
        raise ValueError(f"stem {how!r} is unknown; choose keep_rgb, mean or cyclic")
    names = [b.lower() for b in bands or ()]
    if not set(_RGB) <= set(names):
        raise ValueError(
            f"stem keep_rgb needs bands named red, green and blue, got {list(bands or ())}; "
            "name the bands or choose mean"
        )
    adapted = weight.new_zeros(weight.shape[0], in_channels, *weight.shape[2:])
    for source, name in enumerate(_RGB):
        adapted[:, names.index(name)] = weight[:, source]
    return adapted
