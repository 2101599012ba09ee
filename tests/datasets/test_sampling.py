"""Which patches are drawn: by seed, epoch and position alone, and around rare classes as often as asked."""

import numpy as np
import pytest

from unetzoo.datasets.sampling import DrawSampler, choose_window
from unetzoo.inference.contract import IGNORE


def test_every_round_holds_every_case_once() -> None:
    sampler = DrawSampler(5, 15, batch_size=5, seed=0)
    draws = [index for index, _ in sampler]
    assert [sorted(draws[i : i + 5]) for i in (0, 5, 10)] == [[0, 1, 2, 3, 4]] * 3
    assert draws[:5] != draws[5:10] or draws[5:10] != draws[10:]


def test_epochs_and_seeds_differ_and_can_be_revisited() -> None:
    sampler = DrawSampler(7, 7, batch_size=7, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert list(DrawSampler(7, 7, batch_size=7, seed=1)) != first
    assert len({seed for _, seed in first}) == 7


@pytest.mark.parametrize(("draws", "batch", "total"), [(10, 4, 12), (1, 8, 8), (16, 8, 16)])
def test_batches_are_always_full(draws: int, batch: int, total: int) -> None:
    sampler = DrawSampler(3, draws, batch_size=batch, seed=0)
    assert len(sampler) == len(list(sampler)) == total


def test_ranks_share_the_epoch_between_them() -> None:
    whole = list(DrawSampler(10, 24, batch_size=4, seed=0))
    parts = [DrawSampler(10, 24, batch_size=2, seed=0, rank=rank, world_size=2) for rank in (0, 1)]
    assert [list(part) for part in parts] == [whole[0::2], whole[1::2]]
    uneven = [DrawSampler(10, 5, batch_size=2, seed=0, rank=rank, world_size=3) for rank in range(3)]
    assert {len(list(part)) for part in uneven} == {2}


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.samples_per_epoch=0"):
        DrawSampler(3, 0, batch_size=1, seed=0)


def windows(
    mask: np.ndarray, patch: tuple[int, ...], foreground: float, count: int = 200
) -> list[np.ndarray]:
    many = mask.ndim > len(patch)
    cut = []
    for seed in range(count):
        window = choose_window(
            mask, patch, np.random.default_rng(seed), foreground=foreground, multilabel=many
        )
        cut.append(mask[(slice(None), *window)] if many else mask[window])
        assert cut[-1].shape[-len(patch) :] == patch
    return cut


@pytest.mark.parametrize("shape", [(200, 200), (40, 60, 50)])
def test_foreground_windows_are_centred_on_the_class(shape: tuple[int, ...]) -> None:
    mask = np.zeros(shape, np.uint8)
    mask[tuple(n // 2 for n in shape)] = 3  # a single pixel, far from the border
    patch = (9,) * len(shape)
    assert all(w[(4,) * len(shape)] == 3 for w in windows(mask, patch, 1.0, 20))
    share = np.mean([w.any() for w in windows(mask, patch, 0.5)])
    assert 0.35 < share < 0.65  # half of 200, three standard deviations either way
    assert np.mean([w.any() for w in windows(mask, patch, 0.0)]) < 0.05


def test_rare_and_frequent_classes_are_drawn_alike() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[:50] = 1
    mask[80, 80] = 2
    centres = [w[2, 2] for w in windows(mask, (5, 5), 1.0, 400)]
    assert 0.4 < np.mean(np.array(centres) == 2) < 0.6


def test_windows_at_the_border_stay_inside_and_hold_the_pixel() -> None:
    mask = np.zeros((30, 30), np.uint8)
    mask[0, 29] = 1
    assert all(w[0, -1] == 1 for w in windows(mask, (8, 8), 1.0, 20))


def test_ignored_pixels_are_no_foreground() -> None:
    mask = np.full((30, 30), IGNORE, np.uint8)
    mask[5, 5] = 0
    assert all((w == 0).any() for w in windows(mask, (4, 4), 1.0, 50)), "a window without any label was drawn"
    assert windows(np.full((9, 9), IGNORE, np.uint8), (4, 4), 1.0, 2)


def test_layered_masks_are_centred_on_a_layer() -> None:
    mask = np.zeros((2, 64, 64), np.uint8)
    mask[1, 40, 40] = 1
    assert all(w[1, 3, 3] == 1 for w in windows(mask, (7, 7), 1.0, 20))


def test_every_place_can_be_drawn() -> None:
    mask = np.arange(36, dtype=np.uint8).reshape(6, 6)
    corners = {int(w[0, 0]) for w in windows(mask, (5, 5), 0.0)}
    assert corners == {0, 1, 6, 7}
    assert {int(w[0, 0]) for w in windows(mask, (6, 6), 0.5, 5)} == {0}
