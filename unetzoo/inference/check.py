"""Whether an image is of the kind a model was trained on, before it gives a confident wrong answer."""

import numpy as np

from .contract import DataSpec
from .geometry import Image

_TIMES = 20
"""Apart, in the largest values of image and training images, is no longer chance but another scale."""


def check_image(image: Image, data: DataSpec, name: str) -> None:
    """Refuse an image whose dimension, bands or scale contradict the model's data.

    Scale matters where the normalisation uses fixed numbers (``imagenet``, ``fixed``). With the largest
    absolute value of the image and that of the training images, it contradicts if the image's is

    - more than 20 times larger, or
    - more than 20 times smaller and the image is not just dark: floats of a range up to 1 where training went
      beyond 20, or integers of a type that ends below a twentieth of the training value. Other integers are
      trusted.

    Raises:
        ValueError: Naming the image, what it has, and what the model wants.
    """
    if image.valid.ndim != data.ndim:
        raise ValueError(f"{name}: is {image.valid.ndim}D but the model is for {data.ndim}D images")
    if len(image.data) != len(data.bands):
        raise ValueError(
            f"{name}: has {len(image.data)} band(s) but the model wants {len(data.bands)}: "
            f"{', '.join(data.bands)}"
        )
    if data.normalisation.method not in ("imagenet", "fixed") or data.value_range is None:
        return
    peak = max((_largest(band[image.valid]) for band in image.data), default=0.0)
    trained = max(abs(value) for value in data.value_range)
    if image.data.dtype.kind == "f":
        only_dark = peak > 1 or trained <= _TIMES
    else:
        only_dark = np.iinfo(image.data.dtype).max * _TIMES >= trained
    if peak > trained * _TIMES or (0 < peak * _TIMES < trained and not only_dark):
        raise ValueError(
            f"{name}: values reach {peak:g} ({image.data.dtype}) where those of the training images reached "
            f"{trained:g}, more than {_TIMES} times apart, and the model's normalisation "
            f"'{data.normalisation.method}' is not adapted to the image; bring it to their scale"
        )


def _largest(values: np.ndarray) -> float:
    return max(abs(float(values.min())), abs(float(values.max()))) if values.size else 0.0
