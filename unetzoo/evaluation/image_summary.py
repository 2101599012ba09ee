"""What an evaluation of predicted images found."""

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from unetzoo.evaluation.summary import Origin, many, number, plain
from unetzoo.metrics import DRAWS, ImageErrors, Interval

__all__ = ["CaseErrors", "ImageSummary"]


class CaseErrors(NamedTuple):
    """One row of the table."""

    name: str
    group: str
    errors: ImageErrors

    @property
    def quality(self) -> float:
        """What cases are ranked by."""
        return -self.errors.mae


@dataclass(frozen=True)
class ImageSummary:
    """Result of an evaluation; the same as ``summary.json``.

    Args:
        unit: Of the mean absolute error.
        means: Over cases of each measure; cases without a pixel that counts have no part.
        intervals: 95 % bootstrap intervals of these, whole groups drawn.
    """

    origin: Origin
    unit: str
    value_range: tuple[float, float]
    n_cases: int
    n_groups: int
    means: dict[str, float]
    intervals: dict[str, Interval]
    seed: int
    flips: bool

    @property
    def headings(self) -> dict[str, str]:
        """Measure to what tables call it."""
        return {"mae": f"MAE {self.unit}".strip(), "psnr": "PSNR dB", "ssim": "SSIM"}

    @property
    def definitions(self) -> dict[str, str]:
        """Every term in words."""
        low, high = self.value_range
        draws = f"{DRAWS} draws of {self.n_groups} groups, seed {self.seed}"
        return {
            "Mean": "Over cases, of the pixels whose target counts.",
            "MAE": f"Mean absolute error in {self.unit or 'the units of the files'}.",
            "PSNR": f"10 log10(({high:g} - {low:g})^2 / mean squared error), in dB.",
            "SSIM": f"Structural similarity of images from {low:g} to {high:g}; both are {low:g} elsewhere.",
            "Confidence interval": f"95 % studentised bootstrap of the mean: {draws}.",
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers that do not exist are None."""
        values = asdict(self)
        origin = values.pop("origin")
        found: dict[str, Any] = plain({**origin, **values, "definitions": self.definitions})
        return found

    def text(self) -> str:
        """A few lines for the terminal."""
        origin = self.origin
        lines = [
            f"{origin.model} on {origin.data}, split {origin.split}: "
            f"{many(self.n_cases, 'case')} in {many(self.n_groups, 'group')}",
            "".ljust(14) + "mean".rjust(14) + "  95 %",
        ]
        for field, heading in self.headings.items():
            low, high = self.intervals[field]
            interval = "" if math.isnan(low) else f"  {low:.4f} to {high:.4f}"
            lines.append(heading.ljust(14) + number(self.means[field]).rjust(14) + interval)
        return "\n".join(lines)
