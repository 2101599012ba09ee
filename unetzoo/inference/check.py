"""Whether an image is of the kind a model was trained on, before it gives a confident wrong answer."""

import numpy as np

from .contract import DataSpec
from .normalise import extremes
from .source import Source

_TIMES = 20
"""Apart, in the largest values of image and training images, is no longer chance but another scale."""


def check_source(source: Source, data: DataSpec, name: str) -> None:
    """Refuse an image whose dimension, bands or scale contradict the model's data.

    Scale matters where the normalisation uses fixed numbers alone (``imagenet``, ``fixed``, ``window``). With
    the largest absolute value of the image and that of the training images, it contradicts if the image's is

    - more than 20 times larger, or
    - more than 20 times smaller and the image is not just dark: floats of a range up to 1 where training went
      beyond 20, or integers of a type that ends below a twentieth of the training value. Other integers are
      trusted.

    The image is read through only where its type leaves that open.

    Raises:
        ValueError: Naming the image, what it has, and what the model wants.
    """
    if len(source.size) != data.ndim:
        raise ValueError(f"{name}: is {len(source.size)}D but the model is for {data.ndim}D images")
    if source.count != len(data.bands):
        raise ValueError(
            f"{name}: has {source.count} band(s) but the model wants {len(data.bands)}: "
            f"{', '.join(data.bands)}"
        )
    if data.normalisation.adaptive or data.value_range is None:
        return
    trained = max(abs(value) for value in data.value_range)
    whole = source.dtype.kind != "f"
    bound = np.iinfo(source.dtype).max if whole else np.inf  # of the least integer it is one more
    if whole and bound < trained * _TIMES <= bound * _TIMES**2:
        return
    peak = max((max(abs(low), abs(high)) for low, high in extremes(source)), default=0.0)
    only_dark = bound * _TIMES >= trained if whole else peak > 1 or trained <= _TIMES
    if peak > trained * _TIMES or (0 < peak * _TIMES < trained and not only_dark):
        raise ValueError(
            f"{name}: values reach {peak:g} ({source.dtype}) where those of the training images reached "
            f"{trained:g}, more than {_TIMES} times apart, and the model's normalisation "
            f"'{data.normalisation.words}' is not adapted to the image; bring it to their scale"
        )
