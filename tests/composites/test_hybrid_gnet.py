"""What a network of contours says, and what its graph learns from."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unetzoo import create_model
from unetzoo.auxiliary.contours import contours_of

SMALL: dict[str, Any] = {
    **{"encoder.channels": [4, 8, 8], "organs": [10], "size": [32, 48], "latents": 8},
    **{"width": 8, "order": 3, "igsc_levels": [2, 1]},
}


def gnet(*, num_classes: int = 2, **overrides: Any) -> Any:
    torch.manual_seed(0)
    return create_model("hybrid_gnet", in_channels=1, num_classes=num_classes, overrides=SMALL | overrides)


def picture(count: int = 2, *, height: int = 40, width: int = 56) -> tuple[Tensor, Tensor]:
    """Noisy pictures of a disc somewhere, and their masks."""
    torch.manual_seed(1)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    at = torch.rand(count, 2, 1, 1) * 10 + 15
    mask = ((y - at[:, 0]) ** 2 + (x - at[:, 1]) ** 2 < 100).long()
    return mask.unsqueeze(1) + 0.1 * torch.randn(count, 1, height, width), mask


@pytest.mark.parametrize(
    ("organs", "levels", "expected"),
    [
        ([44, 50, 26], [], 17_461_074),
        ([44, 50, 26], [5], 17_486_066),
        ([44, 50, 26], [5, 4], 17_511_090),
        ([44, 50, 26, 23, 23], [], 17_486_034),
        ([44, 50, 26, 23, 23], [5], 17_511_026),
        ([44, 50, 26, 23, 23], [5, 4], 17_536_050),
    ],
)
def test_has_the_published_size_with_fewer_lookups_and_more_organs(
    organs: list[int], levels: list[int], expected: int, count: Callable[[nn.Module], int]
) -> None:
    with torch.device("meta"):
        overrides = {"organs": organs, "igsc_levels": levels}
        model: Any = create_model(
            "hybrid_gnet", in_channels=1, num_classes=len(organs) + 1, overrides=overrides
        )
    assert count(model) == expected
    assert count(model.latent) == 16_777_344
    assert count(model.encoder) == 17_380_050 - 16_777_344


@pytest.mark.parametrize(("width", "height"), [(33, 64), (48, 32)])
def test_the_mask_is_the_filled_contour_at_any_size(width: int, height: int) -> None:
    model, x = gnet().eval(), torch.randn(2, 1, height, width)
    with torch.inference_mode():
        points = model.landmarks(x)
        assert points.shape == (2, 10, 2)
        torch.testing.assert_close(model(x), model.head(points, x))


def test_only_training_draws_the_latent_numbers() -> None:
    model, x = gnet(), picture()[0]
    with torch.inference_mode():
        assert not torch.equal(model.landmarks(x), model.landmarks(x))
        model.eval()
        assert torch.equal(model.landmarks(x), model.landmarks(x))


@pytest.mark.parametrize("levels", [[2, 1], [2], []])
def test_every_parameter_learns_from_the_models_own_losses(levels: list[int]) -> None:
    model = gnet(igsc_levels=levels).train()
    found = model.forward_train(*picture())[1]
    assert [*found] == ["landmarks", *["coarse", "middle"][: len(levels)], "kl"]
    sum(found.values()).backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.parameters())


def test_positions_that_are_detached_learn_nothing_from_what_was_looked_up() -> None:
    x = picture()[0]

    def gradient(detach: bool) -> Tensor:
        # without a way for the positions themselves, the lookup is the only one
        model = gnet(detach_coords=detach).eval()
        model.decoder.end.linear.weight.data.unflatten(1, (3, -1))[..., -2:] = 0
        total = model.contours(x).landmarks.sum()
        weight = model.decoder.lookups[1].position.weight
        found: tuple[Tensor] = torch.autograd.grad(total, weight)
        return found[0]

    assert not gradient(True).any()
    assert gradient(False).any()


def test_the_losses_are_the_papers() -> None:
    model, (x, mask) = gnet(weights={"landmarks": 1, "middle": 1, "coarse": 2, "kl": 1}).eval(), picture()
    with torch.inference_mode():
        found, losses = model.contours(x), model.forward_train(x, mask)[1]
        wanted, known = contours_of(mask, [10])
        assert known.all()
        mse, halve = nn.functional.mse_loss, model.decoder.halve
        torch.testing.assert_close(losses["landmarks"], mse(found.landmarks, wanted))
        torch.testing.assert_close(losses["middle"], mse(found.middle, wanted))
        torch.testing.assert_close(losses["coarse"], 2 * mse(found.coarse, halve @ wanted))
        normal = torch.distributions.Normal(found.mu, (0.5 * found.logvar).exp())
        divergence = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0, 1)).mean()
        torch.testing.assert_close(losses["kl"], divergence)


def test_organs_that_a_mask_does_not_have_are_not_learned() -> None:
    model, (x, mask) = gnet(num_classes=3, organs=[8, 12]).eval(), picture()
    losses = model.forward_train(x, mask)[1]  # class 1 alone
    points = model.contours(x).landmarks
    wanted, _ = contours_of(mask, [8, 12])
    expected = 100 * nn.functional.mse_loss(points[:, :8], wanted[:, :8])
    torch.testing.assert_close(losses["landmarks"], expected)
    nothing = model.forward_train(x, torch.zeros_like(mask))[1]
    assert [nothing[k].item() for k in ("landmarks", "coarse", "middle")] == [0, 0, 0]


def test_learns_where_discs_are_from_masks_alone() -> None:
    model, (x, mask) = gnet(organs=[16], latents=16, width=16).train(), picture(4)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(100):
        optimizer.zero_grad()
        (logits,), losses = model.forward_train(x, mask)
        total = nn.functional.cross_entropy(logits, mask) + sum(losses.values())
        total.backward()
        optimizer.step()
    with torch.inference_mode():
        found = model.eval()(x).argmax(1)
    assert float(2 * (found & mask).sum() / (found.sum() + mask.sum())) > 0.9


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"organs=\[5\] must list contours of six nodes or more"):
        gnet(organs=[5])
    with pytest.raises(
        ValueError, match=r"organs=\[10\] lists 1 contours for 2 classes besides the background"
    ):
        gnet(num_classes=3)
    with pytest.raises(ValueError, match=r"size=\[30, 48\] must be multiples of the encoder's stride"):
        gnet(size=[30, 48])
    with pytest.raises(ValueError, match=r"igsc_levels=\[3\] must list up to two of the rows 0 to 2"):
        gnet(igsc_levels=[3])
    with pytest.raises(ValueError, match="window=2 must be odd"):
        gnet(window=2)
    with pytest.raises(ValueError, match="weights are of landmarks, coarse, middle and kl"):
        gnet(weights={"mse": 1.0})
    with pytest.raises(ValueError, match="the encoder must be 2D"):
        create_model("hybrid_gnet", encoder="conv3d", overrides=SMALL | {"size": [32, 32]})
