"""Data for training and evaluation: where cases are, how they are read, which patches are drawn."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .case import SPLITS, Case, Sample
from .reader import read_case

if TYPE_CHECKING:
    from .datamodule import SegmentationData

__all__ = ["SPLITS", "Case", "Sample", "SegmentationData", "read_case"]


def __getattr__(name: str) -> Any:
    """Import the LightningDataModule on first use: it costs seconds, the rest of this package does not."""
    if name == "SegmentationData":
        return import_module(".datamodule", __name__).SegmentationData
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
