"""How far a predicted image is from its target."""

import math
from typing import NamedTuple

import numpy as np
import torch

from unetzoo.losses.ssim import StructuralDissimilarity

__all__ = ["ImageErrors", "image_errors"]


class ImageErrors(NamedTuple):
    """Of one case.

    Attributes:
        mae: Mean absolute error, in the images' unit.
        psnr: Peak signal-to-noise ratio in dB, ``10 log10(range^2 / mean squared error)``.
        ssim: Mean structural similarity, 1 for equal images.
    """

    mae: float
    psnr: float
    ssim: float


def image_errors(prediction: np.ndarray, target: np.ndarray, value_range: tuple[float, float]) -> ImageErrors:
    """Compare two images (K, *size) where the target is finite; nan if it is so nowhere.

    SSIM is that of Wang et al. 2004, with a Gaussian of sigma 1.5 in 11 pixels along each axis, the image
    mirrored at its border: the mean of its map over the pixels that count. Elsewhere both images have the
    smallest value of the range, as is usual where a body mask is given.

    Args:
        value_range: Smallest and largest value that occurs; PSNR and SSIM are relative to their difference.
    """
    known = np.isfinite(target)
    if not known.any():
        return ImageErrors(math.nan, math.nan, math.nan)
    low, high = value_range
    error = (prediction[known] - target[known]).astype(np.float64)
    squared = float(np.square(error).mean())
    return ImageErrors(
        mae=float(np.abs(error).mean()),
        psnr=10 * math.log10((high - low) ** 2 / squared) if squared else math.inf,
        ssim=float(
            ssim_map(np.where(known, prediction, low), np.where(known, target, low), high - low)[known].mean()
        ),
    )


def ssim_map(image: np.ndarray, reference: np.ndarray, value_range: float) -> np.ndarray:
    """Structural similarity around every pixel, float64 (K, *size)."""
    ssim = StructuralDissimilarity(value_range=value_range)
    margin = [(0, 0), *[(ssim.window // 2,) * 2] * (image.ndim - 1)]
    padded = (np.pad(x.astype(np.float64), margin, mode="reflect") for x in (image, reference))
    luminance, structure = ssim.maps(*(torch.from_numpy(x)[None] for x in padded))
    return np.asarray((luminance * structure)[0])
