"""A large case of regression as validation during training reads it."""

import numpy as np

from ..inference.contract import DataSpec
from ..inference.normalise import rescale, scale_of
from .case import Case
from .pairs import open_pair


class PairRows:
    """The network's input and the target, some rows at a time; files are open no longer than these take.

    Args:
        case: One that `is_large`.
        spec: Without resampling.
    """

    def __init__(self, case: Case, spec: DataSpec) -> None:
        self.case, self.spec = case, spec
        with open_pair(case, spec) as pair:
            self.size = pair.image.size
            self._scale = scale_of(pair.image, spec.normalisation)

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows ``first`` to before ``last`` of both, (C, rows, W) and (K, rows, W) float32."""
        with open_pair(self.case, self.spec) as pair:
            return rescale(pair.image.read(first, last), self._scale), pair.target(first, last)
