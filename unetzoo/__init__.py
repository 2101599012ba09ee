"""unetzoo: segmentation networks whose skip pathway is a part of its own."""

__version__ = "0.1.0"
