import torch
from torch import nn

from unetzoo.blocks import SubPixel, sub_pixel_up
from unetzoo.levels import Level


def test_in_2d_it_is_the_pixel_shuffle() -> None:
    for r in (2, 3):
        x = torch.randn(2, 5 * r * r, 3, 4)
        assert torch.equal(SubPixel((r, r))(x), nn.PixelShuffle(r)(x))


def test_in_3d_every_channel_of_a_group_becomes_one_voxel() -> None:
    factor, size = (1, 2, 3), (2, 3, 4)
    x = torch.randn(2, 2 * 6, *size)
    out = SubPixel(factor)(x)
    assert out.shape == (2, 2, 2, 6, 12)
    for c in range(2):
        for j in range(2):
            for k in range(3):
                assert torch.equal(out[:, c, :, j::2, k::3], x[:, 6 * c + 3 * j + k])


def test_going_up_makes_the_channels_that_the_finer_grid_needs() -> None:
    module, channels = sub_pixel_up(Level(8, (4, 4, 2)), Level(3, (2, 2, 2)))
    assert channels == 3
    assert module(torch.zeros(1, 8, 2, 3, 4)).shape == (1, 3, 4, 6, 4)
