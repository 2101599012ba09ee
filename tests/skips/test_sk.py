from typing import Any

import torch

from unetzoo.levels import Gate, Level
from unetzoo.skips import SKFusion

ROWS = [Level(4, (1, 1)), Level(8, (2, 2))]
GATES = [Gate(6, (1, 1), ROWS[1])]


def merge() -> Any:
    torch.manual_seed(0)
    return SKFusion(ROWS, GATES).merges[0]


def test_the_decoder_comes_first_and_the_skip_is_projected_to_its_width() -> None:
    made = merge()
    skip, gate, coarse = torch.randn(2, 4, 6, 6), torch.randn(2, 6, 6, 6), torch.randn(2, 8, 3, 3)
    projected = made.project(skip)
    first, second = made.fuse.weights([gate, projected])
    torch.testing.assert_close(made(skip, gate, coarse), first * gate + second * projected)
    assert made.channels == 6


def test_every_value_lies_between_the_decoder_and_the_projected_skip() -> None:
    made = merge()
    skip, gate, coarse = torch.randn(2, 4, 6, 6), torch.randn(2, 6, 6, 6), torch.randn(2, 8, 3, 3)
    both = torch.stack([gate, made.project(skip)])
    out = made(skip, gate, coarse)
    assert (both.amin(0) - 1e-6 <= out).all()
    assert (out <= both.amax(0) + 1e-6).all()
