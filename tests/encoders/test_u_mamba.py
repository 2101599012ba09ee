"""U-Mamba's layers stand where the authors put them, and say what they cannot do."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from unetzoo.blocks import ChannelMamba, MambaLayer
from unetzoo.encoders import UMambaEncoder


def test_rows_with_no_more_pixels_than_channels_are_scanned_along_channels(
    count: Callable[[nn.Module], int],
) -> None:
    with torch.device("meta"):
        encoder = UMambaEncoder(1, mamba=(0, 2, 4, 6), patch=(320, 320))
    assert [count(layer) for layer in encoder.mambas] == [9_984, 0, 116_736, 0, 1_044_800, 0, 6_750]
    kinds = [type(encoder.mambas[row]) for row in (0, 2, 4, 6)]
    assert kinds == [MambaLayer, MambaLayer, ChannelMamba, ChannelMamba]
    assert not encoder.dynamic_size
    with torch.device("meta"):
        # "Bot", and "Enc" for images of any size
        assert count(UMambaEncoder(1).mambas) == 1_695_744
        assert UMambaEncoder(1, mamba=(0, 2, 4, 6)).dynamic_size


def test_rows_are_residual_stages_with_a_mamba_behind_them() -> None:
    torch.manual_seed(0)
    encoder = UMambaEncoder(1, channels=[4, 6, 8], blocks=[2, 1, 1]).eval()
    x = torch.randn(2, 1, 8, 12)
    rows = encoder(x)
    below = encoder.stages[3](rows[1])
    layer = encoder.mambas[2]
    assert isinstance(layer, MambaLayer)
    # what the Mamba finds takes the row's place
    found = layer.mixer(layer.norm(below.flatten(2).mT)).mT.reshape_as(below)
    torch.testing.assert_close(rows[2], found)
    assert [len(stage) for stage in encoder.stages] == [2, 2, 1, 1]  # type: ignore[arg-type]


@pytest.mark.parametrize("residual", [False, True])
def test_a_mamba_over_channels_reads_them_in_order_and_takes_one_size(residual: bool) -> None:
    torch.manual_seed(0)
    block, x = ChannelMamba((2, 3), residual=residual), torch.randn(1, 5, 2, 3, requires_grad=True)
    (grad,) = torch.autograd.grad(block(x)[:, 2].sum(), x)
    reached = grad.abs().sum((0, 2, 3)) > 0
    assert reached.tolist() == [True, True, True, False, False]
    with pytest.raises(ValueError, match=r"made for maps of \(2, 3\) pixels and is given \(3, 2\)"):
        block(torch.randn(1, 5, 3, 2))


def test_what_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"mamba=\[3\]: there is no row 3"):
        UMambaEncoder(1, channels=[4, 6, 8], blocks=[1, 1, 1], mamba=[3])
    with pytest.raises(ValueError, match="one number per row"):
        UMambaEncoder(1, channels=[4, 6, 8], blocks=[1, 1])
    with pytest.raises(ValueError, match=r"patch=\[16, 18\] must give 2 multiples"):
        UMambaEncoder(1, channels=[4, 6, 8], blocks=[1, 1, 1], patch=[16, 18])
