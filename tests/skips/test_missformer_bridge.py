from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from unetzoo.levels import Gate, Level
from unetzoo.skips import ContextBridge

ROWS = [Level(4, (1, 1)), Level(12, (2, 2)), Level(8, (4, 4))]
GATES = [Gate(3, row.stride, coarse) for row, coarse in pairwise(ROWS)]


def features(height: int = 8, width: int = 12) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = [(c, height // s[0], width // s[1]) for c, s in ROWS]
    return [torch.randn(2, *size, generator=generator, dtype=torch.float64) for size in sizes]


def made(**options: Any) -> Any:
    torch.manual_seed(0)
    bridge = ContextBridge(ROWS, GATES, **options).double()
    for parameter in bridge.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return bridge


def flat(x: Tensor) -> Tensor:
    """The paper's tokens: channels last, then rows of 4."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4)


def test_a_layer_is_attention_over_all_tokens_at_once() -> None:
    layer = made(layers=1).layers[0]
    rows = features()
    every = torch.cat([flat(x) for x in rows], 1)
    lengths = [flat(x).shape[1] for x in rows]
    first, second = layer.norms

    def maps(tokens: Tensor) -> list[Tensor]:
        return [
            t.reshape(2, *x.shape[2:], -1).permute(0, 3, 1, 2)
            for t, x in zip(torch.split(tokens, lengths, 1), rows, strict=True)
        ]

    reduced = [flat(reduce(x)) for reduce, x in zip(layer.reduce, maps(first(every)), strict=True)]
    k, v = layer.key_value(layer.norm_reduced(torch.cat(reduced, 1))).chunk(2, -1)
    weights = (layer.query(first(every)) @ k.transpose(1, 2) / 2).softmax(-1)
    every = every + layer.out(weights @ v)
    mixed = [flat(mlp(x)) for mlp, x in zip(layer.mlps, maps(second(every)), strict=True)]
    expected = maps(every + torch.cat(mixed, 1))
    for out, wanted in zip(layer(rows), expected, strict=True):
        torch.testing.assert_close(out, wanted)


def test_every_row_reads_every_row() -> None:
    bridge = made(layers=1)
    rows = [x.requires_grad_() for x in features()]
    for out in bridge(rows):
        # far corners, which no convolution joins
        grads = torch.autograd.grad(out[0, 0, -1, -1], rows, retain_graph=True)
        assert all(grad[0, :, 0, 0].abs().max() > 0 for grad in grads)


def test_any_image_size_will_do() -> None:
    bridge = made(layers=2, heads=2)
    for size in [(4, 4), (8, 20)]:
        rows = features(*size)
        assert [out.shape for out in bridge(rows)] == [x.shape for x in rows]


def test_layers_of_zeros_leave_the_rows() -> None:
    bridge = ContextBridge(ROWS, GATES, identity_init=True).double()
    for out, row in zip(bridge(features()), features(), strict=True):
        assert torch.equal(out, row)


def test_the_bridge_has_the_papers_size_without_norms_that_are_never_used() -> None:
    widths = [64, 128, 320, 512]
    rows = [Level(c, (s, s)) for c, s in zip(widths, [4, 8, 16, 32], strict=True)]
    gates = [Gate(4, row.stride, coarse) for row, coarse in pairwise(rows)]
    with torch.device("meta"):
        bridge = ContextBridge(rows, gates)
    # each of the 16 MLPs of the authors' holds two more layer norms of 4 C weights and biases
    unused = 4 * 2 * 2 * sum(4 * c for c in widths)
    assert sum(p.numel() for p in bridge.parameters()) == 16_409_088 - unused


def test_tokens_that_do_not_divide_a_row_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rows of \[4, 12, 8\] channels cannot be cut into tokens of 8"):
        made(channels=8)
