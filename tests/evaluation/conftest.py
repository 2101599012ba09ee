"""A set of cases in memory and a predictor that answers from a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from unetzoo.inference.contract import ClassSpec, Contract, DataSpec, Normalisation
from unetzoo.inference.geometry import Image, PictureGeometry
from unetzoo.inference.imagejob import Sink

COLOURS = ((0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115))


def make_spec(
    classes: tuple[str, ...] = ("background", "cell"),
    *,
    bands: int = 1,
    ndim: int = 2,
    unit: str = "px",
    multilabel: bool = False,
) -> DataSpec:
    return DataSpec(
        ndim=ndim,
        bands=tuple(f"band{i}" for i in range(bands)),
        classes=tuple(ClassSpec(name, (i,), COLOURS[i]) for i, name in enumerate(classes)),
        normalisation=Normalisation("minmax"),
        tile=(16,) * ndim,
        multilabel=multilabel,
        unit=unit,
        spacing=None if unit == "px" else (2.0,) * ndim,
    )


def make_image(
    data: np.ndarray,
    *,
    spacing: tuple[float, ...] | None = None,
    unit: str = "px",
    valid: np.ndarray | None = None,
) -> Image:
    size = data.shape[1:]
    valid = np.ones(size, bool) if valid is None else valid
    return Image(data, valid, (), spacing, unit, PictureGeometry(size))


class FakeSample(NamedTuple):
    image: Image
    mask: np.ndarray


@dataclass(frozen=True)
class FakeCase:
    name: str
    group: str
    mask: Path | None = Path("mask.png")


@dataclass
class FakeData:
    spec: DataSpec
    samples: dict[str, FakeSample]
    groups: Mapping[str, str] = field(default_factory=dict)
    name: str | None = "made-up"
    numbers_objects: bool = False

    def cases(self, split: str) -> list[FakeCase]:
        return (
            [FakeCase(name, self.groups.get(name, name)) for name in self.samples] if split == "test" else []
        )

    def read(self, case: FakeCase) -> FakeSample:
        return self.samples[case.name]

    def objects(self, case: FakeCase, image: Image) -> np.ndarray:
        raise AssertionError("this set numbers nothing")


class FakePredictor:
    """Knows the answer to each image by the image itself."""

    def __init__(
        self, data: FakeData, answers: Mapping[str, np.ndarray], activation: str = "softmax"
    ) -> None:
        self.contract = Contract(
            "toy", data.spec, activation, (1,) * data.spec.ndim, True, weights_sha256="abc"
        )
        self.answers = [(data.samples[name].image, answer) for name, answer in answers.items()]

    def check(self, image: Image, name: str) -> None:
        assert image.data.ndim == self.contract.data.ndim + 1, name

    def labels(
        self,
        image: Image,
        *,
        probabilities: Sink | None = None,
        flips: bool = False,
        batch_size: int = 4,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        labels = next(answer for known, answer in self.answers if known is image)
        if probabilities is not None:
            each = np.stack([labels == k for k in range(len(self.contract.data.classes))])
            probabilities.append(each.astype(float))
        return labels


def square(size: int = 20, at: tuple[int, int] = (5, 5), side: int = 6, value: int = 1) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[at[0] : at[0] + side, at[1] : at[1] + side] = value
    return mask


def cells(
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], groups: Mapping[str, str] | None = None
) -> tuple[FakeData, FakePredictor]:
    """A set of grey images and its predictor, from (reference, prediction) by name of the case."""
    samples = {
        name: FakeSample(make_image(reference[None].astype(np.float32)), reference)
        for name, (reference, _) in pairs.items()
    }
    data = FakeData(make_spec(), samples, groups or {})
    return data, FakePredictor(data, {name: prediction for name, (_, prediction) in pairs.items()})


@pytest.fixture
def mixed() -> tuple[FakeData, FakePredictor]:
    """A perfect, a shifted, a missed, a false and an absent case, of three patients."""
    nothing = np.zeros((20, 20), np.uint8)
    pairs = {
        "perfect": (square(), square()),
        "shifted": (square(), square(at=(5, 7))),
        "missed": (square(), nothing),
        "false": (nothing, square()),
        "absent": (nothing, nothing),
    }
    return cells(pairs, {"perfect": "p1", "shifted": "p1", "missed": "p2", "false": "p3", "absent": "p3"})
