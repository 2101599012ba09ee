"""Seeded sets that look enough like real ones to train, test and show the library without a download.

Each ``make_*`` writes ``images/``, ``masks/`` and ``manifest.csv`` (image, mask, split, group) into a folder
and needs numpy, scipy and one image library, nothing of unetzoo: `data/demo/make_sample.py` runs this package
by path. The same arguments give the same files.
"""

from .nuclei import make_nuclei
from .scene import make_scene
from .volumes import make_volumes

__all__ = ["make_nuclei", "make_scene", "make_volumes"]
