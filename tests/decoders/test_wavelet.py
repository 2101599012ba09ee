from typing import Any

import torch

from unetzoo.decoders import WaveletDecoder
from unetzoo.levels import Level

ROWS = [Level(4, (1, 1)), Level(6, (2, 2)), Level(8, (4, 4))]


def decoder_of(**options: Any) -> Any:
    torch.manual_seed(0)
    decoder = WaveletDecoder(ROWS, **options)
    decoder.build([4, 6])
    return decoder


def plus(level: int, skip: torch.Tensor, gate: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
    return skip + gate


def test_the_bottleneck_is_worked_on_first_and_added_to_itself() -> None:
    decoder, bare = decoder_of(), decoder_of(bottleneck=False)
    bare.load_state_dict({k: v for k, v in decoder.state_dict().items() if not k.startswith("bottleneck")})
    *rows, bottleneck = [torch.randn(1, c, 16 // s, 24 // s) for c, (s, _) in ROWS]
    expected = bare([*rows, bottleneck + decoder.bottleneck(bottleneck)], plus)
    for ours, theirs in zip(decoder([*rows, bottleneck], plus), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_way_up_delivers_the_finer_rows_width() -> None:
    assert [(gate.channels, gate.stride) for gate in decoder_of().gates] == [tuple(row) for row in ROWS[:-1]]
