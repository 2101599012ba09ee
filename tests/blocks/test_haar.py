import pytest
import torch

from unetzoo.blocks.haar import Haar, InverseHaar, haar_down, haar_up
from unetzoo.levels import Level


@pytest.mark.parametrize("factor", [(2, 2), (2, 2, 2), (1, 2, 2), (4, 4), (4, 2)])
def test_inverse_gives_the_input_back_and_energy_is_kept(factor: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *(4 * f for f in factor), dtype=torch.float64)
    coefficients = Haar(3, factor).double()(x)
    assert coefficients.shape == (2, 3 * torch.tensor(factor).prod(), *[4] * len(factor))
    torch.testing.assert_close(InverseHaar(3, factor).double()(coefficients), x, rtol=0, atol=1e-6)
    torch.testing.assert_close(coefficients.square().sum(), x.square().sum(), rtol=1e-6, atol=0)


def test_coefficients_of_a_block_are_half_its_sum_and_differences() -> None:
    block = torch.tensor([[[[1.0, 2.0], [5.0, 11.0]]]])
    expected = [19 / 2, (1 - 2 + 5 - 11) / 2, (1 + 2 - 5 - 11) / 2, (1 - 2 - 5 + 11) / 2]
    torch.testing.assert_close(Haar(1, (2, 2))(block).flatten(), torch.tensor(expected))


def test_ways_down_and_up_deliver_the_other_row() -> None:
    fine, coarse = Level(6, (1, 1)), Level(5, (2, 2))
    down, width = haar_down(fine, coarse)
    assert (down(torch.zeros(1, 6, 4, 8)).shape, width) == ((1, 5, 2, 4), 5)
    up, width = haar_up(coarse, fine)
    assert (up(torch.zeros(1, 5, 2, 4)).shape, width) == ((1, 6, 4, 8), 6)


def test_a_factor_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="no power of 2"):
        haar_down(Level(4, (1, 1)), Level(4, (3, 2)))
