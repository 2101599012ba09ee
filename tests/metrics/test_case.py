"""What a case scores where masks are empty, ignored or perfect."""

import numpy as np
import pytest

from unetzoo.inference.contract import IGNORE
from unetzoo.metrics import ClassScore, EmptyPolicy, measure


def one(
    prediction: np.ndarray,
    reference: np.ndarray,
    empty: EmptyPolicy = "nan",
    spacing: tuple[float, ...] = (1.0, 1.0),
) -> ClassScore:
    (score,) = measure(
        prediction, reference, classes=[1], num_classes=2, spacing=spacing, tolerance=1, empty=empty
    )
    return score


def square(size: int = 12) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[3:8, 2:9] = 1
    return mask


def test_perfect_prediction() -> None:
    score = one(square(), square())
    assert (score.status, score.tp, score.fp, score.fn, score.labelled) == ("ok", 35, 0, 0, 144)
    assert (score.dice, score.iou, score.precision, score.recall, score.hd95, score.nsd) == (1, 1, 1, 1, 0, 1)


@pytest.mark.parametrize("empty", ["nan", "skip", "one"])
def test_both_empty_follows_the_policy(empty: EmptyPolicy) -> None:
    nothing = np.zeros((5, 5), np.uint8)
    score = one(nothing, nothing, empty)
    assert score.status == "absent"
    assert not score.failed
    if empty == "one":
        assert (score.dice, score.nsd, score.hd95) == (1, 1, 0)
    else:
        assert np.isnan([score.dice, score.iou, score.precision, score.recall, score.hd95, score.nsd]).all()


@pytest.mark.parametrize("empty", ["nan", "one"])
def test_one_empty_is_a_failure_at_the_image_diagonal_whatever_the_policy(empty: EmptyPolicy) -> None:
    nothing = np.zeros((30, 40), np.uint8)
    something = nothing.copy()
    something[3, 4] = 1
    for prediction, reference, status in (
        (nothing, something, "missed"),
        (something, nothing, "false alarm"),
    ):
        score = one(prediction, reference, empty, spacing=(2.0, 2.0))
        assert score.status == status
        assert score.failed
        assert (score.dice, score.precision, score.recall, score.nsd, score.hd95) == (0, 0, 0, 0, 100)


def test_a_case_without_labels_has_no_value_under_any_policy() -> None:
    score = one(square(), np.full((12, 12), IGNORE, np.uint8), "one")
    assert score.status == "unlabelled"
    assert np.isnan([score.dice, score.hd95, score.nsd]).all()


def test_a_prediction_that_spills_into_ignored_pixels_is_not_punished() -> None:
    reference = square()
    reference[:, 9:] = IGNORE
    spilled = square()
    spilled[3:8, 9:] = 1
    assert one(spilled, reference) == one(square(), reference)
    assert one(spilled, reference).hd95 == 0


def test_volumes_are_measured_in_millimetres() -> None:
    reference = np.zeros((10, 12, 12), np.uint8)
    reference[2:6, 3:9, 3:9] = 1
    prediction = np.roll(reference, 1, axis=0)
    score = one(prediction, reference, spacing=(2.5, 1.0, 1.0))
    assert score.hd95 == pytest.approx(2.5)
    assert score.dice == pytest.approx(0.75)


def test_overlapping_classes_are_scored_from_their_own_channel() -> None:
    whole, core = square(), np.zeros((12, 12), np.uint8)
    core[4:6, 4:6] = 1
    reference = np.stack([whole, core])
    prediction = np.stack([whole, np.zeros_like(core)])
    reference[1, :, 10:] = IGNORE
    scores = measure(prediction, reference, classes=[0, 1], num_classes=2, spacing=(1, 1), tolerance=1)
    assert [(s.index, s.status, s.dice) for s in scores] == [(0, "ok", 1.0), (1, "missed", 0.0)]
    assert [s.labelled for s in scores] == [144, 120]
