"""Where the compiled kernels of unetzoo are."""

import sys
from pathlib import Path

__all__ = ["LIBRARY"]

LIBRARY = Path(__file__).with_name(f"libunetzoo_kernels.{'dylib' if sys.platform == 'darwin' else 'so'}")
