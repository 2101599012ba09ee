"""What of the published MISSFormer, 42,462,537 parameters for 9 classes, takes part in its answers."""

from collections.abc import Callable

import torch
from torch import nn

from unetzoo import create_model
from unetzoo.blocks import EnhancedTransformer


def test_the_published_size_less_what_is_never_used(count: Callable[[nn.Module], int]) -> None:
    with torch.device("meta"):
        model = create_model("missformer", in_channels=3, num_classes=9)
        block = EnhancedTransformer(512, reduction=(1, 1), heads=8)
    published = 42_462_537
    # the bottleneck's row of the authors' decoder expands and does nothing else; they build for it two blocks
    # and a linear layer in front of them
    enter, blocks = 1024 * 512 + 512, 2 * (count(block) + 2 * 2 * 4 * 512)
    # two of the three layer norms in each MLP that is used
    widths = [*(64, 128, 320, 512) * 6, *(64, 128, 320) * 2]
    norms = sum(2 * 2 * 4 * c for c in widths)
    assert count(model) == published - enter - blocks - norms == 35_452_745
