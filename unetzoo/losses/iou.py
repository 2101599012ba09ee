"""Soft IoU loss."""

from unetzoo.losses.dice import Dice

__all__ = ["IoU"]


class IoU(Dice):
    """``1 - |P T| / (|P| + |T| - |P T|)`` on probabilities, averaged over classes.

    Rahman & Wang 2016, doi:10.1007/978-3-319-50835-1_22, eq. 3; computed by MONAI, smoothed, so that a region
    that neither has is no error. Arguments are those of `Dice`.
    """

    jaccard = True
