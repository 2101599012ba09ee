from typing import Any

import pytest
import torch
from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import Resize, activation, conv, norm, upsample


def test_a_plain_instance_norm_has_no_weights() -> None:
    x, plain = torch.randn(2, 4, 3, 5), norm("plain_instance", 2, 4)
    assert not [*plain.parameters()]
    torch.testing.assert_close(plain(x), torch.nn.functional.instance_norm(x))


@pytest.mark.parametrize("ndim", [2, 3])
def test_instance_norm_equals_torchs_and_takes_a_single_pixel(ndim: int) -> None:
    ours = norm("instance", ndim, 4)
    theirs: nn.Module = (nn.InstanceNorm2d if ndim == 2 else nn.InstanceNorm3d)(4, affine=True)
    state = {"weight": torch.rand(4), "bias": torch.rand(4)}
    ours.load_state_dict(state)
    theirs.load_state_dict(state)
    x = torch.randn(2, 4, *[5] * ndim)
    assert torch.equal(ours(x), theirs(x))
    one = ours(torch.randn(2, 4, *[1] * ndim))
    torch.testing.assert_close(
        one, state["bias"].reshape(1, 4, *[1] * ndim).expand_as(one), rtol=0, atol=1e-4
    )


def test_group_norm_splits_any_width() -> None:
    assert [getattr(norm("group", 2, c), "num_groups", 0) for c in (16, 12, 7)] == [8, 4, 1]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", ["nearest", "linear", "transposed"])
def test_upsampling_reaches_the_fine_row(kind: Any, ndim: int) -> None:
    coarse, fine = Level(6, (2, *[4] * (ndim - 1))), Level(3, (2, *[2] * (ndim - 1)))
    module, channels = upsample(kind, coarse, fine)
    assert channels == (3 if kind == "transposed" else 6)
    out = module(torch.randn(1, 6, *[5] * ndim))
    assert out.shape == (1, channels, 5, *[10] * (ndim - 1))


def test_a_1x1_convolution_and_a_linear_resize_commute() -> None:
    x, up, mix = torch.randn(1, 4, 5, 7).double(), Resize((2, 2)), conv(2, 4, 3).double()
    torch.testing.assert_close(up(mix(x)), mix(up(x)), rtol=1e-12, atol=1e-12)


def test_unknown_names_are_refused_with_the_choice() -> None:
    with pytest.raises(ValueError, match="norm 'weight' is unknown; choose batch"):
        norm("weight", 2, 4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="activation 'mish' is unknown; choose relu"):
        activation("mish")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"activation 'relu' has no such options: \{'slope': 0\.1\}"):
        activation(("relu", {"slope": 0.1}))
    with pytest.raises(ValueError, match="upsample 'cubic' is unknown; choose nearest"):
        upsample("cubic", Level(4, (2, 2)), Level(4, (1, 1)))  # type: ignore[arg-type]


def test_rows_must_divide() -> None:
    assert ratio((4, 8), (4, 2)) == (1, 4)
    with pytest.raises(ValueError, match=r"stride \(4, 4\) is no multiple of stride \(3, 2\)"):
        ratio((4, 4), (3, 2))


def test_activation_takes_options() -> None:
    assert activation(("leaky_relu", {"negative_slope": 0.25}))(torch.tensor(-4.0)).item() == -1
    assert activation("leaky_relu")(torch.tensor(-4.0)).item() == pytest.approx(-0.04)
