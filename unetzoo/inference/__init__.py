"""Prediction on files without torch: one contract, reader, normalisation and tiling for all uses.

The distribution ``unetzoo-runtime`` is this folder under the name ``unetzoo_runtime``.
"""

from .contract import (
    IGNORE,
    METADATA_KEY,
    SCHEMA_VERSION,
    ClassSpec,
    Contract,
    DataSpec,
    ImageTarget,
    Normalisation,
)
from .geometry import Image
from .image import read_image, read_mask, read_target
from .network import OnnxNetwork
from .normalise import normalise
from .predictor import Outcome, Prediction, Predictor
from .results import write_labels, write_probabilities, write_values
from .tiling import predict_tiled

__all__ = [
    "IGNORE",
    "METADATA_KEY",
    "SCHEMA_VERSION",
    "ClassSpec",
    "Contract",
    "DataSpec",
    "Image",
    "ImageTarget",
    "Normalisation",
    "OnnxNetwork",
    "Outcome",
    "Prediction",
    "Predictor",
    "normalise",
    "predict_tiled",
    "read_image",
    "read_mask",
    "read_target",
    "write_labels",
    "write_probabilities",
    "write_values",
]
