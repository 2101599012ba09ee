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
        # float64, so that integers do not overflow and means of large images stay exact
        values = (band.ravel() if everywhere else band[image.valid]).astype(np.float64)
        shift, scale = _shift_and_scale(values, c, how)
        scaled = np.zeros(values.shape) if scale == 0 else (values - shift) / scale
        if how.method == "percentile":
            scaled = scaled.clip(0, 1)
        x[c][image.valid] = scaled
    return x


def _shift_and_scale(values: np.ndarray, c: int, how: Normalisation) -> tuple[float, float]:
    """What is subtracted from the values of band ``c``, and by what they are divided then."""
    if how.method == "imagenet":
        return IMAGENET_MEAN[c], IMAGENET_STD[c]
    if how.method == "fixed":
        return how.mean[c], how.std[c]
    if how.method == "zscore":
        # the standard deviation of a constant band is a rounding error
        return float(values.mean()), float(values.std()) if values.min() < values.max() else 0.0
    if how.method == "minmax":
        low, high = float(values.min()), float(values.max())
    else:
        low, high = (float(p) for p in np.percentile(values, (how.low, how.high)))
    return low, high - low
