"""Raw values to the network's input; the same function for training, evaluation and deployment."""

import numpy as np

from .contract import Normalisation
from .geometry import Image

# mean and standard deviation of ImageNet's RGB on a 0..255 scale, as torchvision and timm use them
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


def normalise(image: Image, how: Normalisation) -> np.ndarray:
    """The network's input (C, *size) in float32, band by band, 0 where the image has no data.

    - ``percentile``: ``how.low`` to 0 and ``how.high`` to 1, clipped outside;
    - ``minmax``: smallest value to 0, largest to 1;
    - ``zscore``: mean 0, standard deviation 1;
    - ``imagenet``, ``fixed``: ``(value - mean) / std`` with given numbers, the same for every image.

    Statistics come from the valid pixels of the whole image, never from a tile. A band without contrast
    becomes zeros.
    """
    x = np.zeros(image.data.shape, np.float32)
    if not image.valid.any():
        return x
    everywhere = bool(image.valid.all())
    for c, band in enumerate(image.data):
        shift, scale = _shift_and_scale(band.ravel() if everywhere else band[image.valid], c, how)
        if scale == 0:
            continue
        with np.errstate(invalid="ignore", over="ignore"):  # no-data pixels may hold anything
            # in double precision where the values are large, without a copy of the band in it
            np.subtract(band, shift, out=x[c], dtype=np.float64, casting="same_kind")
            x[c] /= scale
        if how.method == "percentile":
            x[c].clip(0, 1, out=x[c])
        x[c][~image.valid] = 0
    return x


def _shift_and_scale(values: np.ndarray, c: int, how: Normalisation) -> tuple[float, float]:
    """What is subtracted from band ``c``, and by what it is divided then; 0 if it has no contrast."""
    if how.method == "imagenet":
        return IMAGENET_MEAN[c], IMAGENET_STD[c]
    if how.method == "fixed":
        return how.mean[c], how.std[c]
    low, high = float(values.min()), float(values.max())
    if how.method == "zscore" and low < high:  # the standard deviation of equal values is a rounding error
        return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    if how.method == "percentile":
        floats = values.astype(np.promote_types(values.dtype, np.float32))
        low, high = (float(p) for p in np.percentile(floats, (how.low, how.high), overwrite_input=True))
    return low, high - low
