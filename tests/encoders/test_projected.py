from functools import partial

import torch

from unetzoo.blocks import attentive_projection
from unetzoo.encoders import ConvEncoder, ProjectedEncoder


def test_every_row_comes_at_one_width() -> None:
    encoder = ProjectedEncoder(
        3, encoder=partial(ConvEncoder, channels=[4, 6, 8]), project=attentive_projection, channels=5
    ).eval()
    assert [level.channels for level in encoder.levels] == [5, 5, 5]
    assert [level.stride for level in encoder.levels] == [(1, 1), (2, 2), (4, 4)]
    x = torch.randn(1, 3, 8, 12)
    inner = encoder.encoder(x)
    for out, project, row in zip(encoder(x), encoder.projections, inner, strict=True):
        assert torch.equal(out, project(row))
