from pathlib import Path
from typing import Any

import pytest
import torch

from unetzoo import create_model, load
from unetzoo.pruning import prune
from unetzoo.unet import UNet


def plus_plus(encoder: str = "conv2d", **changes: Any) -> UNet:
    torch.manual_seed(0)
    overrides = {"encoder.channels": [4, 6, 8, 10], "decoder.channels": [5, 7, 9]} | changes
    if encoder.startswith("residual"):
        overrides["encoder.blocks"] = [1, 1, 1, 1]
    return create_model("unet_plus_plus", encoder=encoder, in_channels=2, overrides=overrides).eval()


def spread(model: UNet) -> UNet:
    """Running statistics and biases away from zeros and ones."""
    with torch.no_grad():
        for tensor in [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]:
            tensor.add_(0.1 * torch.rand_like(tensor))
    return model


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(
    ("encoder", "sources", "size"),
    [
        ("conv2d", "dense", (32, 24)),
        ("conv2d", "dense", (37, 53)),
        ("residual2d", "dense", (37, 53)),
        ("conv3d", "dense", (9, 11, 13)),
        ("conv2d", "short", (37, 53)),
        ("conv2d", "ensemble", (37, 53)),
    ],
)
def test_pruned_network_equals_side_output(
    encoder: str, sources: str, size: tuple[int, ...], depth: int
) -> None:
    model = spread(plus_plus(encoder, **{"skip.sources": sources}))
    x = torch.randn(2, 2, *size)
    with torch.inference_mode():
        heads = model.forward_deep(x)
        # the main head is X[0][3], side head d is X[0][d]
        assert torch.equal(prune(model, depth)(x), heads[0 if depth == 3 else depth])


@pytest.mark.parametrize("sources", ["dense", "short", "ensemble"])
def test_pruning_leaves_the_model_as_it_was_and_keeps_no_dead_weight(sources: str) -> None:
    model = plus_plus(**{"skip.sources": sources})
    before = {k: v.clone() for k, v in model.state_dict().items()}
    for depth in (1, 2, 3):
        small = model.prune(depth)
        small(torch.randn(1, 2, 16, 16)).sum().backward()
        assert all(p.grad is not None for p in small.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_pruned_parts_publish_true_widths() -> None:
    small: Any = plus_plus().prune(2)
    seen = small.skip(small.encoder(torch.zeros(1, 2, 16, 16)))
    assert [t.shape[1] for t in seen] == [level.channels for level in small.skip.levels] == [8, 6, 8]
    assert small.skip.merged == [block[0].in_channels for block in small.decoder.blocks]
    assert [gate.coarse for gate in small.decoder.gates] == small.encoder.levels[1:]


def test_pruned_model_survives_saving(tmp_path: Path) -> None:
    small = spread(plus_plus()).prune(1)
    again = load(small.save_pretrained(tmp_path))
    x = torch.randn(1, 2, 21, 30)
    with torch.inference_mode():
        assert torch.equal(again(x), small(x))


@pytest.mark.parametrize(
    ("model", "depth", "message"),
    [
        (lambda: plus_plus(), 0, "depth 0 is not between 1 and 3"),
        (lambda: plus_plus(), 4, "depth 4 is not between 1 and 3"),
        (lambda: plus_plus(deep_supervision=False), 1, "no side heads"),
        (lambda: create_model(encoder="conv2d"), 1, "only UNet"),
        (
            lambda: create_model("unet_plus_plus", encoder="resnet10t"),
            1,
            "TimmEncoder cannot be cut to 2 levels",
        ),
    ],
)
def test_refused_with_the_reason(model: Any, depth: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model().prune(depth)
