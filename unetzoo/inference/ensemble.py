"""Several models that answer as one: the mean of their probabilities."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .contract import Contract
from .windows import Network


class Member(NamedTuple):
    """A network of any kind, what it promises, and what to call it in messages."""

    network: Network
    contract: Contract
    name: str


class Ensemble:
    """(B, C, *tile) to logits (B, K, *tile) whose probabilities are the mean of the members'.

    Probabilities and not logits are averaged, so that one overconfident member does not outvote the others;
    predicted images are averaged as they are.

    Raises:
        ValueError: If members differ in what they take or what they give.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        first = members[0].contract
        for member in members[1:]:
            _require_same(members[0], member)
        self.members = list(members)
        self.contract = replace(
            first,
            name=f"mean of {len(members)} x {first.name}",
            weights_sha256="",
            metrics={},
            temperature=1.0,  # each member has its own
            cleaning=first.cleaning if all(m.contract.cleaning == first.cleaning for m in members) else (),
        )
        identities = [getattr(member.network, "identity", None) for member in members]
        self.identity = None if None in identities else " ".join(map(str, identities))

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Logits of a batch."""
        answers = (member.network(batch) / np.float32(member.contract.temperature) for member in self.members)
        if self.contract.activation == "none":
            return _mean(answers)
        if self.contract.activation == "softmax":
            return _log(_mean(_softmax(logits) for logits in answers))
        both = _mean(np.stack([_sigmoid(logits), _sigmoid(-logits)]) for logits in answers)
        # averaged apart, so that neither end loses its digits
        gained: np.ndarray = _log(both[0]) - _log(both[1])
        return gained


def _mean(arrays: Iterable[np.ndarray]) -> np.ndarray:
    total: np.ndarray | None = None
    count = np.float32(0)
    for array in arrays:
        total = array.astype(np.float32) if total is None else np.add(total, array, out=total)
        count += 1
    assert total is not None
    total /= count
    return total


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials: np.ndarray = np.exp(logits - logits.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-np.logaddexp(np.float32(0), -logits)))


def _log(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(p, np.finfo(np.float32).tiny)))


def _require_same(a: Member, b: Member) -> None:
    for what in ("ndim", "bands", "classes", "normalisation", "tile", "multilabel", "nodata", "target"):
        one, other = getattr(a.contract.data, what), getattr(b.contract.data, what)
        if one != other:
            raise ValueError(
                f"{b.name}: differs from {a.name} in {what} ({other} and {one}), and only models of the same "
                "data are averaged; predict with each by itself"
            )
    if a.contract.activation != b.contract.activation:
        raise ValueError(
            f"{b.name}: gives {b.contract.activation} where {a.name} gives {a.contract.activation}; "
            "predict with each by itself"
        )
