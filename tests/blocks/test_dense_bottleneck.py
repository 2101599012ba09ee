from typing import Any

import torch

from unetzoo.blocks import DenseBottleneck, conv_block


def test_every_block_is_given_the_outputs_of_all_before_it() -> None:
    torch.manual_seed(0)
    made: Any = DenseBottleneck(2, 3, 4)
    x = torch.randn(2, 3, 5, 6)
    first = made.blocks[0](x)
    second = made.blocks[1](first)
    assert torch.equal(made(x), made.blocks[2](torch.cat([first, second], 1)))


def test_a_single_block_is_the_u_nets_bottleneck() -> None:
    made: Any = DenseBottleneck(3, 3, 4, blocks=1)
    plain = conv_block(3, 3, 4, norm=None)
    plain.load_state_dict(made.blocks[0].state_dict())
    x = torch.randn(2, 3, 4, 5, 6)
    assert torch.equal(made(x), plain(x))
