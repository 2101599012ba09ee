import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unetzoo.inference.blending import Accumulator
from unetzoo.inference.tiling import predict_tiled
from unetzoo.inference.windows import axis_weights, pad_to, windows

BLENDS = st.sampled_from(["gaussian", "linear", "constant", "crop"])
OVERLAPS = st.floats(0, 0.75)

steady = settings(deadline=None, derandomize=True)


def pointwise(batch: np.ndarray) -> np.ndarray:
    """Two channels that depend on the pixel alone."""
    return np.stack([np.tanh(batch.sum(axis=1)), batch[:, 0] - 2 * batch[:, -1]], axis=1).astype(np.float32)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    ndim = draw(st.sampled_from([2, 3]))
    size = draw(st.lists(st.integers(1, 40 if ndim == 2 else 14), min_size=ndim, max_size=ndim))
    tile = draw(st.lists(st.integers(1, 16 if ndim == 2 else 8), min_size=ndim, max_size=ndim))
    return size, tile


@steady
@given(shapes(), OVERLAPS)
def test_windows_cover_everything_and_have_one_size(
    shape: tuple[list[int], list[int]], overlap: float
) -> None:
    size, tile = shape
    seen = np.zeros(size, int)
    sizes = set()
    for window in windows(size, tile, overlap):
        seen[window] += 1
        sizes.add(tuple(s.stop - s.start for s in window))
        assert all(0 <= s.start < s.stop <= n for s, n in zip(window, size, strict=True))
    assert seen.all()
    assert sizes == {tuple(min(s, t) for s, t in zip(size, tile, strict=True))}


@steady
@given(st.integers(1, 300), st.integers(1, 64), OVERLAPS)
def test_neighbours_share_the_overlap(size: int, tile: int, overlap: float) -> None:
    starts = [window[0].start for window in windows([size], [tile], overlap)]
    largest = max(1, int(tile * (1 - overlap)))  # the next window starts at least one pixel on
    assert all(0 < b - a <= largest for a, b in itertools.pairwise(starts))


@steady
@given(shapes(), OVERLAPS, BLENDS, st.integers(0, 2**31))
def test_pointwise_network_in_tiles_equals_the_whole_image(
    shape: tuple[list[int], list[int]], overlap: float, blend: str, seed: int
) -> None:
    size, tile = shape
    x = np.random.default_rng(seed).uniform(-1, 1, (3, *size)).astype(np.float32)
    logits = predict_tiled(pointwise, x, tile=tile, overlap=overlap, blend=blend)
    assert logits.dtype == np.float32
    # float32 rounds relative to the value, up to 3 here, once per window that covers a pixel
    np.testing.assert_allclose(logits, pointwise(x[None])[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("batch_size", [2, 3, 7, 1000])
@pytest.mark.parametrize("flips", [False, True])
def test_batch_size_does_not_change_a_bit(batch_size: int, flips: bool, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 45, 38)).astype(np.float32)

    def edges(batch: np.ndarray) -> np.ndarray:
        return np.asarray(np.cumsum(batch, axis=-1) + np.roll(batch, 1, axis=-2))

    one = predict_tiled(edges, x, tile=(16, 12), overlap=0.4, batch_size=1, flips=flips)
    np.testing.assert_array_equal(
        one, predict_tiled(edges, x, tile=(16, 12), overlap=0.4, batch_size=batch_size, flips=flips)
    )


def test_single_tile_keeps_the_networks_numbers_exactly(rng: np.random.Generator) -> None:
    x = rng.normal(size=(1, 16, 16)).astype(np.float32) * 1e3
    np.testing.assert_array_equal(predict_tiled(lambda b: b * 3, x, tile=(16, 16))[0], x[0] * 3)


def test_network_always_sees_the_tile() -> None:
    seen = set()

    def network(batch: np.ndarray) -> np.ndarray:
        seen.add(batch.shape[1:])
        assert batch.dtype == np.float32
        assert batch.flags.c_contiguous
        return batch

    for size in [(1, 1), (5, 40), (16, 8), (33, 17)]:
        assert predict_tiled(network, np.zeros((2, *size)), tile=(16, 8), flips=True).shape == (2, *size)
    assert seen == {(2, 16, 8)}


def test_centres_of_tiles_count_more_than_their_borders() -> None:
    numbers = iter(range(2))

    def network(batch: np.ndarray) -> np.ndarray:
        return np.full_like(batch, next(numbers))

    row = predict_tiled(network, np.zeros((1, 16, 24)), tile=(16, 16), overlap=0.5, batch_size=1)[0, 8]
    assert (np.diff(row[8:16]) > 0).all()
    assert row[8] < 0.05
    assert row[15] > 0.95


@pytest.mark.parametrize("ndim", [2, 3])
def test_flips_average_over_all_mirrorings(ndim: int, rng: np.random.Generator) -> None:
    x = rng.normal(size=(1, *[6] * ndim)).astype(np.float32)

    def ramp(batch: np.ndarray) -> np.ndarray:
        return np.asarray(batch * np.arange(6))

    plain = predict_tiled(ramp, x, tile=[6] * ndim)
    both = predict_tiled(ramp, x, tile=[6] * ndim, flips=True)
    np.testing.assert_allclose(plain, x * np.arange(6), rtol=1e-6)
    np.testing.assert_allclose(both, x * 2.5, rtol=1e-5)


def test_progress_counts_every_tile_once() -> None:
    calls: list[tuple[int, int]] = []
    predict_tiled(
        lambda b: b,
        np.zeros((1, 40, 40)),
        tile=(16, 16),
        batch_size=4,
        progress=lambda d, n: calls.append((d, n)),
    )
    assert calls == [(done, 9) for done in range(1, 10)]


def test_network_that_shrinks_its_input_is_refused() -> None:
    with pytest.raises(ValueError, match="the network gave"):
        predict_tiled(lambda b: b[..., 1:], np.zeros((1, 8, 8)), tile=(8, 8))


@pytest.mark.parametrize("overlap", [-0.1, 1.0])
def test_impossible_overlap_is_refused(overlap: float) -> None:
    with pytest.raises(ValueError, match=str(overlap)):
        windows((8, 8), (4, 4), overlap)


def test_tile_of_another_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="3 axes"):
        windows((8, 8, 8), (4, 4), 0.5)


@steady
@given(shapes())
def test_padding_can_be_cut_off_again(shape: tuple[list[int], list[int]]) -> None:
    size, tile = shape
    x = np.random.default_rng(1).normal(size=(2, *size))
    padded, crop = pad_to(x, tile)
    where: Any = (..., *crop)
    assert padded.shape[1:] == tuple(max(s, t) for s, t in zip(size, tile, strict=True))
    np.testing.assert_array_equal(padded[where], x)
    assert set(np.unique(padded)) == set(np.unique(x))


def test_crop_takes_each_pixel_from_the_window_whose_centre_is_nearest(rng: np.random.Generator) -> None:
    x = rng.normal(size=(1, 9, 53)).astype(np.float32)
    seen: list[np.ndarray] = []

    def network(batch: np.ndarray) -> np.ndarray:
        seen.extend(batch)
        return np.broadcast_to(np.arange(len(seen) - len(batch), len(seen))[:, None, None, None], batch.shape)

    took = predict_tiled(network, x, tile=(9, 16), overlap=0.4, blend="crop", batch_size=3)[0, 4]
    centres = np.array([where[1].start + 7.5 for where in windows((9, 53), (9, 16), 0.4)])
    distance = np.abs(np.arange(53)[:, None] - centres)
    taken = distance[np.arange(53), took.astype(int)]
    assert (taken - distance.min(axis=1) <= 1).all()  # an overlap of odd width has a pixel in its middle
    assert (np.diff(took) >= 0).all()


def test_linear_weights_fall_to_the_border() -> None:
    first, *_ = axis_weights(40, 16, 0.5, "linear")
    assert (np.diff(first[8:]) < 0).all()
    assert first[:8] == pytest.approx(1)


@pytest.mark.parametrize(("flips", "count"), [(False, 4), (True, 8)])
def test_turned_views_are_all_different_and_turned_back(flips: bool, count: int) -> None:
    seen: list[bytes] = []

    def network(batch: np.ndarray) -> np.ndarray:
        seen.append(batch.tobytes())
        return batch

    x = np.arange(36, dtype=np.float32).reshape(1, 6, 6)
    np.testing.assert_array_equal(predict_tiled(network, x, tile=(6, 6), flips=flips, rotations=True), x)
    assert len(set(seen)) == len(seen) == count
    with pytest.raises(ValueError, match="6 x 5 are not square"):
        predict_tiled(network, x, tile=(6, 5), rotations=True)


def test_unknown_blend_is_refused() -> None:
    with pytest.raises(ValueError, match="blend 'hann' is unknown"):
        predict_tiled(lambda b: b, np.zeros((1, 8, 8)), tile=(8, 8), blend="hann")


def test_only_the_overlap_is_kept_whatever_the_height() -> None:
    def held(height: int) -> int:
        return Accumulator(
            (height, 30000), (128, 128), overlap=0.25, blend="gaussian", emit=lambda place, logits: None
        ).size_of(7)

    assert held(128 * 50) == held(128 * 500)
    assert held(128 * 50) < 1.1 * 7 * 4 * 30000 * 128 * 0.25
