from typing import Any

import pytest
import torch
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.skips import AttentionGate

# one gated row: 4 channels at the image's resolution, 8 of the decoder at half of it
ROWS = [Level(4, (1, 1)), Level(8, (2, 2))]
GATES = [Gate(8, (1, 1), ROWS[1])]
CONV2D = {"encoder.channels": [4, 8, 16], "decoder.channels": [4, 8, 16]}


def gate_of(*, double: bool = False, **options: Any) -> Any:
    torch.manual_seed(0)
    merge = AttentionGate(ROWS, GATES, **options).merges[0]
    return merge.double() if double else merge


def signals(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    coarse = torch.randn(2, 8, 5, 6, dtype=dtype)
    return torch.randn(2, 4, 10, 12, dtype=dtype), F.interpolate(coarse, scale_factor=2.0), coarse


def test_projecting_the_coarse_signal_equals_the_papers_formula_at_full_resolution() -> None:
    gate = gate_of(double=True)
    skip, _, coarse = signals(torch.float64)
    g = F.interpolate(coarse, scale_factor=2.0, mode="bilinear")
    theta = torch.einsum("oi,bihw->bohw", gate.theta.weight[..., 0, 0], skip)
    phi = torch.einsum("oi,bihw->bohw", gate.phi.weight[..., 0, 0], g) + gate.phi.bias[:, None, None]
    psi = torch.einsum("oi,bihw->bohw", gate.psi.weight[..., 0, 0], (theta + phi).clamp(min=0))
    naive = 1 / (1 + torch.exp(-psi - gate.psi.bias))
    torch.testing.assert_close(gate.attention(skip, coarse), naive, rtol=1e-12, atol=1e-12)


def test_output_is_the_weighted_skip_beside_the_decoders_feature() -> None:
    gate = gate_of()
    skip, brought, coarse = signals()
    weights = gate.attention(skip, coarse)
    assert weights.shape == (2, 1, 10, 12)
    assert 0 < weights.min() < weights.max() < 1
    assert torch.equal(gate(skip, brought, coarse), torch.cat([skip * weights, brought], 1))


@pytest.mark.parametrize("sub_sample", [1, 2])
def test_psi_of_zeros_weighs_every_pixel_by_the_sigmoid_of_its_bias(sub_sample: int) -> None:
    gate = gate_of(sub_sample=sub_sample)
    torch.nn.init.zeros_(gate.psi.weight)
    torch.nn.init.constant_(gate.psi.bias, 0.7)
    skip, _, coarse = signals()
    expected = torch.tensor(0.7).sigmoid().expand(2, 1, 10, 12)
    torch.testing.assert_close(gate.attention(skip, coarse), expected)


def test_gradient_reaches_the_skip_and_the_gating_signal() -> None:
    gate = gate_of()
    skip, brought, coarse = (t.requires_grad_() for t in signals())
    gate(skip, brought.detach(), coarse).square().sum().backward()
    for tensor in (gate.theta.weight, gate.phi.weight, gate.phi.bias, gate.psi.weight, skip, coarse):
        assert tensor.grad is not None
        assert tensor.grad.abs().max() > 0


def test_identity_init_equals_the_plain_skip() -> None:
    plain = create_model("unet", encoder="conv2d", skip="concat", overrides=CONV2D).eval()
    gated = create_model(
        "unet", encoder="conv2d", skip="attention_gate", overrides=CONV2D | {"skip.identity_init": True}
    ).eval()
    missing, unexpected = gated.load_state_dict(plain.state_dict(), strict=False)
    assert all(".merges." in key for key in missing)
    assert not unexpected
    x = torch.randn(1, 3, 20, 24)
    assert torch.equal(gated(x), plain(x))


def test_an_upsampled_signal_decides_alone() -> None:
    gate: Any = AttentionGate(ROWS, [Gate(6, (1, 1), ROWS[1])], upsampled=True).merges[0]
    skip, _, coarse = signals()
    signal = torch.randn(2, 6, 10, 12)
    with torch.no_grad():
        out = gate(skip, signal, coarse)
        assert torch.equal(gate(skip, signal, torch.randn_like(coarse)), out)
        weights = torch.sigmoid(gate.psi(F.relu(gate.theta(skip) + gate.phi(signal))))
        torch.testing.assert_close(out, torch.cat([skip * weights, signal], 1))


def test_ungated_rows_pass_as_they_are() -> None:
    model = create_model(
        "unet", encoder="conv2d", skip="attention_gate", overrides=CONV2D | {"skip.ungated": [0]}
    )
    assert [hasattr(merge, "psi") for merge in model.skip.merges] == [False, True]


def test_an_axis_that_the_encoder_does_not_pool_is_not_sub_sampled() -> None:
    model = create_model(
        "unet",
        encoder="conv3d",
        skip="attention_gate",
        in_channels=1,
        overrides={
            "encoder.channels": [4, 8, 8],
            "encoder.strides": [[1, 1, 1], [1, 2, 2], [2, 4, 4]],
            "decoder.channels": None,
            "skip.sub_sample": 2,
        },
    )
    first: Any = model.skip.merges[0]
    assert tuple(first.theta.stride) == (1, 2, 2)
    assert model(torch.zeros(1, 1, 1, 9, 9)).shape == (1, 2, 1, 9, 9)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"inner=0\.1 leaves no channels of 4"):
        gate_of(inner=0.1)
    with pytest.raises(ValueError, match="identity_init=true cannot hold with transform=true"):
        gate_of(identity_init=True, transform=True)
