"""How raw values become the network's input, as a contract says it; ``normalise`` computes it."""

from dataclasses import asdict, dataclass
from typing import Any

METHODS = ("percentile", "zscore", "minmax", "imagenet", "fixed", "window")
EACH = "each"
_ADAPTIVE = ("percentile", "zscore", "minmax")
_LATER = ("window", "skip", "each")


@dataclass(frozen=True)
class BandNormalisation:
    """How one band is normalised, or all of them alike; ``normalise`` says what each method computes.

    Args:
        method: ``percentile``, ``zscore`` or ``minmax`` (from the image itself), ``imagenet``, ``fixed``,
            ``window``.
        low: Lower percentile, 0..100, for ``percentile``.
        high: Upper percentile, 0..100, for ``percentile``.
        mean: Per band in raw units, for ``fixed``.
        std: Per band in raw units, for ``fixed``.
        window: Smallest and largest raw value that counts, such as (-160, 240) HU; what lies outside is taken
            for the nearer of them before anything else. None: all values count.
        skip: Raw value that is in no statistics and becomes 0, such as the 0 around a brain; None: no value.
    """

    method: str
    low: float = 0.5
    high: float = 99.5
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    window: tuple[float, float] | None = None
    skip: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                f"normalisation method '{self.method}' is unknown; choose one of {', '.join(METHODS)}"
            )
        if not 0 <= self.low < self.high <= 100:
            raise ValueError(
                f"percentiles low={self.low}, high={self.high} must satisfy 0 <= low < high <= 100"
            )
        if self.method == "fixed" and (
            not self.mean or len(self.mean) != len(self.std) or min(self.std) <= 0
        ):
            raise ValueError(
                "fixed normalisation needs a mean and a positive std for each band; "
                f"given {self.mean} and {self.std}"
            )
        if self.window is None and self.method == "window":
            raise ValueError("window normalisation needs a window, such as [-160, 240]")
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError(f"the window {self.window} of a normalisation must go upwards")


@dataclass(frozen=True)
class Normalisation(BandNormalisation):
    """How the bands of an image are normalised.

    Args:
        each: One per band, in their order, where they differ; ``method`` is then ``each``.
    """

    each: tuple[BandNormalisation, ...] = ()

    def __post_init__(self) -> None:
        if (self.method == EACH) != bool(self.each):
            raise ValueError("a list of one normalisation per band goes with the method 'each', and it alone")
        if not self.each:
            super().__post_init__()
        for band in self.each:
            if band.method == "imagenet" or (band.method == "fixed" and len(band.mean) != 1):
                raise ValueError(
                    f"normalisation '{band.method}' of a single band needs one mean and one std; write it as "
                    "fixed with these"
                )

    @property
    def adaptive(self) -> bool:
        """Some band goes by statistics of the image itself, so that it may be of any scale."""
        return any(band.method in _ADAPTIVE for band in self.each or (self,))

    @property
    def words(self) -> str:
        """The methods, for people."""
        return ", ".join(dict.fromkeys(band.method for band in self.each or (self,)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; runtimes that know none of the later keys can read what does not use them."""
        values = _used(asdict(self))
        if self.each:
            values["each"] = [_used(asdict(band)) for band in self.each]
        return values


def _used(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in _LATER or value not in (None, ())}
