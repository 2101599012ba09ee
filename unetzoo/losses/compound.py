"""Several losses as one."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["Compound"]


class Compound(nn.Module):
    """Weighted sum of named losses.

    Args:
        terms: The losses by name.
        weights: Each term's factor; a term without one counts once.

    Raises:
        ValueError: If there is no term, or a weight names none.
    """

    def __init__(self, terms: Mapping[str, nn.Module], weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        weights = dict(weights or {})
        if not terms or not weights.keys() <= terms.keys():
            raise ValueError(
                f"loss weights are given for {sorted(weights)} but the terms are {sorted(terms)}"
            )
        self.terms = nn.ModuleDict(dict(terms))
        self.weights = {name: float(weights.get(name, 1.0)) for name in terms}

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, K, *size) and its target to a scalar."""
        return torch.stack(
            [self.weights[name] * term(logits, target) for name, term in self.terms.items()]
        ).sum()
