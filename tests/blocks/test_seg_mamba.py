"""SegMamba's rows."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unetzoo.blocks import SpatialConv, TriMamba, seg_mamba, seg_mamba_row


def test_the_branches_of_the_spatial_convolution_are_added() -> None:
    torch.manual_seed(0)
    block, x = SpatialConv(3, 4), torch.randn(2, 4, 3, 4, 5)
    c = [part for part in block.modules() if isinstance(part, nn.Conv3d)]
    assert [part.kernel_size[0] for part in c] == [3, 3, 1, 1]

    def unit(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return F.instance_norm(layer(x)).relu()

    branches = unit(c[1], unit(c[0], x)) + unit(c[2], x)
    torch.testing.assert_close(block(x), x + unit(c[3], branches))


def test_a_row_keeps_its_width_until_it_is_sent_to_the_decoder() -> None:
    row = seg_mamba(2, 4, 4, layers=3)
    assert [type(part) for part in row] == [SpatialConv, TriMamba, TriMamba, TriMamba]
    with pytest.raises(ValueError, match="keeps its width, not 4 to 6"):
        seg_mamba(2, 4, 6)
    assert seg_mamba_row(2, 4, 6)(torch.randn(1, 4, 5, 3)).shape == (1, 6, 5, 3)
