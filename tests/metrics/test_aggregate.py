"""The means differ where they should, and the interval covers what it says."""

import numpy as np
import pytest

from unetzoo.metrics import Counts, bootstrap, macro, mean, overlap, per_image

NAN = float("nan")


def test_the_means_differ_on_a_small_and_a_large_case() -> None:
    # case 1: 2 of 2 pixels right; case 2: 100 of 400
    counts = Counts(*(np.array(v) for v in ([2, 100], [0, 0], [0, 300], [500, 500])))
    dice = overlap(counts).dice
    pooled = overlap(Counts(*(np.asarray(item.sum()) for item in counts))).dice
    assert mean(per_image(dice[:, None])) == pytest.approx((1 + 0.4) / 2)
    assert float(pooled) == pytest.approx(2 * 102 / (2 * 102 + 300))


def test_mean_over_images_differs_from_mean_over_classes_where_a_class_is_rare() -> None:
    dice = np.array([[1.0, NAN], [1.0, NAN], [1.0, 0.0]])
    assert mean(per_image(dice)) == pytest.approx((1 + 1 + 0.5) / 3)
    assert mean(macro(dice)) == pytest.approx((1 + 0) / 2)


def test_cases_without_any_value_leave_the_mean() -> None:
    dice = np.array([[NAN, NAN], [0.5, 0.7]])
    assert mean(per_image(dice)) == pytest.approx(0.6)
    assert np.isnan(mean(np.array([NAN])))


def test_interval_is_a_function_of_the_seed_and_ignores_nan() -> None:
    values = np.random.default_rng(0).random(30)
    groups = [str(i) for i in range(30)]
    first = bootstrap(values, groups, seed=1)
    assert first == bootstrap(values, groups, seed=1)
    assert first != bootstrap(values, groups, seed=2)
    assert first == bootstrap(np.append(values, NAN), [*groups, "absent"], seed=1)
    assert first.low < values.mean() < first.high


def test_cases_of_one_group_count_as_one_observation() -> None:
    values = np.repeat([0.2, 0.5, 0.6, 0.9], 10)
    grouped = bootstrap(values, np.repeat(list("abcd"), 10).tolist(), seed=0)
    alone = bootstrap(values, [str(i) for i in range(40)], seed=0)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert np.isnan(bootstrap(values, ["one scene"] * 40, seed=0)).all()


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    hits = 0
    for draw in range(300):
        centres = random.normal(0.7, 0.1, 40)
        values = np.repeat(centres, 3) + random.normal(0, 0.02, 120)
        low, high = bootstrap(values, np.repeat(np.arange(40), 3).astype(str).tolist(), seed=draw, draws=500)
        hits += low <= 0.7 <= high
    assert 0.90 <= hits / 300 <= 0.98
