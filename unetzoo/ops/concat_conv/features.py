"""What the backward pass knows of a feature: the feature itself, or how it is made again."""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Feature", "Joined", "Kept", "Remade"]


class Kept(NamedTuple):
    """A tensor that stays in memory, with the version that it had."""

    tensor: Tensor
    version: int

    @classmethod
    def now(cls, tensor: Tensor) -> "Kept":
        """As it is at this moment."""
        return cls(tensor, tensor._version)

    def make(self) -> Tensor:
        """The tensor.

        Raises:
            RuntimeError: If it was changed in place since.
        """
        if self.tensor._version != self.version:
            raise RuntimeError(
                f"a feature of shape {tuple(self.tensor.shape)} that the backward pass needs was changed in "
                "place; take the operation that does not write into its input"
            )
        return self.tensor


class Remade:
    """The ``index``-th result of an operation on features and constants."""

    def __init__(
        self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], index: int | None = None
    ) -> None:
        self.function, self.args, self.kwargs, self.index = function, args, kwargs, index
        self._last: Callable[[], Tensor | None] = lambda: None

    def make(self) -> Tensor:
        """Compute it, unless what was computed last is still in somebody's hands."""
        out = self._last()
        if out is None:
            with torch.no_grad():
                out = self.compute()
            self._last = weakref.ref(out)
        return out

    def compute(self) -> Tensor:
        """The operation."""
        out = self.function(
            *(a.make() if isinstance(a, Kept | Remade) else a for a in self.args), **self.kwargs
        )
        result: Tensor = out if self.index is None else out[self.index]
        return result


class Joined(Remade):
    """A concatenation, in which one part after the other is made."""

    def __init__(self, parts: "list[Feature]", widths: list[int], dim: int, like: Tensor) -> None:
        super().__init__(torch.cat, [parts, dim], {})
        self.parts, self.widths, self.dim = parts, widths, dim
        self.like = torch.empty_like(like, device="meta")
        self.device = like.device

    def compute(self) -> Tensor:
        """The parts side by side."""
        out = torch.empty_like(self.like, device=self.device)
        for part, place in zip(self.parts, torch.split(out, self.widths, self.dim), strict=True):
            place.copy_(part.make())
        return out


Feature = Kept | Remade
