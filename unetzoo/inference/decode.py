"""From logits to what is written: labels, probabilities, or the values of a predicted image."""

import numpy as np

from .contract import Contract


def channels(contract: Contract) -> int:
    """How many logits the network gives per pixel."""
    if contract.activation == "sigmoid" and not contract.data.multilabel:
        return 1
    return len(contract.data.outputs)


def require_classes(contract: Contract) -> None:
    """Refuse to ask for labels or probabilities where there are no classes."""
    target = contract.data.target
    if target is not None:
        raise ValueError(
            f"{contract.name} predicts an image ({', '.join(target.bands)}) and no classes; "
            "call values() instead of predict(), and leave probabilities false"
        )


def labels_of_logits(logits: np.ndarray, contract: Contract) -> np.ndarray:
    """(channels, *size) to uint8 (1, *size) of the most probable class, or (K, *size) if classes overlap."""
    if contract.activation == "sigmoid":
        return (logits > 0).astype(np.uint8)
    best = logits[0].copy()
    labels = np.zeros((1, *best.shape), np.uint8)
    better = np.empty(best.shape, bool)
    for k, candidate in enumerate(logits[1:], start=1):  # argmax along the first axis copies all to the last
        np.greater(candidate, best, out=better)
        np.copyto(labels[0], np.uint8(k), where=better)
        np.maximum(candidate, best, out=best)
    return labels


def probabilities_of_logits(logits: np.ndarray, contract: Contract) -> np.ndarray:
    """(channels, *size) to (K, *size); one logit for two classes gives both their probabilities."""
    if contract.temperature != 1:
        logits = logits / np.float32(contract.temperature)
    if contract.activation == "softmax":
        exponentials = np.exp(logits - logits.max(axis=0))
        return np.asarray(exponentials / exponentials.sum(axis=0))
    # the logistic function in a form that does not overflow
    p = np.exp(-np.logaddexp(np.float32(0), -logits))
    return p if contract.data.multilabel else np.concatenate([1 - p, p])


def entropies(contract: Contract) -> int:
    """How many layers of entropy there are: one, or one per class if classes overlap."""
    return len(contract.data.classes) if contract.data.multilabel else 1


def entropy_of_logits(logits: np.ndarray, contract: Contract) -> np.ndarray:
    """(channels, *size) to (1, *size), or (K, *size) if classes overlap: 0 where sure, 1 where all is equal.

    Shannon entropy of the probabilities over the largest there is, ``-sum(p log p) / log(K)``.
    """
    p = probabilities_of_logits(logits, contract)
    several = np.stack([p, 1 - p]) if contract.data.multilabel else p[:, None]
    tiny = np.finfo(np.float32).tiny
    nats = -(several * np.log(np.maximum(several, tiny))).sum(axis=0)
    return np.asarray(nats / np.log(len(several)), np.float32)


def values_of_outputs(outputs: np.ndarray, contract: Contract) -> np.ndarray:
    """(K, *size) in the network's scale to the target's unit."""
    target = contract.data.target
    assert target is not None
    scaled = [
        output * np.float32(std) + np.float32(mean)
        for output, mean, std in zip(outputs, target.mean, target.std, strict=True)
    ]
    return np.stack(scaled)
