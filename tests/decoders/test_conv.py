from typing import Any

import pytest
import torch

from unetzoo.decoders import ConvDecoder, linknet_up
from unetzoo.levels import Level
from unetzoo.nd import conv

ROWS = [Level(8, (4, 4)), Level(16, (8, 8)), Level(32, (16, 16))]


def test_rows_finer_than_the_encoders_meet_no_skip() -> None:
    decoder = ConvDecoder(ROWS, channels=[3, 5, 7, 9, 11])
    assert decoder.levels == [Level(3, (1, 1)), Level(5, (2, 2)), Level(7, (4, 4)), Level(9, (8, 8))]
    assert [gate.stride for gate in decoder.gates] == [(4, 4), (8, 8)]
    decoder.build([20, 25])
    blocks: Any = decoder.blocks
    assert [block[0].in_channels for block in blocks] == [5, 7, 20, 25]


def test_no_widths_means_the_encoders_down_to_its_finest_row() -> None:
    assert ConvDecoder(ROWS).levels == ROWS[:2]


def test_rows_are_decoded_coarsest_first_with_what_was_announced() -> None:
    decoder = ConvDecoder(ROWS, channels=[3, 5, 7, 9])
    met: list[tuple[int, ...]] = []

    def merge(level: int, skip: torch.Tensor, gate: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        met.append((level, gate.shape[1], coarse.shape[1]))
        return torch.cat([skip, gate], 1)

    decoder.build([level.channels + gate.channels for level, gate in zip(ROWS, decoder.gates, strict=False)])
    skips = [torch.zeros(1, level.channels, 64 // level.stride[0], 64 // level.stride[0]) for level in ROWS]
    out = decoder(skips, merge)
    announced = [(i, gate.channels, gate.coarse.channels) for i, gate in enumerate(decoder.gates)]
    assert met == announced[::-1]
    assert [t.shape[2] for t in out] == [8, 16, 32, 64]


def test_too_few_widths_are_refused_with_the_strides() -> None:
    with pytest.raises(ValueError, match=r"lists 2 widths .* needs 4, one per stride \[1, 2, 4, 8\]"):
        ConvDecoder(ROWS, channels=[16, 32])


def test_rows_may_be_made_of_other_blocks() -> None:
    decoder = ConvDecoder(
        ROWS,
        channels=[3, 5, 7, 9],
        block=lambda ndim, c_in, c_out: conv(ndim, c_in, c_out),
        blocks=[1, 1, 1, 2],
    )
    decoder.build([20, 25])
    assert [tuple(p.shape[:2]) for p in decoder.blocks.parameters() if p.dim() == 4] == [
        (3, 5), (5, 7), (7, 20), (9, 25), (9, 9)
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"lists 1 numbers \(\[1\]\) but this decoder has 2 rows"):
        ConvDecoder(ROWS, blocks=[1])


def test_the_bottleneck_may_be_handed_on_as_the_coarsest_row() -> None:
    decoder = ConvDecoder(ROWS, channels=[3, 5, 7, 9], hand_on=True)
    decoder.build([level.channels + gate.channels for level, gate in zip(ROWS, decoder.gates, strict=False)])
    assert decoder.levels[-1] == ROWS[-1]
    skips = [torch.randn(1, level.channels, 64 // level.stride[0], 64 // level.stride[0]) for level in ROWS]
    out = decoder(skips, lambda level, skip, gate, coarse: torch.cat([skip, gate], 1))
    assert torch.equal(out[0], skips[-1])
    assert [t.shape[1] for t in out[::-1]] == [level.channels for level in decoder.levels]


def test_a_row_may_meet_its_skip_behind_its_blocks() -> None:
    decoder = ConvDecoder(ROWS, channels=[3, 5, 7, 9], merge_last=True).eval()
    assert [gate.channels for gate in decoder.gates] == [7, 9]
    decoder.build([7 + 8, 9])
    met: list[tuple[int, int]] = []

    def merge(level: int, skip: torch.Tensor, gate: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        met.append((gate.shape[1], coarse.shape[1]))
        return gate if level else torch.cat([skip, gate], 1)

    skips = [torch.randn(1, level.channels, 64 // level.stride[0], 64 // level.stride[0]) for level in ROWS]
    out = decoder(skips, merge)
    parts: Any = decoder
    assert met == [(9, 32), (7, 9)]
    expanded = parts.ups[3](skips[2])
    assert torch.equal(out[0], parts.blocks[3](expanded))
    row = parts.blocks[2](parts.ups[2](out[0]))
    assert torch.equal(out[1], parts.projections[0](torch.cat([skips[0], row], 1)))
    assert [t.shape[1] for t in out] == [9, 7, 5, 3]


def test_linknets_bottleneck_doubles_the_size_with_a_quarter_of_the_width() -> None:
    module, channels = linknet_up(ROWS[2], ROWS[1])
    parts: Any = module
    assert channels == 16
    assert parts[0].out_channels == parts[3].out_channels == 8
    assert module(torch.zeros(1, 32, 3, 5)).shape == (1, 16, 6, 10)
    with pytest.raises(ValueError, match=r"even strides between rows, got \(1, 2, 2\)"):
        linknet_up(Level(8, (1, 2, 2)), Level(4, (1, 1, 1)))
