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


@pytest.mark.parametrize("groups", [8, 25])
def test_interval_of_95_percent_covers_the_truth_in_93_to_97_of_100_draws(groups: int) -> None:
    random = np.random.default_rng(3)
    truth, sizes = 0.8, np.resize([1, 2, 3], groups)
    names = np.repeat(np.arange(groups), sizes).astype(str).tolist()
    hits = 0
    for _ in range(1000):
        # patients differ, with scores that crowd near 1 as Dice does, and the cases of one are alike
        patients = random.beta(8, 2, groups)
        values = np.repeat(patients, sizes) + random.normal(0, 0.02, len(names))
        low, high = bootstrap(values, names, seed=0)
        hits += low <= truth <= high
    assert 0.93 <= hits / 1000 <= 0.97


def test_interval_stays_within_what_is_possible_and_says_nothing_where_nothing_is_known() -> None:
    two = np.array([0.9, 0.7])
    assert np.isnan(bootstrap(two, ["a", "b"], seed=0)).all()
    assert bootstrap(two, ["a", "b"], seed=0, limits=(0, 1)) == (0, 1)
    assert bootstrap(np.full(9, 0.5), [*"abcdefghi"], seed=0) == (0.5, 0.5)
    near = bootstrap(np.array([1.0, 1, 1, 1, 1, 0.4]), [*"abcdef"], seed=0, limits=(0, 1))
    assert 0 <= near.low < 0.9 <= near.high <= 1
