from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.inference.contract import DataSpec
from unetzoo.inference.network import OnnxNetwork
from unetzoo.levels import Gate, Level, MaskedLevel
from unetzoo.onnx_export import export
from unetzoo.skips import ShiftConnection
from unetzoo.skips.shift import shift

ROWS = [MaskedLevel(5, (1, 1)), Level(8, (2, 2))]
GATES = [Gate(4, (1, 1), ROWS[1])]


def tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    known, guess = torch.randn(2, 2, 4, 5, 6, dtype=torch.float64)
    invalid = torch.zeros(2, 1, 5, 6, dtype=torch.bool)
    invalid[0, 0, 1:3, 2:4] = True  # not the same number in each image
    invalid[1, 0, 4, 5] = True
    return known, guess, invalid


def test_each_invalid_pixel_gets_an_exact_copy_of_the_most_similar_valid_one() -> None:
    known, guess, invalid = tensors()
    out = shift(known, guess, invalid)
    for b in range(2):
        valid = known[b, :, ~invalid[b, 0]]
        for i, j in invalid[b, 0].nonzero().tolist():
            likeness = F.cosine_similarity(guess[b, :, i, j, None], valid, dim=0)
            assert torch.equal(out[b, :, i, j], valid[:, likeness.argmax()])
    assert out[~invalid.expand_as(out)].abs().max() == 0


def test_nothing_invalid_and_nothing_valid_shift_nothing() -> None:
    known, guess, invalid = tensors()
    assert shift(known, guess, torch.zeros_like(invalid)).abs().max() == 0
    assert shift(known, guess, torch.ones_like(invalid)).abs().max() == 0


def test_where_the_valid_pixels_stand_does_not_matter() -> None:
    known, guess, invalid = tensors()
    order = torch.randperm(int((~invalid[0, 0]).sum()))
    valid = known[0, :, ~invalid[0, 0]]
    shuffled = known.clone()
    shuffled[0, :, ~invalid[0, 0]] = valid[:, order]
    assert torch.equal(shift(known, guess, invalid), shift(shuffled, guess, invalid))


def test_gradient_is_conserved_and_returns_to_the_pixels_copied_from() -> None:
    known, guess, invalid = tensors()
    known.requires_grad_()
    guess.requires_grad_()
    out = shift(known, guess, invalid)
    upstream = torch.randn_like(out)
    out.backward(upstream)  # type: ignore[no-untyped-call]
    assert known.grad is not None
    assert guess.grad is None
    torch.testing.assert_close(known.grad.sum((2, 3)), (upstream * invalid).sum((2, 3)))
    assert known.grad[invalid.expand_as(out)].abs().max() == 0


def test_skip_decoder_and_shifted_lie_beside_each_other() -> None:
    known, guess, invalid = (t.float() for t in tensors())
    merge: Any = ShiftConnection(ROWS, GATES).merges[0]
    skip = torch.cat([known, invalid], 1)
    expected = torch.cat([skip, guess, shift(known, guess, invalid.bool())], 1)
    assert torch.equal(merge(skip, guess, guess), expected)
    assert merge.channels == expected.shape[1] == 13


def test_without_a_mask_in_the_row_the_shifted_channels_are_zero() -> None:
    known, guess, _ = (t.float() for t in tensors())
    rows = [Level(4, (1, 1)), ROWS[1]]
    merge: Any = ShiftConnection(rows, GATES).merges[0]
    assert torch.equal(merge(known, guess, guess), torch.cat([known, guess, torch.zeros_like(known)], 1))


def test_only_the_rows_asked_for_are_shifted() -> None:
    model = create_model("shift_unet", overrides={"encoder.encoder.channels": [4, 4, 4], "skip.rows": [0]})
    assert [hasattr(merge, "threshold") for merge in model.skip.merges] == [True, False]


def test_a_hole_in_the_image_is_filled_by_the_named_model() -> None:
    small = {"encoder.encoder.channels": [4, 6, 8], "decoder.channels": [4, 6]}
    model = create_model("shift_unet", overrides=small).eval()
    seen: list[torch.Tensor] = []
    model.skip.merges[1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    torch.manual_seed(0)
    x = torch.randn(1, 3, 32, 32)
    x[:, :, 8:16, 8:16] = 0
    with torch.inference_mode():
        model(x)
    shifted = seen[0][:, -6:].abs().sum(1)[0]
    hole = torch.zeros(16, 16, dtype=torch.bool)
    hole[4:8, 4:8] = True
    assert (shifted[hole] > 0).all()
    assert (shifted[~hole] == 0).all()


def test_onnx_runtime_fills_the_same_hole(tmp_path: Path, data_of: Callable[..., DataSpec]) -> None:
    small = {"encoder.encoder.channels": [4, 6, 8], "decoder.channels": [4, 6]}
    torch.manual_seed(0)
    model = create_model("shift_unet", overrides=small).eval()
    path = export(model, tmp_path / "model.onnx", data=data_of(model, (32, 40)), dynamic=True)
    x = torch.randn(2, 3, 28, 36)
    x[:, :, 8:16, 8:16] = 0
    with torch.inference_mode():
        expected = model(x).numpy()
    # one cosine that ties another in the last digit would copy another pixel: none does with this seed
    assert np.abs(OnnxNetwork(path)(x.numpy()) - expected).max() <= 1e-4 * np.abs(expected).max()
