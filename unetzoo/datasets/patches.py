"""Torch datasets over cases: patches for training, whole cases for validation."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from ..inference.windows import pad_to
from .augment import Augment
from .case import Case, counted
from .pair_rows import PairRows
from .pairs import is_large
from .reader import CachingReader
from .sampling import Draw, choose_window
from .scenes import Scene


class Example(TypedDict):
    """What a loader collates: the mask or the target, as the data has it."""

    image: NotRequired[Tensor]
    """(C, *size) float32."""
    mask: NotRequired[Tensor]
    """(*size) int64, or (K, *size) if multilabel."""
    target: NotRequired[Tensor]
    """(K, *size) float32, NaN where it does not count."""
    scene: NotRequired[Scene | PairRows]
    """Alone, of a whole case that is too large to be held: what reads it."""
    case: str


class TrainPatches(Dataset[Example]):
    """One augmented patch per draw, a pure function of (case, seed).

    Args:
        patch: Size; cases that are smaller are mirrored up to it, image and mask alike.
        foreground: Fraction of the patches that are centred on a foreground pixel, or on one whose target
            counts.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        reader: CachingReader,
        *,
        patch: Sequence[int],
        foreground: float,
        augment: Augment,
    ) -> None:
        self.cases, self.reader, self.augment = list(cases), reader, augment
        self.patch, self.foreground = tuple(patch), foreground

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, draw: Draw) -> Example:
        index, seed = draw
        case = self.cases[index]
        if (scene := self.reader.scene(case)) is not None:
            patch = scene.draw(self.patch, np.random.default_rng(seed), foreground=self.foreground)
            return _example(*self.augment(*patch, seed), case)
        x, reference = (pad_to(array, self.patch)[0] for array in self.reader(case))
        window = choose_window(
            reference if reference.dtype == np.uint8 else counted(reference),
            self.patch,
            np.random.default_rng(seed),
            foreground=self.foreground,
            multilabel=self.reader.spec.multilabel,
        )
        at: tuple[Any, ...] = (..., *window)
        return _example(*self.augment(x[at], reference[at], seed), case)


class WholeCases(Dataset[Example]):
    """Cases as they are, one after the other; of a large scene what reads it, for its rows to be read."""

    def __init__(self, cases: Sequence[Case], reader: CachingReader) -> None:
        self.cases, self.reader = list(cases), reader
        self._pairs: dict[str, PairRows | None] = {}

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> Example:
        case = self.cases[index]
        if (scene := self._pair(case) or self.reader.scene(case)) is not None:
            return {"scene": scene, "case": case.name}
        return _example(*self.reader(case), case)

    def _pair(self, case: Case) -> PairRows | None:
        spec = self.reader.spec
        if case.name not in self._pairs:
            by_rows = spec.target is not None and spec.resample is None and is_large(case, spec)
            self._pairs[case.name] = PairRows(case, spec) if by_rows else None
        return self._pairs[case.name]


def one_case(examples: list[Example]) -> dict[str, Any]:
    """The batch of one whole case: tensors get the batch's axis, a scene stays as it is."""
    (example,) = examples
    if "scene" in example:
        return {"scene": example["scene"], "case": [example["case"]]}
    batch: dict[str, Any] = default_collate(examples)
    return batch


def _example(x: np.ndarray, reference: np.ndarray, case: Case) -> Example:
    # torch.tensor copies, so that nothing downstream can write into the cache
    image = torch.tensor(x)
    if reference.dtype == np.uint8:
        return {"image": image, "mask": torch.tensor(reference, dtype=torch.int64), "case": case.name}
    return {"image": image, "target": torch.tensor(reference), "case": case.name}
