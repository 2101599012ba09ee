from typing import Any

import pytest
import torch
from torch.nn import functional as F

from unetzoo.decoders import ShortcutDecoder
from unetzoo.levels import Level

ROWS = [Level(4, (1, 1)), Level(6, (2, 2)), Level(8, (4, 4))]


def concat(level: int, skip: torch.Tensor, gate: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
    return torch.cat([skip, gate], 1)


@pytest.mark.parametrize(("up", "mode"), [("cubic", "bicubic"), ("linear", "bilinear")])
def test_rows_are_residual_to_what_comes_up(up: Any, mode: str) -> None:
    torch.manual_seed(0)
    decoder: Any = ShortcutDecoder(ROWS, up=up)
    decoder.build([10, 14])
    skips = [torch.randn(2, c, 16 // s, 24 // s) for c, (s, _) in ROWS]
    x, expected = skips[-1], []
    for row in (1, 0):
        gate = F.interpolate(x, scale_factor=2, mode=mode, align_corners=False)
        block = decoder.blocks[row]
        x = block.body(torch.cat([skips[row], gate], 1)) + block.shortcut(gate)
        expected.append(x)
    for ours, theirs in zip(decoder(skips, concat), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_volume_is_interpolated_linearly() -> None:
    decoder = ShortcutDecoder([Level(4, (1, 1, 1)), Level(6, (2, 2, 2))])
    x = torch.randn(1, 6, 2, 3, 4)
    expected = F.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)
    torch.testing.assert_close(decoder.ups[0](x), expected)


def test_an_unknown_way_up_is_refused() -> None:
    unknown: Any = "lanczos"
    with pytest.raises(ValueError, match="'lanczos' is unknown"):
        ShortcutDecoder(ROWS, up=unknown)
