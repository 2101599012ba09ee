"""Overlap measures against torchmetrics and against masks small enough to count by hand."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_stat_scores

from unetzoo.inference.contract import IGNORE, ClassSpec, DataSpec, Normalisation
from unetzoo.metrics import Counts, EmptyPolicy, check_empty, count, foreground, overlap


def spec(*names: str, multilabel: bool = False) -> DataSpec:
    classes = tuple(ClassSpec(name, (i,), (i, i, i)) for i, name in enumerate(names))
    return DataSpec(2, ("grey",), classes, Normalisation("minmax"), (8, 8), multilabel=multilabel)


def test_counts_agree_with_torchmetrics_and_leave_out_ignored_pixels() -> None:
    random = np.random.default_rng(0)
    prediction = random.integers(0, 4, (37, 23)).astype(np.uint8)
    reference = random.integers(0, 4, (37, 23)).astype(np.uint8)
    reference[random.random((37, 23)) < 0.2] = IGNORE
    ours = count(prediction, reference, 4)
    theirs = multiclass_stat_scores(
        torch.from_numpy(prediction)[None].long(),
        torch.from_numpy(reference)[None].long(),
        num_classes=4,
        average="none",
        ignore_index=IGNORE,
    ).numpy()
    np.testing.assert_array_equal(np.stack([ours.tp, ours.fp], -1), theirs[:, :2])
    np.testing.assert_array_equal(ours.fn, theirs[:, 3])
    assert set(ours.labelled.tolist()) == {int((reference != IGNORE).sum())}


def test_hand_counted_measures() -> None:
    reference = np.array([[1, 1, 1, 0, 0]], np.uint8)
    prediction = np.array([[0, 1, 1, 1, 0]], np.uint8)
    dice, iou, precision, recall = overlap(count(prediction, reference, 2))
    assert (dice[1], iou[1], precision[1], recall[1]) == pytest.approx((4 / 6, 2 / 4, 2 / 3, 2 / 3))


def test_what_stands_under_ignored_pixels_does_not_matter() -> None:
    reference = np.array([[1, 0, IGNORE, IGNORE]], np.uint8)
    for hidden in ([0, 0], [1, 1], [IGNORE, 1]):
        counts = count(np.array([[1, 1, *hidden]], np.uint8), reference, 2)
        assert [item[1] for item in counts] == [1, 1, 0, 2]


def test_a_labelled_pixel_without_a_prediction_is_a_miss() -> None:
    counts = count(np.array([[IGNORE, 1]], np.uint8), np.array([[1, 1]], np.uint8), 2)
    assert [item[1] for item in counts] == [1, 0, 1, 2]
    assert counts.fp.sum() == 0


def test_overlapping_classes_are_counted_each_on_its_own_labels() -> None:
    reference = np.array([[[1, 1, 0, IGNORE]], [[1, 0, 0, 0]]], np.uint8)
    prediction = np.array([[[1, 0, 1, 1]], [[1, 1, 0, 0]]], np.uint8)
    counts = count(prediction, reference, 2, multilabel=True)
    assert [item.tolist() for item in counts] == [[1, 1], [1, 1], [1, 0], [3, 4]]


@pytest.mark.parametrize(("empty", "value"), [("nan", np.nan), ("skip", np.nan), ("one", 1.0)])
def test_policy_decides_where_both_masks_are_empty(empty: EmptyPolicy, value: float) -> None:
    counts = count(np.zeros((3, 3), np.uint8), np.zeros((3, 3), np.uint8), 2)
    for measured in overlap(counts, empty=empty):
        np.testing.assert_equal(measured[1], value)


def test_no_policy_gives_a_case_without_labels_a_score() -> None:
    counts = count(np.zeros((3, 3), np.uint8), np.full((3, 3), IGNORE, np.uint8), 2)
    assert all(np.isnan(measured).all() for measured in overlap(counts, empty="one"))


@pytest.mark.parametrize("counts", [(0, 5, 0, 9), (0, 0, 5, 9)])
def test_one_empty_mask_scores_zero_everywhere(counts: tuple[int, ...]) -> None:
    assert [float(v) for v in overlap(Counts(*(np.array(c) for c in counts)), empty="one")] == [0, 0, 0, 0]


def test_unknown_policy_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="zero"):
        check_empty("zero")


def test_masks_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2, 3\)"):
        count(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), 2)


def test_background_is_left_out_by_name_and_binary_and_multilabel_have_their_rules() -> None:
    assert foreground(spec("Background", "a", "b")) == (1, 2)
    assert foreground(spec("sky", "road")) == (0, 1)
    assert foreground(spec("other", "road"), activation="sigmoid") == (1,)
    assert foreground(spec("background", "a", multilabel=True), activation="sigmoid") == (0, 1)
