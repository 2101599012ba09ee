from functools import partial

import pytest
import torch

from unetzoo.blocks import attentive_projection
from unetzoo.encoders import ConvEncoder, ProjectedEncoder, strided_down


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


def test_the_image_may_become_a_row_and_rows_may_differ() -> None:
    coarse = partial(
        ConvEncoder, channels=[4, 6], strides=[[2, 2], [4, 4]], stem=partial(strided_down, size=7)
    )
    make = partial(ProjectedEncoder, 3, project=attentive_projection, image=attentive_projection)
    encoder = make(encoder=coarse, channels=[2, 5, 7]).eval()
    assert [tuple(level) for level in encoder.levels] == [(2, (1, 1)), (5, (2, 2)), (7, (4, 4))]
    x = torch.randn(1, 3, 8, 12)
    rows = encoder(x)
    assert torch.equal(rows[0], encoder.projections[0](x))
    assert [row.shape[1:] for row in rows] == [(2, 8, 12), (5, 4, 6), (7, 2, 3)]
    with pytest.raises(ValueError, match=r"\[2, 5\] must give one width for each of 3 rows"):
        make(encoder=coarse, channels=[2, 5])
    with pytest.raises(ValueError, match="a row at stride 1, which this encoder has"):
        make(encoder=partial(ConvEncoder, channels=[4, 6]))
