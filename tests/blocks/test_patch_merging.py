from typing import Any

import pytest
import torch
from timm.models.swin_transformer import PatchMerging as TimmPatchMerging

from unetzoo.blocks import PatchMerging, patch_expanding, patch_merging
from unetzoo.levels import Level

SIZES = [((2, 2), (6, 4)), ((1, 2), (3, 4)), ((2, 2, 2), (4, 2, 6))]


def test_merging_equals_timms() -> None:
    torch.manual_seed(0)
    ours: Any = PatchMerging((2, 2), 5, 10)
    theirs = TimmPatchMerging(5, 10)
    theirs.load_state_dict(
        {
            "norm.weight": torch.randn(20),
            "norm.bias": torch.randn(20),
            "reduction.weight": ours.reduce.weight.detach().flatten(1),
        }
    )
    ours.norm.load_state_dict(theirs.norm.state_dict())
    x = torch.randn(2, 5, 6, 8)
    torch.testing.assert_close(ours(x), theirs(x.movedim(1, -1)).movedim(-1, 1))


@pytest.mark.parametrize(("factor", "size"), SIZES)
def test_expanding_and_merging_deliver_the_other_row(factor: tuple[int, ...], size: tuple[int, ...]) -> None:
    fine, coarse = Level(6, (2,) * len(factor)), Level(12, tuple(2 * f for f in factor))
    down, c_down = patch_merging(fine, coarse)
    up, c_up = patch_expanding(coarse, fine)
    x = torch.randn(2, 6, *size)
    cells = tuple(s // f for s, f in zip(size, factor, strict=True))
    assert (down(x).shape, c_down) == ((2, 12, *cells), 12)
    assert (up(down(x)).shape, c_up) == (x.shape, 6)


@pytest.mark.parametrize(("factor", "size"), SIZES)
def test_expanding_by_copies_is_nearest_upsampling(factor: tuple[int, ...], size: tuple[int, ...]) -> None:
    """Up to the norm behind it."""
    coarse, fine = Level(6, factor), Level(3, (1,) * len(factor))
    expand, unfold, _ = patch_expanding(coarse, fine)[0].children()
    copies: Any = expand
    half = torch.eye(3, 6).repeat_interleave(int(torch.tensor(factor).prod()), 0)
    copies.weight.data.copy_(half.reshape(copies.weight.shape))
    x = torch.randn(2, 6, *size)
    expected = x[:, :3]
    for axis, f in enumerate(factor, start=2):
        expected = expected.repeat_interleave(f, axis)
    assert torch.equal(unfold(expand(x)), expected)
