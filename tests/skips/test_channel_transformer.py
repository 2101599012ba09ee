from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.levels import Gate, Level
from unetzoo.skips import ChannelGate, ChannelTransformer

ROWS = [Level(4, (1, 1)), Level(6, (2, 2)), Level(8, (4, 4))]
GATES = [Gate(6, (1, 1), ROWS[1]), Gate(8, (2, 2), ROWS[2])]


def pathway(**options: Any) -> Any:
    torch.manual_seed(0)
    skip = ChannelTransformer(ROWS, GATES, **{"layers": 1, "heads": 2, "grid": 3} | options).double().eval()
    for position in skip.positions:
        nn.init.normal_(position)
    return skip


def tokens() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, c, 3, 5, dtype=torch.float64, generator=generator) for c in (4, 6)]


def test_a_layer_equals_the_formula_head_by_head() -> None:
    layer, x = pathway().layers[0], tokens()

    def linear(weight: Tensor, x: Tensor) -> Tensor:
        return torch.einsum("oc,bcn->bon", weight[:, :, 0, 0], x)

    every = F.layer_norm(torch.cat(x, 1).flatten(2).mT, [10]).mT
    for row, (c, out) in enumerate(zip((4, 6), layer(x), strict=True)):
        queries = linear(layer.queries[row].weight, F.layer_norm(x[row].flatten(2).mT, [c]).mT)
        heads = []
        for h in range(2):
            q, k, v = (
                t[:, h * n : (h + 1) * n]
                for t, n in (
                    (queries, c),
                    (linear(layer.key.weight, every), 10),
                    (linear(layer.value.weight, every), 10),
                )
            )
            scores = F.instance_norm((q @ k.mT / 10**0.5).unsqueeze(1))
            heads.append(scores.squeeze(1).softmax(2) @ v)
        y = x[row] + linear(layer.out[row].weight, torch.stack(heads).mean(0)).reshape_as(x[row])
        torch.testing.assert_close(out, y + layer.mlps[row](y))


def test_a_layer_knows_no_order_of_the_tokens() -> None:
    layer, x = pathway().layers[0], tokens()
    flipped = layer([t.flip(2, 3) for t in x])
    for out, other in zip(layer(x), flipped, strict=True):
        torch.testing.assert_close(out.flip(2, 3), other)


def test_positions_are_as_learned_on_the_grid_they_were_learned_for() -> None:
    skip = pathway()
    zeros = torch.zeros(1, 4, 12, 12, dtype=torch.float64)
    bias = skip.embed[0].bias.reshape(1, 4, 1, 1)
    torch.testing.assert_close(skip.embedded(0, zeros), skip.positions[0] + bias)
    assert skip.embedded(0, zeros[..., :8]).shape == (1, 4, 3, 2)


def test_the_bottleneck_passes_and_every_patch_of_a_row_gets_the_same() -> None:
    skip = pathway()
    f = [torch.zeros(1, c, 12 // s[0], 12 // s[1], dtype=torch.float64) for c, s in ROWS]
    first, _, bottleneck = skip(f)
    assert bottleneck is f[-1]
    assert torch.equal(first[..., ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3), first)


def test_parts_have_the_authors_size(count: Callable[[nn.Module], int]) -> None:
    rows = [Level(c, (2**i,) * 2) for i, c in enumerate((64, 128, 256, 512, 512))]
    gates = [Gate(c, rows[i].stride, rows[i + 1]) for i, c in enumerate((64, 128, 256, 512))]
    with torch.device("meta"):
        assert count(ChannelTransformer(rows, gates)) == 52_374_144
        merges = ChannelGate(rows, gates).merges
    assert [count(merge) for merge in merges] == [8_320, 33_024, 131_584, 525_312]


def test_an_undecided_gate_halves_the_skip_and_cuts_off_its_negative_half() -> None:
    merge: Any = ChannelGate(ROWS, GATES).merges[0]
    for parameter in merge.parameters():
        nn.init.zeros_(parameter)
    skip, gate = torch.randn(2, 4, 5, 6), torch.randn(2, 6, 5, 6)
    torch.testing.assert_close(merge(skip, gate, gate), torch.cat([skip.relu() / 2, gate], 1))


def test_the_gate_starts_as_the_plain_skip_for_signed_features_too() -> None:
    merge: Any = ChannelGate(ROWS, GATES, identity_init=True).merges[0]
    skip, gate = torch.randn(2, 4, 5, 6), torch.randn(2, 6, 5, 6)
    assert torch.equal(merge(skip, gate, gate), torch.cat([skip, gate], 1))
