import pytest
import torch

from unetzoo.blocks.large_kernel_attention import LargeKernelAttention


@pytest.mark.parametrize(("kernel", "near", "wide"), [(21, 5, 7), (35, 5, 13), (9, 5, 3)])
def test_the_kernel_is_decomposed_as_in_van(kernel: int, near: int, wide: int) -> None:
    attention = LargeKernelAttention(2, 4, kernel=kernel)
    assert [p.shape[2:] for p in attention.parameters() if p.dim() > 1] == [
        (near, near),
        (wide, wide),
        (1, 1),
    ]


@pytest.mark.parametrize("separable", [False, True])
def test_a_pixel_sees_the_kernel_and_a_bit_more(separable: bool) -> None:
    attention = LargeKernelAttention(2, 1, separable=separable).double()
    for parameter in attention.parameters():
        torch.nn.init.ones_(parameter)
    x = torch.ones(1, 1, 41, 41, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(attention(x)[0, 0, 20, 20], x)
    seen = grad[0, 0].nonzero()
    # 5 pixels and 7 at distance 3 make 23
    assert [seen.amin(0).tolist(), seen.amax(0).tolist()] == [[9, 9], [31, 31]]


def test_separated_kernels_are_their_outer_product() -> None:
    torch.manual_seed(0)
    apart = LargeKernelAttention(2, 3, separable=True).double()
    whole = LargeKernelAttention(2, 3, separable=False).double()
    with torch.no_grad():
        for name in ("near", "wide"):
            (rows, columns), (full,) = getattr(apart, name), getattr(whole, name)
            torch.nn.init.zeros_(rows.bias)
            full.weight.copy_(rows.weight * columns.weight)
            full.bias.copy_(columns.bias)
    whole.mix.load_state_dict(apart.mix.state_dict())
    x = torch.randn(2, 3, 9, 11, dtype=torch.float64)
    torch.testing.assert_close(apart(x), whole(x))


def test_volumes_take_one_axis_after_the_other() -> None:
    attention = LargeKernelAttention(3, 4)
    weights = sum(p.numel() for p in attention.parameters() if p.dim() > 1)
    assert weights == 4 * 3 * (5 + 7) + 4 * 4
    assert attention(torch.randn(1, 4, 5, 6, 7)).shape == (1, 4, 5, 6, 7)


def test_a_kernel_no_larger_than_its_dilation_is_refused() -> None:
    with pytest.raises(ValueError, match="3 pixels cannot be decomposed with dilation 3"):
        LargeKernelAttention(2, 4, kernel=3)
