"""Distances to the border, learned as a further objective."""

import pytest
import torch
from torch import Tensor

from unetzoo.auxiliary import Distance
from unetzoo.auxiliary.distance import distances
from unetzoo.inference.contract import IGNORE
from unetzoo.levels import Level
from unetzoo.losses.signed_distance import signed_distance

LEVELS = [Level(4, (2, 2)), Level(6, (4, 4))]


def naive(region: Tensor, spacing: tuple[float, ...]) -> Tensor:
    """The definition, all pairs of pixels, for a (*size) without unlabelled pixels."""
    places = torch.cartesian_prod(*(torch.arange(n) * s for n, s in zip(region.shape, spacing, strict=True)))
    inside = region.flatten()
    all_pairs = torch.cdist(places.double(), places.double(), compute_mode="donot_use_mm_for_euclid_dist")
    out = all_pairs[:, inside].min(1).values
    depth = all_pairs[:, ~inside].min(1).values
    return torch.where(inside, min(spacing) - depth, out).view(region.shape).float()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 1.0, 2.0)])
def test_signed_distance_is_its_definition(spacing: tuple[float, ...]) -> None:
    torch.manual_seed(0)
    region = torch.rand(2, 2, 4, 5, 6) > 0.8
    found = signed_distance(region, torch.ones(2, 1, 4, 5, 6, dtype=torch.bool), spacing)
    expected = torch.stack([torch.stack([naive(layer, spacing) for layer in one]) for one in region])
    torch.testing.assert_close(found, expected)


def test_without_a_border_all_is_far() -> None:
    valid = torch.ones(1, 2, 3, 3, dtype=torch.bool)
    regions = torch.stack([torch.zeros(3, 3), torch.ones(3, 3)])[None].bool()
    wanted, known = distances(regions, valid, cut=5)
    assert (wanted[:, 0] == 1).all()
    assert (wanted[:, 1] == -1).all()
    assert known.all()


def test_distances_hold_whatever_the_missing_labels_are() -> None:
    torch.manual_seed(0)
    for _ in range(10):
        truth = torch.zeros(1, 1, 12, 12, dtype=torch.bool)
        truth[..., 3:8, 4:9] = True
        valid = torch.rand(1, 1, 12, 12) > 0.1
        wanted, known = distances(truth, valid, cut=4)
        whole = (signed_distance(truth, torch.ones_like(valid)).clamp(-4, 4)) / 4
        assert 0 < known.sum() < valid.sum()
        # what is held to be known is the distance in the image with all its labels
        torch.testing.assert_close(wanted[known], whole[known])


def test_classes_have_a_distance_each_and_padding_none() -> None:
    torch.manual_seed(0)
    part = Distance(LEVELS, 3, cut=3)
    fine, target = torch.randn(2, 4, 6, 8), torch.randint(0, 3, (2, 11, 16))
    target[0, 2:5] = IGNORE
    found = part.dense([fine], target).tanh()
    assert found.shape == (2, 2, 11, 16)
    regions = torch.stack([target == 1, target == 2], 1)
    wanted, known = distances(regions, (target != IGNORE).unsqueeze(1).expand_as(regions), cut=3)
    torch.testing.assert_close(part([fine], target), (found - wanted)[known].square().mean())
    assert part([fine], torch.full_like(target, IGNORE)).item() == 0


def test_overlapping_classes_are_announced() -> None:
    fine, masks = torch.randn(2, 4, 6, 8), torch.randint(0, 2, (2, 3, 12, 16))
    assert Distance(LEVELS, 3, overlapping=True)([fine], masks) > 0
    with pytest.raises(ValueError, match=r"set overlapping as data\.multilabel is"):
        Distance(LEVELS, 3)([fine], masks)
    with pytest.raises(ValueError, match="positive number of pixels, got 0"):
        Distance(LEVELS, 3, cut=0)
