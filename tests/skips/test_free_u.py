from typing import Any

import pytest
import torch
from torch import Tensor

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.skips import FreeU
from unetzoo.skips.free_u import low_pass

ROWS = [Level(4, (1, 1)), Level(4, (2, 2)), Level(6, (4, 4)), Level(8, (8, 8))]
GATES = [Gate(6, (1, 1), ROWS[1]), Gate(6, (2, 2), ROWS[2]), Gate(8, (4, 4), ROWS[3])]
SMALL = {"encoder.channels": [4, 8, 8, 8], "decoder.channels": [4, 8, 8, 8]}


def deepest(**options: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Skip and gate of the deepest row, and what is made of them."""
    torch.manual_seed(0)
    skip, gate = torch.randn(2, 6, 7, 10), torch.randn(2, 8, 7, 10)
    return skip, gate, FreeU(ROWS, GATES, **options).merges[-1](skip, gate, gate)


def by_fft(x: Tensor, threshold: int) -> Tensor:
    """The same filter, the other way."""
    axes = tuple(range(2, x.dim()))
    spectrum = torch.fft.fftn(x, dim=axes)
    for axis in axes:
        k = torch.arange(x.shape[axis])
        keep = torch.minimum(k, x.shape[axis] - k) <= threshold
        spectrum = spectrum * keep.reshape(-1, *[1] * (x.dim() - 1 - axis))
    filtered: Tensor = torch.fft.ifftn(spectrum, dim=axes)
    assert filtered.imag.abs().max() < 1e-12  # symmetric, so nothing is dropped
    return filtered.real


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (1, 9), (2, 3), (4, 1), (5, 6, 7), (2, 1, 4)], ids=str)
@pytest.mark.parametrize("threshold", [0, 1, 2])
def test_projection_on_waves_is_the_fourier_filter(size: tuple[int, ...], threshold: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    # angles are made in float32, as half-precision networks need them
    torch.testing.assert_close(low_pass(x, threshold), by_fft(x, threshold), rtol=0, atol=2e-6)


def test_low_pass_is_a_projection() -> None:
    x = torch.randn(1, 2, 9, 12)
    once = low_pass(x, 1)
    torch.testing.assert_close(low_pass(once, 1), once, rtol=0, atol=1e-5)


def test_factors_of_one_are_the_plain_skip() -> None:
    for version in (1, 2):
        skip, gate, out = deepest(backbone=[1, 1], skip=[1, 1], version=version)
        assert torch.equal(out, torch.cat([skip, gate], 1))


def test_removing_the_mean_alone_leaves_maps_of_mean_zero() -> None:
    skip, _, out = deepest(skip=[0, 0], threshold=0)
    torch.testing.assert_close(out[:, :6].mean((2, 3)), torch.zeros(2, 6), rtol=0, atol=1e-6)
    torch.testing.assert_close(out[:, :6], skip - skip.mean((2, 3), keepdim=True), rtol=0, atol=1e-5)


@pytest.mark.parametrize("version", [1, 2])
def test_the_second_half_of_the_decoders_channels_is_untouched(version: int) -> None:
    _, gate, out = deepest(version=version)
    assert torch.equal(out[:, 6 + 4 :], gate[:, 4:])
    factor = out[:, 6:10] / gate[:, :4]
    if version == 1:
        torch.testing.assert_close(factor, torch.full_like(factor, 1.2))
    else:
        peak, trough = (gate.mean(1).flatten(1).argmax(1), gate.mean(1).flatten(1).argmin(1))
        flat = factor.flatten(2)
        for b in range(2):
            torch.testing.assert_close(flat[b, :, peak[b]], torch.full((4,), 1.2))
            torch.testing.assert_close(flat[b, :, trough[b]], torch.ones(4))


def test_only_the_deepest_two_rows_are_changed() -> None:
    plain = create_model(encoder="conv2d", overrides=SMALL).eval()
    free = create_model(encoder="conv2d", skip="free_u", overrides=SMALL).eval()
    free.load_state_dict(plain.state_dict(), strict=True)  # nothing is trained, so any U-Net's weights fit
    kinds = [type(merge).__name__ for merge in free.skip.merges]
    assert kinds == ["Concat", "_FreeU", "_FreeU"]
    assert [free.skip.merges[i].backbone for i in (1, 2)] == [1.4, 1.2]
    x = torch.randn(1, 3, 24, 16)
    assert not torch.allclose(free(x), plain(x))


def test_a_flat_map_has_no_structure_and_no_nan() -> None:
    merge = FreeU(ROWS, GATES, version=2).merges[-1]
    skip, gate = torch.ones(1, 6, 4, 4), torch.ones(1, 8, 4, 4)
    assert torch.equal(merge(skip, gate, gate)[:, 6:], gate)


def test_learned_factors_get_gradients_and_start_as_told() -> None:
    skip = FreeU(ROWS, GATES, trainable=True)
    assert [round(p.item(), 6) for p in skip.parameters()] == [1.4, 0.2, 1.2, 0.9]
    assert [p.item() for p in FreeU(ROWS, GATES, identity_init=True).parameters()] == [1, 1, 1, 1]
    assert not list(FreeU(ROWS, GATES).parameters())


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="backbone lists 1 factors and skip 2"):
        deepest(backbone=[1.2])
    with pytest.raises(ValueError, match="version=3 is unknown"):
        deepest(version=3)
