from functools import partial

import pytest
import torch

from unetzoo.encoders import ConvEncoder, WithInvalid
from unetzoo.levels import Level, MaskedLevel

INNER = partial(ConvEncoder, channels=[4, 6, 8])


def test_rows_carry_the_invalid_share_of_the_pixels_they_cover() -> None:
    encoder = WithInvalid(2, encoder=INNER).eval()
    assert encoder.levels == [Level(5, (1, 1)), Level(7, (2, 2)), Level(8, (4, 4))]
    assert [isinstance(level, MaskedLevel) for level in encoder.levels] == [True, True, False]
    x = torch.randn(1, 2, 8, 8)
    x[:, :, :3, :2] = 0
    x[:, 0, 5, 5] = 0  # one band is not all
    fine, middle, bottleneck = encoder(x)
    expected = torch.zeros(1, 8, 8)
    expected[:, :3, :2] = 1
    assert torch.equal(fine[:, -1], expected)
    assert middle[0, -1, :, 0].tolist() == [1, 0.5, 0, 0]
    inner = encoder.encoder(x)
    assert torch.equal(fine[:, :-1], inner[0])
    assert torch.equal(bottleneck, inner[2])


def test_a_band_may_say_so_instead() -> None:
    encoder = WithInvalid(2, encoder=INNER, band=1).eval()
    x = torch.zeros(1, 2, 4, 4)
    x[:, 1, 0, 0], x[:, 1, 3, 3] = 1.5, -0.5
    assert encoder(x)[0][:, -1].nonzero().tolist() == [[0, 0, 0]]


def test_a_volume_is_pooled_along_each_axis_as_its_rows_are() -> None:
    strides = [[1, 1, 1], [1, 2, 2], [2, 4, 4]]
    encoder = WithInvalid(1, encoder=partial(INNER, ndim=3, strides=strides)).eval()
    x = torch.ones(1, 1, 2, 4, 4)
    x[:, :, 0, :2, :2] = 0
    assert encoder(x)[1][0, -1].tolist() == [[[1, 0], [0, 0]], [[0, 0], [0, 0]]]


def test_a_band_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="band=2 is none of the image's 2 bands"):
        WithInvalid(2, encoder=INNER, band=2)
