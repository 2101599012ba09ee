"""What is measured and how: settled before the first case is read, and printed with every number."""

from collections.abc import Sequence
from dataclasses import dataclass

from unetzoo.inference.contract import DataSpec
from unetzoo.inference.geometry import Image
from unetzoo.metrics import DRAWS, EXTRAS, EmptyPolicy, check_empty, check_extras, foreground

__all__ = ["OF_OBJECTS", "Protocol", "same", "settle"]

OF_OBJECTS = frozenset({"pq", "map", "object_f1", "object_dice", "object_hd"})
"""Measures that count objects."""


@dataclass(frozen=True)
class Protocol:
    """The rules of one evaluation.

    Args:
        classes: Indices of the measured classes.
        names: Of all classes of the data.
        ndim: 2 for images, 3 for volumes; a case is one whole image or volume.
        unit: Of distances, ``mm``, ``m`` or ``px``.
        tolerance: Of NSD, in ``unit``.
        empty: What a class scores that is in neither mask.
        seed: Of the bootstrap.
        flips: Predictions are means over flipped copies.
        extras: Measures beside those every case gets, names of ``EXTRAS``.
        numbered: The set numbers the objects of its references.
    """

    classes: tuple[int, ...]
    names: tuple[str, ...]
    ndim: int
    unit: str
    tolerance: float
    empty: EmptyPolicy
    seed: int = 0
    flips: bool = False
    extras: tuple[str, ...] = ()
    numbered: bool = False

    @property
    def measured(self) -> list[str]:
        """Names of the measured classes."""
        return [self.names[index] for index in self.classes]

    @property
    def excluded(self) -> list[str]:
        """Names of the classes that have no part in any number."""
        return [name for index, name in enumerate(self.names) if index not in self.classes]

    @property
    def columns(self) -> dict[str, str]:
        """Field of a score to its heading, which states unit and tolerance."""
        return {
            **{name: name for name in ("dice", "iou", "precision", "recall")},
            "hd95": f"hd95_{self.unit}",
            "nsd": f"nsd@{self.tolerance:g}{self.unit}",
            **{name: f"{name}_{self.unit}" if EXTRAS[name].distance else name for name in self.extras},
        }

    @property
    def _objects(self) -> str:
        numbered = "as the set numbers them" if self.numbered else "connected components, too"
        return f"Of predictions: components connected by all neighbours. Of references: {numbered}."

    def spacing(self, image: Image, name: str) -> tuple[float, ...]:
        """Size of a pixel of a case in ``unit``.

        Raises:
            ValueError: If the case has none in that unit.
        """
        if self.unit == "px":
            return (1.0,) * self.ndim
        if image.unit != self.unit or image.spacing is None:
            raise ValueError(
                f"case {name}: its pixel size is in {image.unit} but the data's unit is {self.unit}; "
                "leave the case out of the split or give its file a spacing"
            )
        return image.spacing

    def definitions(self, groups: int, cases: int) -> dict[str, str]:
        """Every term of the report in words, for a split of ``cases`` in ``groups``."""
        what = "volume" if self.ndim == 3 else "image"
        empty = {
            "nan": "has no value and is left out of every mean",
            "one": "scores 1 (HD95 0)",
            "skip": "has no value, is left out of every mean and is not listed per case",
        }[self.empty]
        cluster = "" if groups == cases else " with all its cases"
        within = f"{self.tolerance:g} {self.unit}"
        return {
            "Case": f"One whole {what}, never a tile or a slice of it.",
            "Ignored pixels": "Pixels without a label or without data are counted nowhere.",
            "Classes": f"Measured: {', '.join(self.measured)}."
            + (f" Not in any number: {', '.join(self.excluded)}." if self.excluded else ""),
            "Overlap": "Dice = 2 TP / (2 TP + FP + FN), IoU = TP / (TP + FP + FN), "
            "precision = TP / (TP + FP), recall = TP / (TP + FN).",
            "HD95": "95th percentile of the distances from the border pixels of one mask to the nearest "
            f"border pixel of the other, the larger of the two directions, in {self.unit}.",
            "NSD": f"Fraction of both surfaces, by length or area, that is within {within} of the other.",
            **{EXTRAS[name].label: EXTRAS[name].definition for name in self.extras},
            **({"Objects": self._objects} if any(name in OF_OBJECTS for name in self.extras) else {}),
            "Empty masks": f"Policy '{self.empty}': a class that is in neither mask {empty}. A class that is "
            "in one mask only is a failure: overlap and NSD are 0 and HD95 is the image's diagonal.",
            "Confidence interval": f"95 % studentised bootstrap of the mean over cases: {DRAWS} draws of "
            f"{groups} groups{cluster}, with replacement, seed {self.seed}."
            + (" So few groups say little about others." if groups < 10 else "")
            if groups > 1
            else "None: all cases are of one group, which makes them one observation.",
        }


def settle(
    data: DataSpec,
    trained: DataSpec,
    *,
    activation: str,
    empty: EmptyPolicy,
    tolerance: float | None,
    seed: int = 0,
    flips: bool = False,
    extras: Sequence[str] = (),
    numbered: bool = False,
) -> Protocol:
    """The protocol for a model on a set of data.

    Args:
        data: Of the set that is measured.
        trained: Of the set the model was trained on.
        tolerance: Of NSD; None: one pixel along its longest axis.
        extras: Names of ``EXTRAS``.
        numbered: The set numbers the objects of its references.

    Raises:
        ValueError: If the model's classes are not the data's, or a setting is impossible.
    """
    check_empty(empty)
    check_extras(extras)
    # degrees are no length: one of longitude is shorter than one of latitude
    unit = data.unit if data.unit in ("mm", "m") else "px"
    if tolerance is None:
        spacing = data.spacing if unit != "px" and data.spacing else (1.0,)
        tolerance = float(f"{max(abs(step) for step in spacing):.3g}")
    if not 0 < tolerance < float("inf"):
        raise ValueError(
            f"nsd_tolerance={tolerance} is impossible; give a positive distance in the data's unit"
        )
    same("classes", [item.name for item in trained.classes], [item.name for item in data.classes])
    same("bands", trained.bands, data.bands)
    same("multilabel", [trained.multilabel], [data.multilabel])
    return Protocol(
        classes=foreground(data, activation=activation),
        names=tuple(item.name for item in data.classes),
        ndim=data.ndim,
        unit=unit,
        tolerance=float(tolerance),
        empty=empty,
        seed=seed,
        flips=flips,
        extras=tuple(dict.fromkeys(extras)),
        numbered=numbered,
    )


def same(what: str, trained: Sequence[object], given: Sequence[object]) -> None:
    """Refuse data that differs from what a model was trained on in something it depends on."""
    if list(trained) != list(given):
        raise ValueError(
            f"the model was trained with {what} {', '.join(map(str, trained))} "
            f"but the data has {', '.join(map(str, given))}; evaluate on data with the same {what}"
        )
