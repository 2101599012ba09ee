"""Graph layers on closed contours: every node is linked to the one before and the one after."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ChebConv", "ring_halving", "ring_operator", "ring_unpooling"]


def ring_operator(nodes: Sequence[int]) -> Tensor:
    """The normalised Laplacian less 1 of several rings: minus the mean of both neighbours, (N, N).

    It is ``-D^-1/2 A D^-1/2``, whose eigenvalues lie from -1 to 1, as Chebyshev polynomials want it.

    Args:
        nodes: Nodes of each ring.
    """
    return _side_by_side([-(eye.roll(1, 0) + eye.roll(-1, 0)) / 2 for eye in map(torch.eye, nodes)])


def ring_halving(nodes: Sequence[int]) -> Tensor:
    """Means of nodes 2i and 2i + 1 of each ring, (ceil(n / 2) summed, N); an odd last node stays as it is."""
    blocks = []
    for n in nodes:
        pairs = (torch.arange(n) // 2 == torch.arange((n + 1) // 2)[:, None]).float()
        blocks.append(pairs / pairs.sum(1, keepdim=True))
    return _side_by_side(blocks)


def ring_unpooling(nodes: Sequence[int]) -> Tensor:
    """Back to all nodes, (N, ceil(n / 2) summed): even ones are copied, odd ones lie between two even ones.

    An odd last node is a copy of the one before it; the ring is open there, as in HybridGNet's code.
    """
    blocks = []
    for n in nodes:
        half, coarse = torch.arange(n) // 2, torch.arange((n + 1) // 2)
        after = ((torch.arange(n) + 1) // 2).clamp(max=len(coarse) - 1)
        blocks.append(((half[:, None] == coarse).float() + (after[:, None] == coarse).float()) / 2)
    return _side_by_side(blocks)


def _side_by_side(blocks: Sequence[Tensor]) -> Tensor:
    diagonal: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return diagonal


class ChebConv(nn.Module):
    """``sum_k T_k(L) x W_k + b`` on a graph's nodes, T_k being the Chebyshev polynomials.

    Defferrard et al. 2016, arXiv:1606.09375, eq. 5, with ``order * C * C' + C'`` parameters, drawn from
    N(0, 0.1^2) as in HybridGNet.

    Args:
        order: Number of polynomials, so that a node sees ``order - 1`` steps far.
    """

    def __init__(self, c_in: int, c_out: int, *, order: int) -> None:
        super().__init__()
        if order < 1:
            raise ValueError(f"order={order} has no polynomial; choose 1 or more")
        self.order, self.linear = order, nn.Linear(order * c_in, c_out)
        for parameter in self.linear.parameters():
            nn.init.normal_(parameter, std=0.1)

    def forward(self, x: Tensor, operator: Tensor) -> Tensor:
        """(B, N, c_in) and the graph's operator (N, N) to (B, N, c_out)."""
        terms = [x, operator @ x]
        while len(terms) < self.order:
            terms.append(2 * operator @ terms[-1] - terms[-2])
        out: Tensor = self.linear(torch.cat(terms[: self.order], 2))
        return out
