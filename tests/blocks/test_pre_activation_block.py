import torch

from unetzoo.blocks import PreActivationBlock


def test_is_norm_relu_convolution_twice_beside_the_input() -> None:
    torch.manual_seed(0)
    block, x = PreActivationBlock(2, 4, 4, norm_name="instance"), torch.randn(2, 4, 5, 6)
    first, _, a, second, _, b = block.body
    torch.testing.assert_close(block(x), (x + b(second(a(first(x).relu())).relu())).relu())


def test_another_width_is_projected_with_norm_and_without_bias() -> None:
    block = PreActivationBlock(3, 4, 6, norm_name="instance")
    assert [name for name, _ in block.project.named_parameters()] == ["0.weight", "1.weight", "1.bias"]
    assert block(torch.randn(1, 4, 2, 3, 4)).shape == (1, 6, 2, 3, 4)
