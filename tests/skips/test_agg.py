from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.skips import AttentionGuidedSkip


def merge(width: int = 4, brought: int = 6, **options: Any) -> Any:
    torch.manual_seed(0)
    rows = [Level(width, (1, 1)), Level(brought, (2, 2))]
    return AttentionGuidedSkip(rows, [Gate(brought, (1, 1), rows[1])], **options).merges[0]


def maps() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    skip, gate = (torch.randn(3, c, 6, 8, generator=generator) for c in (4, 6))
    return skip, gate, gate[:, :, ::2, ::2]


def test_has_the_size_of_the_authors(count: Callable[[nn.Module], int]) -> None:
    assert count(merge(64, 128)) == 53_824


def test_the_weighed_skip_is_no_larger_than_the_skip_and_stands_beside_the_decoder() -> None:
    skip, gate, coarse = maps()
    made = merge()
    weighed, beside = made(skip, gate, coarse).split([4, 6], 1)
    assert (weighed.abs() <= skip.abs()).all()
    assert torch.equal(beside, gate)
    assert made.attention(skip, gate).shape == skip.shape


def test_the_last_norm_alone_can_open_and_shut_the_skip() -> None:
    skip, gate, coarse = maps()
    made = merge()
    last = made.weigh[2]
    nn.init.zeros_(last.weight)
    for bias, expected in ((40.0, skip), (-40.0, torch.zeros_like(skip))):
        nn.init.constant_(last.bias, bias)
        # sigmoid(40) is 1 in float32
        torch.testing.assert_close(made(skip, gate, coarse)[:, :4], expected)


def test_in_evaluation_images_do_not_see_each_other() -> None:
    skip, gate, coarse = maps()
    made = merge().eval()
    order = torch.tensor([2, 0, 1])
    swapped = made(skip[order], gate[order], coarse[order])
    torch.testing.assert_close(swapped, made(skip, gate, coarse)[order])


def test_an_empty_skip_stays_empty() -> None:
    skip, gate, coarse = maps()
    assert merge()(torch.zeros_like(skip), gate, coarse)[:, :4].abs().max() == 0


def test_identity_init_starts_as_the_plain_skip() -> None:
    skip, gate, coarse = maps()
    assert torch.equal(merge(identity_init=True)(skip, gate, coarse), torch.cat([skip, gate], 1))
