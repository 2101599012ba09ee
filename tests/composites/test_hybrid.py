"""How slices and volume see each other in H-DenseUNet."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unetzoo import create_model
from unetzoo.composites.hybrid import stacked

SMALL: dict[str, Any] = {
    "encoder.stem": 4,
    "encoder.growth": 2,
    "encoder.layers": [1, 2],
    "encoder.strides": [[2, 2, 2], [4, 4, 4], [4, 8, 8]],
    "decoder.channels": [4, 4, 6],
    "slices.encoder": {"_target_": "unetzoo.encoders.ConvEncoder", "_partial_": True, "channels": [4, 6]},
    "slices.decoder.channels": [4],
    "dropout": 0.0,
}


def hybrid(**overrides: Any) -> Any:
    torch.manual_seed(0)
    return create_model("h_dense_unet", in_channels=1, num_classes=3, overrides=SMALL | overrides)


def volume(depth: int = 4) -> Tensor:
    return torch.randn(2, 1, depth, 8, 16, generator=torch.Generator().manual_seed(1))


def test_widths_and_sizes_are_the_published_ones(count: Callable[[nn.Module], int]) -> None:
    with torch.device("meta"):
        model: Any = create_model("h_dense_unet", in_channels=1, num_classes=3)
    assert [level.channels for level in model.slices.encoder.levels] == [96, 384, 768, 2112, 2208]
    assert [level.channels for level in model.encoder.levels] == [96, 192, 224, 496, 504]
    assert model.encoder.levels[-1].stride == (4, 32, 32)
    assert count(model.slices) == 49_527_843
    assert count(model.slices.encoder) == 26_472_000
    assert count(model.encoder) + count(model.decoder) == 15_977_272  # the published 15.98 M
    assert count(model.skip) == 496 * 504 + 504
    assert count(model.fuse) + count(model.heads) == 110_979


def test_a_slice_is_stacked_between_its_neighbours_and_ends_are_repeated() -> None:
    x = torch.arange(4.0).reshape(1, 1, 4, 1, 1)
    assert stacked(x, 3).flatten(1).tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    assert stacked(x[:, :, :1], 5).flatten(1).tolist() == [[0] * 5]


def test_unstacking_gives_every_slice_its_place_again() -> None:
    x = volume()
    flat = stacked(x, 1)
    assert torch.equal(flat.reshape(2, 4, 1, 8, 16).transpose(1, 2), x)


def test_the_2d_network_sees_a_slice_and_its_neighbours_alone() -> None:
    model = hybrid().eval()
    x = volume(depth=8)
    y = x.clone()
    y[:, :, :3] += 1
    with torch.inference_mode():
        before, after = model.see_slices(x)[1], model.see_slices(y)[1]
    assert torch.equal(before[:, :, 4:], after[:, :, 4:])
    assert not torch.equal(before[:, :, 3], after[:, :, 3])


def test_fusion_adds_the_features_of_both() -> None:
    model = hybrid().eval()
    x = volume()
    with torch.inference_mode():
        features, _ = model.see_slices(x)
        model.decoder.forward = lambda skips, merge: [torch.zeros_like(features)]
        expected = model.heads[0]([model.fuse(features)])
        torch.testing.assert_close(model(x), expected)


def test_gradients_reach_both_networks_and_stop_at_frozen_slices() -> None:
    model = hybrid()
    model(volume()).square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())
    model = hybrid()
    model.slices.requires_grad_(False)
    model(volume()).square().mean().backward()
    assert all((p.grad is None) == name.startswith("slices.") for name, p in model.named_parameters())


def test_refuses_networks_that_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="context=2 must be odd"):
        hybrid(context=2)
    with pytest.raises(ValueError, match="give both the same width"):
        hybrid(**{"slices.decoder.channels": [8]})
    with pytest.raises(ValueError, match="slices must be 2D and the rest 3D"):
        hybrid(**{"slices.encoder": SMALL["slices.encoder"] | {"ndim": 3}})
