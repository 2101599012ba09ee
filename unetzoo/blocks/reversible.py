"""Reversible blocks: activations are computed again in the backward pass instead of being kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint, get_device_states, set_device_states

from unetzoo.blocks.mbconv import mbconv
from unetzoo.blocks.stage import Block
from unetzoo.nd import conv

__all__ = ["Recompute", "ReversibleBlock", "ReversibleStage"]

Recompute = Literal["reversible", "checkpoint", "none"]


class ReversibleBlock(nn.Module):
    """``y1 = x1 + f(x2)``, ``y2 = x2 + g(y1)``: the input can be had back from the output.

    Gomez et al. 2017, "The Reversible Residual Network", arXiv:1707.04585, eq. 6 and 7.
    """

    def __init__(self, f: nn.Module, g: nn.Module) -> None:
        super().__init__()
        self.f, self.g = f, g

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        """Two halves (B, C / 2, *size) to two halves."""
        y1 = x1 + self.f(x2)
        return y1, x2 + self.g(y1)

    def inverse(self, y1: Tensor, y2: Tensor) -> tuple[Tensor, Tensor]:
        """The input of `forward`, for ``f`` and ``g`` without dropout."""
        x2 = y2 - self.g(y1)
        return y1 - self.f(x2), x2


class ReversibleStage(nn.Module):
    """A row of the U made of reversible blocks, of which training keeps the last output alone.

    Brügger et al. 2019, "A Partially Reversible U-Net", arXiv:1906.06148, section 2. A 3x3 convolution leads
    to the stage's width where the input's is another; it is not reversible. Under autocast the halves are
    added up in float32, since each block's input is recovered by a subtraction.

    Args:
        depth: Blocks.
        inner: Builds ``f`` and ``g`` from (ndim, channels in, channels out). Their norm may not keep running
            statistics, which would be updated twice.
        recompute: reversible keeps the last output; checkpoint every block's input (what torch.compile gets
            in any case, which cannot see into a reversible backward pass); none all activations.

    Raises:
        ValueError: If ``c_out`` is odd, or the norm keeps running statistics.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        depth: int = 1,
        inner: Block = mbconv,
        recompute: Recompute = "reversible",
    ) -> None:
        super().__init__()
        if c_out % 2:
            raise ValueError(f"a reversible block splits its channels in two halves, got {c_out} channels")
        if recompute not in ("reversible", "checkpoint", "none"):
            raise ValueError(f"recompute {recompute!r} is unknown; choose reversible, checkpoint or none")
        self.widen = nn.Identity() if c_in == c_out else conv(ndim, c_in, c_out, 3, bias=False)
        half, self.recompute = c_out // 2, recompute
        self.blocks = nn.ModuleList(
            ReversibleBlock(inner(ndim, half, half), inner(ndim, half, half)) for _ in range(depth)
        )
        if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in self.blocks.modules()):
            raise ValueError(
                "a reversible block runs twice per step and would update batch norm twice; use norm: group"
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        x = self.widen(x)
        if x.dtype in (torch.float16, torch.bfloat16) and torch.is_autocast_enabled(x.device.type):
            x = x.float()
        recompute = self.recompute if torch.is_grad_enabled() else "none"
        blocks = cast(Sequence[ReversibleBlock], self.blocks)
        if recompute == "reversible" and not torch.compiler.is_compiling():
            parameters = [p for block in blocks for p in block.parameters() if p.requires_grad]
            out: Tensor = _Run.apply(x, blocks, *parameters)
            return out
        x1, x2 = x.chunk(2, 1)
        for block in blocks:
            x1, x2 = block(x1, x2) if recompute == "none" else checkpoint(block, x1, x2, use_reentrant=False)
        return torch.cat([x1, x2], 1)


class _Surroundings(NamedTuple):
    """Random numbers and precision that a function was first computed with."""

    cpu: Tensor
    devices: list[int]
    states: list[Tensor]
    kind: str
    autocast: bool
    dtype: torch.dtype

    @classmethod
    def now(cls, x: Tensor) -> Self:
        # the meta device knows no autocast
        kind = x.device.type if torch.amp.is_autocast_available(x.device.type) else "cpu"
        return cls(
            torch.get_rng_state(),
            *get_device_states(x),
            kind,
            torch.is_autocast_enabled(kind),
            torch.get_autocast_dtype(kind),
        )

    @contextmanager
    def again(self) -> Iterator[None]:
        options: dict[str, Any] = {"device_type": self.kind} if self.devices else {}
        with torch.random.fork_rng(self.devices, **options):
            torch.set_rng_state(self.cpu)
            if self.devices:
                set_device_states(self.devices, self.states, device_type=self.kind)
            with torch.autocast(self.kind, self.dtype, self.autocast, cache_enabled=False):
                yield


class _Run(torch.autograd.Function):
    """The blocks one after the other; parameters are arguments, so that their gradients are returned."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, blocks: Sequence[ReversibleBlock], *parameters: Tensor) -> Tensor:
        x1, x2 = x.chunk(2, 1)
        ctx.blocks, ctx.surroundings = blocks, []
        for block in blocks:
            first = _Surroundings.now(x)
            y1 = x1 + block.f(x2)
            second = _Surroundings.now(x)
            x1, x2 = y1, x2 + block.g(y1)
            ctx.surroundings.append((first, second))
        y = torch.cat([x1, x2], 1)
        # parameters are saved too, so that one changed in place before the backward pass is noticed
        ctx.save_for_backward(y, *parameters)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        y, *_ = ctx.saved_tensors
        y1, y2 = y.chunk(2, 1)
        d1, d2 = grad.chunk(2, 1)
        found: list[Tensor] = []
        for block, (first, second) in zip(reversed(ctx.blocks), reversed(ctx.surroundings), strict=True):
            out, through, of_g = _backward(block.g, y1, d2, second)
            y2, d1 = y2 - out, d1 + through
            out, through, of_f = _backward(block.f, y2, d1, first)
            y1, d2 = y1 - out, d2 + through
            found = [*of_f, *of_g, *found]
        return torch.cat([d1, d2], 1), None, *found


def _backward(
    function: nn.Module, x: Tensor, grad: Tensor, surroundings: _Surroundings
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Output of the function, and gradients of its input and of its trained parameters."""
    wanted = [x.detach().requires_grad_(), *(p for p in function.parameters() if p.requires_grad)]
    with torch.enable_grad(), surroundings.again():
        out = function(wanted[0])
    through, *of_parameters = torch.autograd.grad(out, wanted, grad.to(out.dtype))
    return out.detach(), through, of_parameters
