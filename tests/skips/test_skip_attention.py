from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.levels import Gate, Level
from unetzoo.skips import SkipAttention

# the merge of row 0: queries at stride 2, keys at stride 4
ROWS = [Level(6, (1, 1)), Level(6, (2, 2)), Level(8, (4, 4))]
GATES = [Gate(6, (1, 1), ROWS[1]), Gate(8, (2, 2), ROWS[2])]


def merge(row: int = 0, **options: Any) -> Any:
    torch.manual_seed(0)
    made = SkipAttention(ROWS, GATES, heads=2, head_channels=4, **options).merges[row].double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


def maps(*size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    skip, gate = torch.randn(2, 2, 6, *size, generator=generator, dtype=torch.float64)
    return skip, gate


def by_hand(made: Any, skip: Tensor, gate: Tensor, *, split: bool) -> Tensor:
    """Image by image and head by head."""

    def tokens(x: Tensor, factor: int) -> Tensor:
        return F.avg_pool2d(x, factor).flatten(1).T

    out = []
    for s, g in zip(skip, gate, strict=True):
        q = made.query(tokens(g, 2))
        own, memory = made.own(tokens(g, 4)), made.memory(tokens(s, 4))
        k, v = own.chunk(2, -1)
        mk, mv = memory.chunk(2, -1)
        heads = []
        for h in range(2):
            part = slice(4 * h, 4 * h + 4)
            if split:
                keys, values = (k, v) if h == 0 else (mk, mv)
            else:
                keys, values = torch.cat([k[:, part], mk[:, part]]), torch.cat([v[:, part], mv[:, part]])
            heads.append((q[:, part] @ keys.T / 2).softmax(-1) @ values)
        found = made.out(torch.cat(heads, -1)).T.reshape(6, g.shape[1] // 2, g.shape[2] // 2)
        out.append(F.interpolate(found[None], scale_factor=2, mode="bilinear")[0])
    return torch.stack(out)


@pytest.mark.parametrize("split", [False, True])
def test_reads_own_and_encoder_tokens_as_the_formula_says(split: bool) -> None:
    made, (skip, gate) = merge(split=split), maps(8, 12)
    found = by_hand(made, skip, gate, split=split)
    torch.testing.assert_close(made.read(skip, gate), found)
    torch.testing.assert_close(made(skip, gate, gate), torch.cat([skip, gate + found], 1))


def test_a_memory_that_repeats_the_decoder_changes_nothing() -> None:
    made, (_, gate) = merge(keep=False), maps(8, 8)
    made.memory.load_state_dict(made.own.state_dict())
    q, (k, v) = (
        made.query(F.avg_pool2d(gate, 2).flatten(2).mT),
        made.own(F.avg_pool2d(gate, 4).flatten(2).mT).chunk(2, -1),
    )
    parts = [
        F.scaled_dot_product_attention(*(t[..., 4 * h : 4 * h + 4] for t in (q, k, v))) for h in range(2)
    ]
    alone = made.out(torch.cat(parts, -1)).mT.reshape(2, 6, 4, 4)  # attention to oneself
    expected = gate + F.interpolate(alone, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(made(gate, gate, gate), expected)


def test_the_order_of_the_memory_does_not_matter() -> None:
    made, (skip, gate) = merge(keep=False), maps(8, 12)
    coarse = F.avg_pool2d(skip, 4)
    shuffled = coarse.flatten(2)[..., torch.randperm(6)].reshape(coarse.shape)
    one, other = (F.interpolate(c, scale_factor=4) for c in (coarse, shuffled))
    torch.testing.assert_close(made(one, gate, gate), made(other, gate, gate))
    assert not torch.allclose(made(2 * skip.flip(1), gate, gate), made(skip, gate, gate))


def test_every_row_reads_as_many_tokens() -> None:
    fine, deep = merge(0), merge(1)
    at, keys = torch.zeros(1, 6, 16, 16), torch.zeros(1, 6, 8, 8)
    assert fine.to_queries(at).shape[2:] == deep.to_queries(keys).shape[2:] == (8, 8)
    assert fine.to_keys(at).shape[2:] == deep.to_keys(keys).shape[2:] == (4, 4)


def test_without_concatenation_the_row_is_as_wide_as_the_decoder() -> None:
    assert (merge(keep=False).channels, merge().channels) == (6, 12)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="heads=3 is odd"):
        SkipAttention(ROWS, GATES, heads=3, split=True)
    with pytest.raises(ValueError, match="which keep=false leaves out"):
        SkipAttention(ROWS, GATES, keep=False, identity_init=True)
