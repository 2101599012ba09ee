"""Error of an image as it looks through several display windows."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unetzoo.losses.intensity import IntensityLoss

__all__ = ["MultiWindow"]


class MultiWindow(IntensityLoss):
    """Mean ``|W(prediction) - W(target)|``, summed over windows W that clip and stretch low..high to 0..1.

    The Multiple Contrast Loss of GLFC (Zhou et al. 2025, arXiv:2501.02992): the whole range, and windows on
    soft tissue and bone in which small differences there count as much as large ones elsewhere. Outside its
    window a term has no gradient, so one window should hold the whole range. The paper's windows and norm are
    not published; the config's are clinical ones.

    Args:
        windows: (low, high, weight) in the target's units, HU for CT.
        norm: l1 | l2 | charbonnier.

    Raises:
        ValueError: If there is no window, or one is empty or has a negative weight.
    """

    def __init__(self, *, windows: Sequence[Sequence[float]], norm: str = "l1") -> None:
        super().__init__(norm=norm)
        for window in windows:
            if len(window) != 3 or not window[0] < window[1] or window[2] < 0:
                raise ValueError(
                    f"the window {list(window)} is not (low, high, weight) with low < high and a weight of 0 "
                    "or more"
                )
        if not windows:
            raise ValueError("windows=[] leaves nothing to compare; give at least one (low, high, weight)")
        self.windows = [(float(low), float(high), float(weight)) for low, high, weight in windows]

    def errors(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Of each pixel, (B, K, *size), summed over the windows."""
        terms = [
            weight * self.size((prediction.clamp(low, high) - target.clamp(low, high)) / (high - low))
            for low, high, weight in self.windows
        ]
        return torch.stack(terms).sum(0)
