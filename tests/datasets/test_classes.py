"""Ids in files become class indices, and ids nobody told of are refused."""

from typing import Any

import numpy as np
import pytest

from unetzoo.datasets.classes import classes_of_ids, encode, parse_classes
from unetzoo.inference.contract import IGNORE


def to_index(raw: Any, config: Any, *, ignore: int | None = None, multilabel: bool = False) -> Any:
    classes = parse_classes(config, multilabel=multilabel)
    return encode(np.asarray(raw), 2, classes, ignore_index=ignore, multilabel=multilabel).tolist()


def test_config_order_is_the_order_of_indices_but_background_is_first() -> None:
    classes = parse_classes({"road": 7, "background": 0, "roof": [3, 2035]}, multilabel=False)
    assert [(c.name, c.ids) for c in classes] == [("background", (0,)), ("road", (7,)), ("roof", (3, 2035))]
    assert classes[0].colour == (0, 0, 0)
    assert len({c.colour for c in classes}) == 3


def test_list_of_names_counts_from_zero() -> None:
    assert [c.ids for c in parse_classes(["a", "b"], multilabel=False)] == [(0,), (1,)]


def test_sparse_ids_are_mapped() -> None:
    assert to_index([[0, 2035], [7, 3]], {"background": 0, "road": 7, "roof": [3, 2035]}) == [[0, 2], [1, 2]]


def test_0_and_255_are_two_classes() -> None:
    assert to_index(np.array([[0, 255]], np.uint8), {"background": 0, "nucleus": 255}) == [[0, 1]]


@pytest.mark.parametrize("ignore", [-1, 255, 11])
def test_ignored_id_becomes_ignore(ignore: int) -> None:
    assert to_index(np.array([[0, ignore, 1]], np.int16), ["a", "b"], ignore=ignore) == [[0, IGNORE, 1]]


def test_ignored_id_wins_over_a_class() -> None:
    assert to_index([[0, 1, 2]], ["void", "a", "b"], ignore=0) == [[IGNORE, 1, 2]]


def test_range_of_grey_levels() -> None:
    grey = np.array([[0, 100, 127, 128, 255]], np.uint8)
    assert to_index(grey, {"background": "0-127", "polyp": "128-255"}) == [[0, 0, 0, 1, 1]]
    assert to_index(np.array([[-2, 4, 5]]), {"a": [-2, "4-5"], "b": 9}) == [[0, 0, 0]]


@pytest.mark.parametrize("value", ["x", "5-3", "0-70000", "", "1.5", 1.5])
def test_unusable_ids_are_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match=r"data\.classes\.polyp="):
        parse_classes({"polyp": value}, multilabel=False)


def test_unknown_ids_are_listed_with_the_known_classes() -> None:
    with pytest.raises(ValueError, match=r"the ids 3, 9 beside those of the classes \(a 0, b 1\)"):
        to_index([[0, 9], [3, 1]], ["a", "b"])


def test_colour_mask_is_refused_unless_multilabel() -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 2, 2\).*data\.multilabel=true"):
        to_index(np.zeros((3, 2, 2), np.uint8), ["a", "b"])


def test_bands_are_layers_that_may_overlap() -> None:
    raw = np.array([[[0, 255]], [[1, 1]], [[9, 0]]], np.uint8)
    config = {"organ": 1, "lesion": 3}
    assert to_index(raw, config, multilabel=True) == [[[0, 1]], [[1, 0]]]
    assert to_index(raw, config, multilabel=True, ignore=9) == [[[0, 1]], [[IGNORE, 0]]]
    with pytest.raises(ValueError, match="has 3 bands, but the classes are in the bands 1, 4"):
        to_index(raw, {"organ": 1, "lesion": 4}, multilabel=True)


def test_one_id_may_stand_for_several_classes() -> None:
    regions = {"whole": [1, 2, 4], "core": [1, 4], "enhancing": 4}
    assert to_index([[0, 1, 2, 4]], regions, multilabel=True) == [
        [[0, 1, 1, 1]],
        [[0, 1, 0, 1]],
        [[0, 0, 0, 1]],
    ]


def test_discovered_ids_become_classes() -> None:
    names = [(c.name, c.ids) for c in classes_of_ids([0, 255], multilabel=False)]
    assert names == [("background", (0,)), ("foreground", (255,))]
    names = [(c.name, c.ids) for c in classes_of_ids([0, 3, 11], multilabel=False)]
    assert names == [("background", (0,)), ("class_3", (3,)), ("class_11", (11,))]
    assert [c.name for c in classes_of_ids([0, 1, 2], multilabel=True)] == ["class_1", "class_2"]


def test_too_many_and_too_few_ids_are_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match=r"256 different ids .*foreground: 128-255"):
        classes_of_ids(range(256), multilabel=False)
    with pytest.raises(ValueError, match="hold only the id 0"):
        classes_of_ids([0], multilabel=False)
