from typing import Any

import pytest
import torch

from unetzoo.blocks import dual_transformer
from unetzoo.decoders import TokenDecoder
from unetzoo.encoders import TokenEncoder
from unetzoo.levels import Level


def test_patches_overlap_by_all_but_one_pixel_of_a_stride() -> None:
    with torch.device("meta"):
        encoder: Any = TokenEncoder(3, block=dual_transformer, channels=[8, 16, 16], blocks=[1, 2, 1])
    kernels = [embed[0].kernel_size for embed in encoder.embeds]
    assert kernels == [(7, 7), (3, 3), (3, 3)]
    assert [level.stride for level in encoder.levels] == [(4, 4), (8, 8), (16, 16)]
    assert [len(stage) for stage in encoder.stages] == [2, 3, 2]  # a norm behind the blocks


def test_an_axis_that_is_not_strided_is_not_overlapped() -> None:
    strides = [[1, 4, 4], [1, 8, 8]]
    encoder: Any = TokenEncoder(
        1, block=dual_transformer, channels=[8, 8], blocks=[1, 1], ndim=3, strides=strides
    )
    assert [embed[0].kernel_size for embed in encoder.embeds] == [(1, 7, 7), (1, 3, 3)]
    assert [tuple(row.shape[2:]) for row in encoder(torch.randn(1, 1, 3, 16, 24))] == [(3, 4, 6), (3, 2, 3)]


def test_blocks_that_do_not_fit_the_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"encoder.blocks \[1\] must give one number per row of \[8, 8\]"):
        TokenEncoder(3, block=dual_transformer, channels=[8, 8], blocks=[1])


def test_expanding_halves_the_channels_and_the_last_one_keeps_them() -> None:
    rows = [Level(128, (4, 4)), Level(320, (8, 8)), Level(512, (16, 16))]
    with torch.device("meta"):
        decoder = TokenDecoder(rows, block=dual_transformer)
    assert [gate.channels for gate in decoder.gates] == [160, 256]
    assert decoder.levels == [Level(128, (1, 1)), *rows[:2]]
