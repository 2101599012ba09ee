"""What of the published DAE-Former, 48,073,065 parameters for 9 classes, takes part in its answers."""

from collections.abc import Callable

import torch
from torch import nn

from unetzoo import create_model
from unetzoo.blocks import DualTransformer


def test_the_published_size_less_what_is_never_used(count: Callable[[nn.Module], int]) -> None:
    with torch.device("meta"):
        model = create_model("dae_former", in_channels=3, num_classes=9)
        dual = DualTransformer(2, 512)
    published = 48_073_065
    # the bottleneck's row of the authors' decoder expands and does nothing else; they build for it the skip's
    # cross attention, the linear layers in front of it and behind it, and two blocks
    cross, enter, leave = 4_760_576, 512 * 512 + 512, 1024 * 512 + 512
    blocks = 2 * (count(dual) + 2 * 2 * 2 * 4 * 512)
    # two of the three layer norms in each of 12 MLPs in the encoder, 8 in the decoder, 2 in the skips
    norms = 2 * 2 * (4 * 4 * (128 + 320 + 512) + 4 * 4 * (128 + 320) + 4 * (128 + 320))
    assert count(model) == published - cross - enter - leave - blocks - norms == 29_690_201


def test_rows_are_the_papers() -> None:
    with torch.device("meta"):
        model = create_model("dae_former", in_channels=3, num_classes=9)
        rows = model.encoder(torch.empty(1, 3, 224, 224))
    assert [tuple(row.shape[1:]) for row in rows] == [(128, 56, 56), (320, 28, 28), (512, 14, 14)]
