"""Reasoning between a few nodes that the pixels are collected in."""

from torch import Tensor, nn

from unetzoo.nd import conv, full_precision, norm

__all__ = ["GlobalReasoning"]


class GlobalReasoning(nn.Module):
    """``x + expand(B^T (I - A) V W)``, where ``V = B reduce(x)`` collects the map in a few nodes (GloRe).

    Chen et al. 2019, "Graph-Based Global Reasoning Networks", arXiv:1811.12814, section 3 and fig. 2. Every
    pixel says by ``B = assign(x)`` which nodes it belongs to; a graph convolution with a learned adjacency
    ``A`` and weights ``W`` moves between the nodes, and ``B`` takes each pixel what its nodes have become.
    The nodes are means over the pixels, where the paper has sums, so that they do not grow with the image.

    Args:
        nodes: Number of nodes; ``None`` is a quarter of the channels.
        states: Width of a node; ``None`` is half the channels.
        identity_init: Start as the identity: the norm behind the last convolution is zero.

    Raises:
        ValueError: If there is no node, or it has no width.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        nodes: int | None = None,
        states: int | None = None,
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        nodes = max(1, channels // 4) if nodes is None else nodes
        states = max(1, channels // 2) if states is None else states
        if min(nodes, states) < 1:
            raise ValueError(f"nodes={nodes} of states={states} hold nothing; both must be 1 or more")
        self.reduce, self.assign = conv(ndim, channels, states), conv(ndim, channels, nodes)
        self.adjacency, self.weights = nn.Linear(nodes, nodes), nn.Linear(states, states, bias=False)
        last = norm("batch", ndim, channels)
        self.expand = nn.Sequential(conv(ndim, states, channels, bias=False), last)
        if identity_init:
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def reason(self, v: Tensor) -> Tensor:
        """Nodes (B, states, nodes) to ``(I - A) V W``."""
        moved: Tensor = self.weights((v - self.adjacency(v)).transpose(1, 2))
        return moved.transpose(1, 2).relu()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        state, b = self.reduce(x), self.assign(x).flatten(2)  # (B, S, *size), (B, N, L)
        # a sum over all pixels leaves the range of half precision
        with full_precision(x):
            v = state.flatten(2).float() @ b.float().transpose(1, 2) / b.shape[2]
        out: Tensor = x + self.expand((self.reason(v.to(b.dtype)) @ b).reshape(state.shape))
        return out
