"""One number by which logits are divided, so that probabilities come true as often as they say."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from unetzoo.evaluation.cleaning import CleaningChoice
from unetzoo.evaluation.evaluate import Cases, cases_of
from unetzoo.evaluation.protocol import same
from unetzoo.inference.contract import IGNORE, Contract
from unetzoo.inference.decode import labels_of_logits
from unetzoo.inference.progress import Bar
from unetzoo.metrics import Reliability, reliability

__all__ = ["Fit", "calibrate", "fit_temperature", "negative_log_likelihood"]

PER_CASE = 20_000
"""Labelled pixels drawn from a case: neighbours say the same, and large cases must not outvote others."""
LIMITS = (0.05, 20.0)


class PredictsLogits(Protocol):
    """The part of ``unetzoo.Predictor`` that is used here."""

    contract: Contract

    def check(self, image: Any, name: str) -> None:
        """Refuse an image the model is not for."""

    def hand_logits(
        self, image: Any, to: Any, *, batch_size: int = 4, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """What the network says, rows (channels, rows, *rest) at a time, to ``to.append``."""


class Fit(NamedTuple):
    """What calibration found.

    Attributes:
        temperature: Divides the logits; above 1 the network was too sure.
        before: Expected calibration error on the pixels it was fitted on, mean over classes, without it, ...
        after: ... and with it.
        pixels: How many.
    """

    temperature: float
    before: float
    after: float
    pixels: int


def calibrate(
    predictor: PredictsLogits,
    data: Cases,
    split: str,
    *,
    batch_size: int = 4,
    seed: int = 0,
    cleaning: CleaningChoice | None = None,
) -> Fit:
    """Fit the temperature of a model on the cases of a split.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 4.2: the one that
    makes the labels most likely. Labels that are predicted do not change. At most 20,000 labelled pixels of
    each case take part.

    Args:
        cleaning: Is shown the label map of every case, if it is given.

    Raises:
        ValueError: If the split is test, or the model predicts an image.
    """
    if split == "test":
        raise ValueError("split=test is for measuring alone; calibrate on val")
    contract = predictor.contract
    if contract.data.target is not None:
        raise ValueError(f"{contract.name} predicts an image and no classes; there is nothing to calibrate")
    same("classes", contract.data.outputs, data.spec.outputs)
    same("bands", contract.data.bands, data.spec.bands)
    random = np.random.default_rng(seed)
    logits, labels = list[np.ndarray](), list[np.ndarray]()
    cases = cases_of(data, split)
    bar = Bar(len(cases))
    for case in cases:
        bar.start(case.name)
        sample = data.read(case)
        predictor.check(sample.image, case.name)
        mask = sample.mask.reshape(-1, sample.image.valid.size)
        known = np.flatnonzero((mask != IGNORE).all(0))
        chosen = random.choice(known, min(PER_CASE, len(known)), replace=False)
        found = _Chosen(np.sort(chosen), contract, maps=cleaning is not None)
        predictor.hand_logits(sample.image, found, batch_size=batch_size, progress=bar.part)
        if cleaning is not None:
            reference = sample.mask if contract.data.multilabel else sample.mask[None]
            cleaning.add(np.concatenate(found.maps, axis=1), reference)
        logits.append(np.concatenate(found.logits, axis=1))
        labels.append(mask[:, found.places])
        bar.finish()
    bar.close()
    return fit_temperature(np.concatenate(logits, 1), np.concatenate(labels, 1))


class _Chosen:
    """Keeps the logits of chosen pixels of a case, and no others.

    Args:
        places: Flat and sorted.
        maps: Keep the label map, too.
    """

    def __init__(self, places: np.ndarray, contract: Contract, *, maps: bool) -> None:
        self.places, self.contract, self.wanted = places, contract, maps
        self.logits, self.maps = list[np.ndarray](), list[np.ndarray]()
        self._first = 0

    def append(self, piece: np.ndarray) -> None:
        """The next rows (channels, rows, *rest)."""
        flat = piece.reshape(len(piece), -1)
        low, high = np.searchsorted(self.places, [self._first, self._first + flat.shape[1]])
        self.logits.append(flat[:, self.places[low:high] - self._first].astype(np.float64))
        self._first += flat.shape[1]
        if self.wanted:
            self.maps.append(labels_of_logits(piece, self.contract))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> Fit:
    """The temperature that makes the labels most likely.

    Args:
        logits: (K, pixels).
        labels: Class indices (1, pixels), or 0 and 1 (K, pixels) where each logit stands for itself: classes
            that overlap, or one logit for two classes.
    """
    if not labels.size:
        raise ValueError("no case of the split has a labelled pixel; calibrate on another split")
    found = minimize_scalar(
        lambda log: negative_log_likelihood(logits / math.exp(log), labels),
        bounds=(math.log(LIMITS[0]), math.log(LIMITS[1])),
        method="bounded",
        options={"xatol": 1e-4},
    )
    temperature = float(f"{math.exp(found.x):.4g}")
    return Fit(temperature, _ece(logits, labels), _ece(logits / temperature, labels), labels.shape[1])


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean over pixels; arguments as of `fit_temperature`."""
    if len(logits) == len(labels):
        return float(np.logaddexp(0, np.where(labels == 1, -logits, logits)).mean())
    picked = np.take_along_axis(logits, labels.astype(np.int64), axis=0)[0]
    return float((logsumexp(logits, axis=0) - picked).mean())


def _ece(logits: np.ndarray, labels: np.ndarray) -> float:
    if len(logits) == len(labels):
        each: list[Reliability] = [
            reliability(np.exp(-np.logaddexp(0, -z)), y == 1) for z, y in zip(logits, labels, strict=True)
        ]
    else:
        p = np.exp(logits - logsumexp(logits, axis=0))
        each = [reliability(p[k], labels[0] == k) for k in range(len(p))]
    return float(np.mean([item.ece for item in each]))
