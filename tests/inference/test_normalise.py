from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.transforms.intensity.array import NormalizeIntensity, ScaleIntensityRange

from unetzoo.inference import Image, Normalisation, normalise
from unetzoo.inference.geometry import PictureGeometry

METHODS = [
    Normalisation("percentile", low=2, high=90),
    Normalisation("zscore"),
    Normalisation("minmax"),
    Normalisation("imagenet"),
    Normalisation("fixed", mean=(5.0, 6.0, 7.0), std=(2.0, 0.5, 1.0)),
    Normalisation("window", window=(40.0, 200.0)),
]
PER_IMAGE = METHODS[:3]


def an_image(data: np.ndarray, valid: np.ndarray | None = None) -> Image:
    valid = np.ones(data.shape[1:], bool) if valid is None else valid
    return Image(data, valid, (), None, "px", PictureGeometry(valid.shape))


def expected(values: np.ndarray, c: int, how: Normalisation) -> np.ndarray:
    v = values.astype(np.float64)
    if how.method == "percentile":
        low, high = np.percentile(v, [how.low, how.high])
        return np.asarray(np.clip((v - low) / (high - low), 0, 1))
    if how.method == "minmax":
        return np.asarray((v - v.min()) / (v.max() - v.min()))
    if how.method == "zscore":
        return np.asarray((v - v.mean()) / v.std())
    if how.method == "window":
        return np.asarray((v.clip(40, 200) - 40) / 160)
    if how.method == "fixed":
        return np.asarray((v - how.mean[c]) / how.std[c])
    return np.asarray((v / 255 - (0.485, 0.456, 0.406)[c]) / (0.229, 0.224, 0.225)[c])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("how", METHODS, ids=lambda how: how.method)
def test_methods_are_their_definitions(how: Normalisation, dtype: str, rng: np.random.Generator) -> None:
    low, high = (-128, 128) if dtype == "int8" else (0, 256)
    data = rng.integers(low, high, (3, 11, 7)).astype(dtype)
    x = normalise(an_image(data), how)
    assert x.dtype == np.float32
    for c in range(3):
        np.testing.assert_allclose(x[c], expected(data[c], c, how), atol=2e-5)


@pytest.mark.parametrize("how", METHODS, ids=lambda how: how.method)
def test_invalid_pixels_are_zero_and_take_no_part(how: Normalisation, rng: np.random.Generator) -> None:
    data = rng.normal(100, 20, (3, 9, 8)).astype(np.float32)
    valid = rng.random((9, 8)) > 0.3
    spoilt = data.copy()
    spoilt[:, ~valid] = np.resize([np.nan, np.inf, -32768], spoilt[:, ~valid].shape)
    x = normalise(an_image(spoilt, valid), how)
    assert (x[:, ~valid] == 0).all()
    for c in range(3):
        np.testing.assert_allclose(x[c][valid], expected(data[c][valid], c, how), atol=2e-5)


@pytest.mark.parametrize("how", METHODS, ids=lambda how: how.method)
def test_image_without_valid_pixels_is_zero(how: Normalisation) -> None:
    data = np.full((3, 4, 5), np.nan, np.float32)
    assert not normalise(an_image(data, np.zeros((4, 5), bool)), how).any()


@pytest.mark.parametrize("how", PER_IMAGE, ids=lambda how: how.method)
@pytest.mark.parametrize("value", [0, 7, 0.1, 1.7e6])
def test_constant_image_is_zero(how: Normalisation, value: float) -> None:
    assert not normalise(an_image(np.full((2, 33, 35), value, np.float32)), how).any()


@pytest.mark.parametrize("how", PER_IMAGE, ids=lambda how: how.method)
@settings(deadline=None, derandomize=True)
@given(data=hnp.arrays(np.uint16, (1, 6, 5), elements=st.integers(0, 112)))
def test_methods_of_one_image_do_not_see_its_scale(how: Normalisation, data: np.ndarray) -> None:
    same = normalise(an_image(data.astype(np.float32) * 512 + 1000), how)
    np.testing.assert_allclose(normalise(an_image(data), how), same, atol=1e-4)


def test_values_to_skip_are_left_out_as_monai_leaves_out_zeros(rng: np.random.Generator) -> None:
    data = rng.normal(300, 90, (4, 6, 9, 7)).astype(np.float32)
    data[:, rng.random((6, 9, 7)) < 0.6] = 0
    data[2, :2] = 0  # modalities need not end at the same voxel
    ours = normalise(an_image(data), Normalisation("zscore", skip=0.0))
    theirs = NormalizeIntensity(nonzero=True, channel_wise=True)(data)
    np.testing.assert_allclose(ours, np.asarray(theirs), atol=1e-5)


def test_window_of_ct_is_monais_scaled_range(rng: np.random.Generator) -> None:
    data = rng.integers(-1024, 3071, (1, 5, 8, 8)).astype(np.int16)
    theirs = ScaleIntensityRange(a_min=-160, a_max=240, b_min=0, b_max=1, clip=True)(data)
    ours = normalise(an_image(data), Normalisation("window", window=(-160.0, 240.0)))
    np.testing.assert_allclose(ours, np.asarray(theirs), atol=1e-6)


@pytest.mark.parametrize("how", METHODS, ids=lambda how: how.method)
def test_clipping_first_is_a_window_of_any_method(how: Normalisation, rng: np.random.Generator) -> None:
    data = rng.integers(0, 256, (3, 12, 9)).astype(np.int32)
    ours = normalise(an_image(data), replace(how, window=(40.0, 200.0)))
    np.testing.assert_allclose(ours, normalise(an_image(data.clip(40, 200)), how), atol=1e-5)


def test_large_values_keep_their_contrast() -> None:
    data = (np.array([[[0, 1], [2, 3]]]) + 2**30).astype(np.int32)
    np.testing.assert_allclose(
        normalise(an_image(data), Normalisation("minmax"))[0].ravel(), np.arange(4) / 3
    )


def test_input_is_left_alone(rng: np.random.Generator) -> None:
    data = rng.normal(size=(1, 5, 5)).astype(np.float32)
    before = data.copy()
    normalise(an_image(data), Normalisation("percentile"))
    np.testing.assert_array_equal(data, before)
