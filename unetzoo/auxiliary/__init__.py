"""Auxiliary objectives: what a network learns beside its segmentation."""

from unetzoo.auxiliary.base import Auxiliary

__all__ = ["Auxiliary"]
