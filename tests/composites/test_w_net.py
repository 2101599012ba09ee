"""What the W-Net's two halves learn from what, and what of it prediction sees."""

from typing import Any

import pytest
import torch
from torch import Tensor

from unetzoo import create_model
from unetzoo.composites import WNet
from unetzoo.skips import AttentionGate

SMALL: dict[str, Any] = {"encoder.channels": [4, 8], "encoder.block": None}

NOISY: dict[str, Any] = {
    "ncut": {"radius": 2.5, "sigma_intensity": 0.2},
    "reconstruction": "mse",  # structure is mostly noise in a picture this plain
    "weights": {"ncut": 1.0, "reconstruction": 20.0},
    **{"encoder.norm": "instance", "decoder.norm": "instance"},  # no running statistics to wait for
}


def w_net(**overrides: Any) -> Any:
    torch.manual_seed(0)
    return create_model("w_net", in_channels=1, num_classes=3, overrides=SMALL | overrides)


def losses(model: Any, x: Tensor) -> dict[str, Tensor]:
    nothing = torch.full((len(x), *x.shape[2:]), 255)
    found: dict[str, Tensor] = model.forward_train(x, nothing)[1]
    return found


def halves(model: WNet) -> tuple[list[Tensor], list[Tensor]]:
    second: list[Tensor] = [*model.reconstructor.parameters()]
    return [p for p in model.parameters() if all(p is not q for q in second)], second


def test_the_cut_teaches_the_segmenter_alone_and_the_rebuilt_image_both() -> None:
    model = w_net()
    found = losses(model, torch.rand(2, 1, 12, 16))
    assert [*found] == ["ncut", "reconstruction"]
    first, second = halves(model)
    cut = torch.autograd.grad(found["ncut"], first + second, allow_unused=True, retain_graph=True)
    assert all(g is not None for g in cut[: len(first)])
    assert all(g is None for g in cut[len(first) :])
    rebuilt = torch.autograd.grad(found["reconstruction"], first + second, allow_unused=True)
    assert all(g is not None for g in rebuilt)


def test_prediction_is_the_segmenters_whatever_the_other_half_does() -> None:
    model = w_net().eval()
    x = torch.rand(1, 1, 13, 10)
    with torch.inference_mode():
        before = model(x)
        for parameter in model.reconstructor.parameters():
            parameter.normal_()
        assert torch.equal(model(x), before)
        assert torch.equal(model.forward_train(x, torch.zeros(1, 13, 10))[0][0], before)


def test_losses_see_the_value_range_as_black_to_white() -> None:
    x = torch.rand(2, 1, 8, 8)
    model = w_net().eval()
    with torch.inference_mode():
        logits = model(x)
        cut = model.ncut(logits.softmax(1), x)
        torch.testing.assert_close(losses(model, x)["ncut"], cut)
        # outside the range is black or white
        torch.testing.assert_close(losses(model, x * 4 - 1)["ncut"], model.ncut(
            model(x * 4 - 1).softmax(1), (x * 4 - 1).clamp(0, 1)))  # fmt: skip
        torch.testing.assert_close(
            losses(w_net(value_range=[-3, 3]).eval(), x)["ncut"], model.ncut(logits.softmax(1), (x + 3) / 6)
        )


def test_training_finds_two_regions_without_a_label() -> None:
    y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    disc = ((y - 7) ** 2 + (x - 8) ** 2 < 25).float()
    torch.manual_seed(1)
    image = (0.25 + 0.5 * disc + 0.05 * torch.randn(4, 1, 16, 16)).clamp(0, 1)
    torch.manual_seed(0)
    model: Any = create_model("w_net", in_channels=1, num_classes=2, overrides=SMALL | NOISY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        torch.stack([*losses(model, image).values()]).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.inference_mode():
        segment = model.eval()(image).argmax(1).float()
    agreement = (segment == disc).float().mean().item()
    assert max(agreement, 1 - agreement) > 0.97


def test_both_halves_have_the_skip_that_is_asked_for() -> None:
    model: Any = create_model("w_net", skip="attention_gate", in_channels=2, overrides=SMALL)
    assert type(model.skip) is type(model.reconstructor.skip) is AttentionGate
    assert (model.reconstructor.in_channels, model.reconstructor.outputs) == (model.num_classes, 2)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="needs a softmax head, not sigmoid"):
        create_model("w_net", head="multilabel", overrides=SMALL)
    with pytest.raises(ValueError, match="reconstruction 'l1' is unknown; choose ssim or mse"):
        w_net(reconstruction="l1")
    with pytest.raises(ValueError, match="weights are of ncut and reconstruction"):
        w_net(weights={"nuct": 1.0})
