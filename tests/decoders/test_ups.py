import pytest
import torch
from torch import nn

from unetzoo.decoders import normed_up, overlapping_up, transposed_up
from unetzoo.levels import Level


def test_overlapping_kernels_meet_the_finer_grid_and_are_twice_the_stride() -> None:
    module, channels = overlapping_up(Level(6, (1, 4, 8)), Level(5, (1, 2, 2)))
    assert channels == 5
    assert [tuple(p.shape) for p in module.parameters()] == [(6, 5, 1, 4, 8)]
    assert module(torch.zeros(1, 6, 3, 2, 3)).shape == (1, 5, 3, 4, 12)
    with pytest.raises(ValueError, match=r"even strides between rows, got \(3, 3\)"):
        overlapping_up(Level(6, (3, 3)), Level(5, (1, 1)))


def test_normed_up_ends_on_an_activation() -> None:
    module, channels = normed_up(Level(6, (2, 2)), Level(5, (1, 1)))
    assert channels == 5
    out = module(torch.randn(2, 6, 3, 4))
    assert out.shape == (2, 5, 6, 8)
    assert out.min() == 0
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())


@pytest.mark.parametrize(("factor", "size"), [(2, 3), (2, 4), (2, 5), (3, 3), (4, 7)])
def test_transposed_kernels_of_any_size_meet_the_finer_grid(factor: int, size: int) -> None:
    rows = Level(6, (factor, 2 * factor)), Level(5, (1, 2))
    module, channels = transposed_up(*rows, size=size, widths=[9, 7])
    assert channels == 7
    assert module(torch.zeros(1, 6, 3, 4)).shape == (1, 7, 3 * factor, 4 * factor)


@pytest.mark.parametrize(("stride", "size"), [((4, 4), 3), ((1, 2), 4)])
def test_transposed_kernels_that_would_leave_gaps_are_refused(stride: tuple[int, ...], size: int) -> None:
    with pytest.raises(ValueError, match=f"a kernel of {size} does not go with strides"):
        transposed_up(Level(6, stride), Level(5, (1, 1)), size=size)
