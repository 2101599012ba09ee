import numpy as np
import pytest

from unetzoo.metrics import match_segments


def test_permuted_classes_are_found_again() -> None:
    order = np.array([2, 0, 3, 1])
    assert np.array_equal(match_segments(np.diag([5, 100, 7, 1])[order]), order)


def test_every_class_gets_a_segment_though_another_has_most_of_each() -> None:
    pixels = np.array([[90, 80], [10, 0]])
    assert match_segments(pixels).tolist() == [1, 0]
    assert match_segments(pixels, one_to_one=False).tolist() == [0, 0]


def test_segments_that_are_left_take_the_class_of_most_of_their_pixels() -> None:
    pixels = np.array([[50, 0], [0, 60], [3, 9], [8, 2]])
    assert match_segments(pixels).tolist() == [0, 1, 1, 0]


def test_more_classes_than_segments_are_refused() -> None:
    with pytest.raises(ValueError, match="2 segments cannot be matched one to one with 3 classes"):
        match_segments(np.ones((2, 3)))
