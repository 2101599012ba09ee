import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unetzoo.inference.ranks import percentiles

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64", "int64"]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.sampled_from(DTYPES), st.integers(1, 400), st.integers(1, 5), st.integers(0, 2**31))
def test_percentiles_of_pieces_are_those_of_the_whole(dtype: str, count: int, pieces: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 30, count)
    values = (np.abs(values) if dtype.startswith("u") else values).astype(dtype)
    wanted = (0, 0.5, 37, 99.5, 100)
    found = percentiles(lambda: np.array_split(values, pieces), np.dtype(dtype), wanted)
    expected = np.percentile(values.astype(np.float64), wanted)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_large_values_keep_their_last_digit() -> None:
    values = np.array([-(2**62), 2**62 + 1024, 5], np.int64)
    assert percentiles(lambda: [values], values.dtype, (100,)) == [pytest.approx(2**62 + 1024, abs=0)]
