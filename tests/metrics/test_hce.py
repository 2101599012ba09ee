"""Human correction efforts on errors that can be counted by hand."""

import numpy as np
import pytest
from scipy import ndimage

from unetzoo.metrics import Corrections, human_correction_efforts
from unetzoo.metrics.hce import _skeleton


def empty() -> np.ndarray:
    return np.zeros((120, 160), bool)


def thick_object() -> np.ndarray:
    mask = empty()
    mask[30:90, 40:110] = True
    return mask


def blob(size: tuple[int, int], seed: int) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(size), 4)
    return np.asarray(field > 0.3 * field.std())


@pytest.mark.parametrize("mask", [empty(), thick_object(), blob((80, 90), 0), ~empty()])
def test_a_perfect_mask_costs_nothing(mask: np.ndarray) -> None:
    assert human_correction_efforts(mask, mask) == Corrections(0, 0, 0, 0)


def test_a_thick_spurious_blob_costs_one_click_and_a_thin_one_none() -> None:
    reference = thick_object()
    for width, clicks in ((13, 1), (9, 0)):
        prediction = reference.copy()
        prediction[5 : 5 + width, 125 : 125 + width] = True
        assert human_correction_efforts(prediction, reference) == Corrections(0, clicks, 0, 0)


def test_a_thick_missing_blob_has_control_points_and_a_hole_costs_one_click() -> None:
    reference = thick_object()
    prediction = reference.copy()
    prediction[50:70, 60:80] = False
    assert human_correction_efforts(prediction, reference) == Corrections(0, 0, 0, 1)
    reference[5:25, 125:145] = True
    missed = human_correction_efforts(prediction, reference)
    assert missed.missed_regions == 1
    # the cross cuts the corners of the square: eight of them, and the open polygon ends where it began
    assert missed.missed_points == 9
    assert missed.total == 10


@pytest.mark.parametrize("grow", [True, False])
def test_a_thick_object_one_pixel_too_large_or_too_small_costs_nothing(grow: bool) -> None:
    change = ndimage.binary_dilation if grow else ndimage.binary_erosion
    assert human_correction_efforts(np.asarray(change(thick_object())), thick_object()).total == 0


def test_a_broken_thin_structure_is_charged_though_it_is_thin() -> None:
    reference = thick_object()
    reference[60, 110:150] = True
    assert human_correction_efforts(thick_object(), reference).missed_points > 0


def test_a_bulge_is_charged_where_it_meets_the_object_and_not_where_it_ends() -> None:
    prediction = thick_object()
    prediction[45:75, 110:140] = True
    effort = human_correction_efforts(prediction, thick_object())
    # the straight seam has two ends
    assert effort == Corrections(2, 0, 0, 0)


def test_more_patience_forgives_more() -> None:
    reference, prediction = blob((80, 90), 1), blob((80, 90), 2)
    efforts = [human_correction_efforts(prediction, reference, gamma=g).total for g in (0, 2, 5)]
    assert efforts == sorted(efforts, reverse=True)
    assert efforts[0] > efforts[-1]


def test_skeleton_is_thin_inside_and_keeps_every_piece() -> None:
    mask = blob((80, 90), 3)
    thin = _skeleton(mask)
    assert not (thin & ~mask).any()
    square = ndimage.generate_binary_structure(2, 2)
    labels, count = ndimage.label(mask, square)
    assert len(set(labels[thin].tolist())) == count
    # no pixel has all its four neighbours
    assert not ndimage.binary_erosion(thin).any()
    line = np.zeros((9, 30), bool)
    line[2:7, 2:28] = True
    assert _skeleton(line).sum(0).max() == 1
    assert set(np.flatnonzero(_skeleton(line).any(1)).tolist()) == {4}


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="are for two 2D masks of one size"):
        human_correction_efforts(np.zeros((4, 4, 4), bool), np.zeros((4, 4, 4), bool))
