"""One normalisation per band or group of bands: training, prediction and the runtime see the same numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from unetzoo.datasets import scenes
from unetzoo.datasets.datamodule import SegmentationData
from unetzoo.datasets.patches import WholeCases
from unetzoo.datasets.scenes import Scene
from unetzoo.inference import Contract, Predictor

Make = Callable[..., SegmentationData]
BANDS = ("VV", "VH", "green", "nir", "height")
RADAR = {"bands": ["VV", "VH"], "method": "window", "window": [-25, 0]}
GROUPS = {"radar": RADAR, "height": {"bands": ["height"], "method": "zscore", "skip": 0}}


@pytest.fixture
def sensors(data: Make, folder: Path) -> Make:
    """Three rasters of 16 x 24 px of two sensors and a height model with zeros where nothing is known."""
    rng = np.random.default_rng(0)
    profile: dict[str, Any] = {"driver": "GTiff", "height": 16, "width": 24}
    for i in range(3):
        values = np.stack(
            [*rng.normal(-12, 8, (2, 16, 24)), *rng.normal(900, 300, (2, 16, 24)), rng.gamma(2, 40, (16, 24))]
        )
        values[4, :, :7] = 0
        values[:, 15, 20:] = np.nan
        with rasterio.open(folder / f"images/s{i}.tif", "w", count=5, dtype="float32", **profile) as file:
            file.write(values.astype(np.float32))
            file.descriptions = BANDS
        with rasterio.open(folder / f"masks/s{i}.tif", "w", count=1, dtype="uint8", **profile) as file:
            file.write(rng.integers(0, 2, (1, 16, 24)).astype(np.uint8))
    rows = [f"images/s{i}.tif,masks/s{i}.tif,{split}" for i, split in enumerate(("train", "train", "val"))]
    (folder / "m.csv").write_text("\n".join(["image,mask,split", *rows]))

    def make(**normalise: Any) -> SegmentationData:
        known: dict[str, Any] = {"classes": ["no", "yes"], "bands": [*BANDS], "patch": [16, 24]}
        return data(images=None, masks=None, manifest="m.csv", normalise=normalise, **known)

    return make


def test_training_predictor_and_runtime_see_the_same_input(
    sensors: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sensors(method="fixed", groups=GROUPS)
    (case,) = data.cases("val")
    trained = WholeCases([case], data._reader)[0]["image"].numpy()
    contract = Contract("tiny", data.spec, "softmax", (1, 1), True)
    for promised in (contract, Contract.from_json(contract.to_json())):
        seen: list[np.ndarray] = []

        def network(batch: np.ndarray, seen: list[np.ndarray] = seen) -> np.ndarray:
            seen.append(batch[0].copy())
            return batch[:, :2]

        predictor = Predictor(network, promised)
        predictor.labels(data.read(case).image)
        predictor.predict_file(case.image, tmp_path / "labels.tif")
        for x in seen:
            np.testing.assert_array_equal(x, trained)
        assert len(seen) == 2
    monkeypatch.setattr(scenes, "LARGE", 16 * 24)
    window = Scene(case, data.spec, lambda size: True).read((slice(2, 9), slice(3, 20)))[0]
    np.testing.assert_array_equal(window, trained[:, 2:9, 3:20])


def test_every_band_is_normalised_by_its_group(sensors: Make) -> None:
    data = sensors(method="fixed", groups=GROUPS)
    (case,) = data.cases("val")
    sample = data.read(case)
    raw, valid = sample.image.data.astype(np.float64), sample.image.valid
    train = np.concatenate([(s := data.read(c).image).data[:, s.valid] for c in data.cases("train")], axis=1)
    for c in (0, 1):
        np.testing.assert_allclose(
            sample.x[c][valid], ((raw[c][valid].clip(-25, 0)) + 25) / 25, rtol=0, atol=1e-6
        )
    for c in (2, 3):
        expected = (raw[c][valid] - train[c].mean(dtype=float)) / train[c].std(dtype=float)
        np.testing.assert_allclose(sample.x[c][valid], expected, atol=1e-5)
    known = valid & (raw[4] != 0)
    np.testing.assert_allclose(
        sample.x[4][known], (raw[4][known] - raw[4][known].mean()) / raw[4][known].std(), atol=1e-5
    )
    assert not sample.x[4][~known].any()


def test_statistics_of_training_leave_out_and_clip_what_the_config_says(sensors: Make) -> None:
    height = {"bands": ["height"], "method": "fixed", "skip": 0, "window": [10, 120]}
    data = sensors(method="minmax", groups={"height": height})
    values = np.concatenate([(s := data.read(c).image).data[4][s.valid] for c in data.cases("train")])
    values = values[values != 0].astype(np.float64).clip(10, 120)
    how = data.spec.normalisation.each[4]
    assert how.mean == pytest.approx((values.mean(),))
    assert how.std == pytest.approx((values.std(),))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": {"method": "zscore"}}, "groups.a needs bands"),
        ({"a": {"bands": ["HH"], "method": "zscore"}}, "'HH', which is none of VV, VH"),
        ({"a": RADAR, "b": {"bands": ["VH"], "method": "minmax"}}, "'VH', which another group has, too"),
        ({"a": {"bands": ["VV"], "methd": "zscore"}}, "groups.a has the unknown key 'methd'"),
        ({"a": {"bands": ["VV"]}}, "groups.a lacks the key 'method'"),
        ({"a": {"bands": ["VV"], "method": "fixed", "mean": [1, 2], "std": [1, 2]}}, "2 numbers for 1 band"),
        ({"a": {"bands": ["VV"], "method": "imagenet"}}, "'imagenet' of a single band"),
        ({"a": {"bands": ["VV"], "method": "window"}}, "groups.a: window normalisation needs a window"),
        ({"a": 3}, "groups.a is 3 but must be a mapping"),
        ([RADAR], "groups is .* but must be a mapping"),
        ({"a": {"bands": ["VV"], "method": "window", "window": [1]}}, "groups.a.window is .1. but must be"),
    ],
)
def test_groups_that_make_no_sense_are_refused(sensors: Make, groups: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _ = sensors(method="zscore", groups=groups).spec


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"window": [1]}, r"data\.normalise\.window is \[1\] but must be a list of 2 values"),
        ({"window": ["a", "b"]}, r"data\.normalise\.window\[0\] is 'a' but must be a number"),
        ({"window": [5, 1]}, r"data\.normalise: the window \(5\.0, 1\.0\) .* must go upwards"),
        ({"skip": "x"}, r"data\.normalise\.skip is 'x' but must be a number"),
        ({"method": "each"}, r"data\.normalise: normalisation method 'each' is unknown; choose"),
        ({"method": "fixed", "mean": [1], "std": [1]}, r"mean has 1 numbers for 5 band"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_their_key(
    sensors: Make, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _ = sensors(**{"method": "zscore", **given}).spec
