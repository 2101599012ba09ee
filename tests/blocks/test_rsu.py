from typing import Any

import pytest
import torch
from torch import nn

from unetzoo.blocks import rsu
from unetzoo.decoders import RSUDecoder
from unetzoo.encoders import RSUEncoder
from unetzoo.levels import Level


@pytest.mark.parametrize("kind", [4, 5, 6, 7, "4F"])
def test_any_size_is_kept(kind: int | str) -> None:
    block = rsu(kind, 2, 2, 3, inner=2).eval()
    with torch.inference_mode():
        for size in range(5, 101, 5 if kind == 7 else 19):
            assert block(torch.randn(1, 2, size, size + 1)).shape == (1, 3, size, size + 1)


@pytest.mark.parametrize("kind", [4, 7, "4F"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_without_the_inner_u_it_is_its_projection(kind: int | str, ndim: int) -> None:
    block: Any = rsu(kind, ndim, 2, 3, inner=2).eval()
    last = block.up[0][0]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    x = torch.randn(1, 2, *(9, 12, 7)[:ndim])
    assert torch.equal(block(x), block.project(x))


def test_rows_are_pooled_two_less_than_their_number_and_the_deepest_is_dilated() -> None:
    block: Any = rsu(7, 2, 2, 3, inner=2)
    assert [isinstance(pool, nn.MaxPool2d) for pool in block.pools] == [True] * 5 + [False]
    assert [unit[0].dilation[0] for unit in block.down] == [1, 1, 1, 1, 1, 1, 2]
    flat: Any = rsu("4F", 2, 2, 3, inner=2)
    assert not any(isinstance(m, nn.MaxPool2d) for m in flat.modules())
    assert [unit[0].dilation[0] for unit in [*flat.down, *reversed(flat.up)]] == [1, 2, 4, 8, 4, 2, 1]


def test_inner_poolings_follow_the_rows_of_an_anisotropic_volume() -> None:
    strides = [(1, 1, 1), (1, 2, 2), (2, 4, 4)]
    encoder: Any = RSUEncoder(1, stages=[[5, 2, 4], [4, 2, 4], ["4F", 2, 4]], ndim=3, strides=strides)
    assert [pool.kernel_size for pool in encoder.stages[0].pools[:3]] == [(1, 2, 2), (2, 2, 2), (2, 2, 2)]
    assert [pool.kernel_size for pool in encoder.stages[1].pools[:2]] == [(2, 2, 2), (2, 2, 2)]
    decoder: Any = RSUDecoder(encoder.levels, stages=[[5, 2, 4], [4, 2, 4]])
    decoder.build([8, 8])
    assert [pool.kernel_size for pool in decoder.blocks[0].pools[:2]] == [(1, 2, 2), (2, 2, 2)]


def test_a_cut_encoder_has_the_first_rows_of_the_whole() -> None:
    encoder = RSUEncoder(3, stages=[[5, 2, 4], [4, 2, 6], ["4F", 2, 8]], stem=3, stem_norm=True).eval()
    assert encoder.levels == [Level(4, (2, 2)), Level(6, (4, 4)), Level(8, (8, 8))]
    x = torch.randn(1, 3, 32, 16)
    with torch.inference_mode():
        whole = encoder(x)
        encoder.truncate(1)
        assert all(torch.equal(a, b) for a, b in zip(encoder(x), whole[:2], strict=True))


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="'8' is unknown; choose 4, 5, 6, 7 or 4F"):
        rsu("8", 2, 2, 3, inner=2)
    with pytest.raises(ValueError, match=r"not \(2, 2\); set stem"):
        RSUEncoder(1, stages=[[4, 2, 4], ["4F", 2, 4]], strides=[(2, 2), (4, 4)])
    with pytest.raises(ValueError, match=r"lists 1 blocks but this encoder needs 2, one per stride \[1, 2\]"):
        RSUDecoder([Level(4, (1, 1)), Level(4, (2, 2)), Level(4, (4, 4))], stages=[[4, 2, 4]])
