from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.blocks import GatedResidual


def block(ndim: int = 2, **options: Any) -> Any:
    torch.manual_seed(0)
    made: Any = GatedResidual(ndim, 4, 4, **options).double().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        made.norm.running_mean.add_(0.3)
        made.norm.running_var.add_(0.5)
    return made


def image(*size: int) -> Tensor:
    return torch.randn(2, 4, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_a_zero_projection_makes_the_block_the_identity() -> None:
    made, x = block(), image(6, 7)
    for parameter in made.project.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(made(x), x)


@pytest.mark.parametrize("size", [3, 5])
def test_equals_the_formula_written_out(size: int) -> None:
    made, x = block(size=size), image(6, 7)
    n, half = made.norm, size // 2
    y = (x - n.running_mean[:, None, None]) / (n.running_var[:, None, None] + n.eps).sqrt()
    y = y * n.weight[:, None, None] + n.bias[:, None, None]

    def pointwise(layer: Any, t: Tensor) -> Tensor:
        bias: Tensor = layer.bias[:, None, None]
        out: Tensor = torch.einsum("oi,bihw->bohw", layer.weight[..., 0, 0], t) + bias
        return out

    value = F.pad(pointwise(made.value[0], y), [half] * 4, mode="reflect")
    windows = value.unfold(2, size, 1).unfold(3, size, 1)  # (B, C, H, W, k, k)
    value = torch.einsum("cij,bchwij->bchw", made.value[2].weight[:, 0], windows)
    value = value + made.value[2].bias[:, None, None]
    gate = 1 / (1 + torch.exp(-pointwise(made.gate[0], y)))
    torch.testing.assert_close(made(x), x + pointwise(made.project, value * gate), rtol=1e-12, atol=1e-12)


def test_norm_folds_into_the_first_convolution_of_both_branches() -> None:
    made, x = block(), image(6, 7)
    expected = made(x)
    n = made.norm
    scale = n.weight / (n.running_var + n.eps).sqrt()
    shift = n.bias - n.running_mean * scale
    with torch.no_grad():
        for layer in (made.value[0], made.gate[0]):
            layer.bias.add_(layer.weight[..., 0, 0] @ shift)
            layer.weight.mul_(scale[:, None, None])
    made.norm = torch.nn.Identity()
    torch.testing.assert_close(made(x), expected, rtol=1e-12, atol=1e-12)


def test_a_volume_of_equal_slices_is_treated_as_the_slice() -> None:
    flat, deep = block(), block(3)
    with torch.no_grad():
        for (name, a), b in zip(flat.state_dict().items(), deep.state_dict().values(), strict=True):
            # a depthwise kernel that looks at one slice alone
            depthwise = name == "value.2.weight"
            b.copy_(F.pad(a[:, :, None], [0, 0, 0, 0, 2, 2]) if depthwise else a.reshape(b.shape))
    x = image(6, 7)
    expected = flat(x)[:, :, None].expand(-1, -1, 3, -1, -1)
    torch.testing.assert_close(deep(x[:, :, None].expand(-1, -1, 3, -1, -1)), expected)


def test_weights_start_at_the_scale_of_the_networks_depth() -> None:
    torch.manual_seed(0)
    for depth in (16, 128):
        made = cast(Any, GatedResidual(2, 192, 192, network_depth=depth))
        expected = (8 * depth) ** -0.25 * (2 / (2 * 192)) ** 0.5
        # 192 * 192 draws: the standard deviation is known to about 1 in 270
        assert made.project.weight.std().item() == pytest.approx(expected, rel=0.02)
        assert made.project.bias.abs().max() == 0


def test_maps_too_small_to_be_mirrored_once_pass() -> None:
    assert block()(image(1, 2)).isfinite().all()
