from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.skips import ScaleSkip
from unetzoo.unet import UNet

ROWS = [Level(4, (1, 1)), Level(4, (2, 2)), Level(8, (4, 4)), Level(8, (8, 8))]
GATES = [Gate(8, fine.stride, coarse) for fine, coarse in pairwise(ROWS)]


def scales(**options: Any) -> list[float]:
    ones = [torch.ones(1, c, 2, 2) for c, _ in ROWS]
    *skips, bottleneck = ScaleSkip(ROWS, GATES, **options)(ones)
    assert bottleneck is ones[-1]
    assert all((s == s.flatten()[0]).all() for s in skips)
    return [s.flatten()[0].item() for s in skips]


def network(**overrides: Any) -> UNet:
    torch.manual_seed(0)
    small = {"encoder.channels": [4, 8, 8], "decoder.channels": [4, 8, 8]}
    return create_model(encoder="conv2d", skip="scale", overrides=small | overrides).eval().double()


def test_the_finest_skip_passes_and_deeper_ones_shrink_by_powers() -> None:
    assert scales(kappa=0.5) == [1, 0.5, 0.25]
    assert scales(mode="constant") == pytest.approx([0.5**0.5] * 3)
    assert scales(mode="linear", ends=(1.0, 0.6)) == pytest.approx([1, 0.8, 0.6])


def test_kappa_of_one_is_the_plain_skip() -> None:
    plain = create_model(
        encoder="conv2d", overrides={"encoder.channels": [4, 8, 8], "decoder.channels": [4, 8, 8]}
    ).double()
    x = torch.randn(1, 3, 9, 11, dtype=torch.float64)
    one = network(**{"skip.kappa": 1.0})
    one.load_state_dict(plain.state_dict(), strict=True)  # scales are no weights: those of a U-Net fit
    assert torch.equal(one(x), plain.eval()(x))


def test_scales_fold_into_the_convolution_that_follows() -> None:
    scaled, folded = network(**{"skip.kappa": 0.5}), network(**{"skip.kappa": 1.0})
    folded.load_state_dict(scaled.state_dict())
    widths = [level.channels for level in scaled.skip.levels]
    with torch.no_grad():
        for row, block in enumerate(folded.decoder.blocks):  # type: ignore[arg-type]
            block[0].weight[:, : widths[row]] *= 0.5**row  # [skip, gate]
    x = torch.randn(2, 3, 13, 10, dtype=torch.float64)
    torch.testing.assert_close(folded(x), scaled(x), rtol=1e-12, atol=1e-12)


def test_twice_the_skip_at_half_the_scale_is_the_same() -> None:
    x = [torch.randn(1, c, 2, 2) for c, _ in ROWS]
    half, whole = ScaleSkip(ROWS, GATES, kappa=0.25), ScaleSkip(ROWS, GATES, kappa=0.5)
    doubled = [x[0], 2 * x[1], 4 * x[2], x[3]]
    for a, b in zip(half(doubled), whole(x), strict=True):
        assert torch.equal(a, b)


def test_learned_scales_start_where_they_are_told_and_move() -> None:
    assert scales(trainable=True, kappa=0.5) == [1, 0.5, 0.25]
    assert scales(identity_init=True) == [1, 1, 1]
    skip = ScaleSkip(ROWS, GATES, trainable=True)
    F.mse_loss(skip([torch.ones(1, c, 2, 2) for c, _ in ROWS])[1], torch.zeros(1, 4, 2, 2)).backward()  # type: ignore[no-untyped-call]
    second = list(skip.parameters())[1]
    assert second.grad is not None
    assert second.grad.item() == pytest.approx(2 * 0.7)
    assert not list(ScaleSkip(ROWS, GATES).parameters())


def test_the_learned_gate_lies_between_zero_and_one() -> None:
    model = create_model(encoder="conv2d", skip="scale_learned", overrides={"encoder.channels": [32, 64, 64]})
    block: Any = model.skip.blocks[1]  # type: ignore[index]
    weights = block.weights(10 * torch.randn(2, 64, 3, 3))
    assert 0 < weights.min() < weights.max() < 1
    assert block.squeeze.weight.shape == (4, 64, 1, 1)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="mode 'cs' is unknown; choose power, constant, linear"):
        scales(mode="cs")
