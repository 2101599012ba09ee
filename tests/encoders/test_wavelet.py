import torch

from unetzoo.blocks.region_nonlocal import RegionNonLocal
from unetzoo.encoders import WaveletEncoder


def test_without_blocks_the_bottleneck_is_the_way_down_alone() -> None:
    torch.manual_seed(0)
    encoder = WaveletEncoder(3, channels=[4, 6, 8], bottleneck=False)
    fine, middle, bottleneck = encoder(torch.randn(1, 3, 16, 24))
    assert torch.equal(bottleneck, encoder.downs[1](middle))
    assert [tuple(f.shape[1:]) for f in (fine, middle, bottleneck)] == [(4, 16, 24), (6, 8, 12), (8, 4, 6)]


def test_every_row_has_its_grid_and_the_last_serves_coarser_rows() -> None:
    encoder = WaveletEncoder(3, channels=[4, 4, 4], grid=[[8, 2], [4, 1]])
    grids = [module.grid for module in encoder.modules() if isinstance(module, RegionNonLocal)]
    assert grids == [(8, 2), (4, 1), (4, 1)]
    volume = WaveletEncoder(1, channels=[4, 4], ndim=3, grid=[[8, 2]])
    assert {m.grid for m in volume.modules() if isinstance(m, RegionNonLocal)} == {(1, 8, 2)}
