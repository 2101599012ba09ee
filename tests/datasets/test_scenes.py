"""A large raster is read by windows, with the same values as if it had been read whole."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from unetzoo.datasets import scenes
from unetzoo.datasets.datamodule import SegmentationData
from unetzoo.datasets.patches import TrainPatches
from unetzoo.datasets.scenes import Scene, is_scene
from unetzoo.datasets.statistics import Limits, moments
from unetzoo.datasets.survey import survey_images
from unetzoo.inference import source
from unetzoo.inference.contract import IGNORE
from unetzoo.inference.image import read_mask

Make = Callable[..., SegmentationData]


@pytest.fixture
def large(data: Make, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SegmentationData:
    """One georeferenced scene of 70 x 90 px with a strip without data, for which that counts as large."""
    monkeypatch.setattr(scenes, "LARGE", 70 * 90)
    monkeypatch.setattr(scenes, "_BLOCK", 32)
    rng = np.random.default_rng(0)
    image = rng.integers(1, 4000, (3, 70, 90)).astype(np.uint16)
    image[:, :, 80:] = 0
    mask = (rng.random((70, 90)) < 0.3).astype(np.uint8)
    mask[66:69, 5:8] = 2
    place = rasterio.Affine(2, 0, 9, 0, -2, 9)
    for kind, values in (("images", image), ("masks", mask[None])):
        profile = {"driver": "GTiff", "height": 70, "width": 90, "dtype": values.dtype, "crs": "EPSG:32633"}
        path = folder / kind / "scene.tif"
        with rasterio.open(
            path, "w", count=len(values), nodata=0 if kind == "images" else None, transform=place, **profile
        ) as file:
            file.write(values)
    (folder / "m.csv").write_text(
        "image,mask,split,name,window\n"
        "images/scene.tif,masks/scene.tif,train,s,\n"
        "images/scene.tif,masks/scene.tif,val,w,4 6 40 50\n"
    )
    classes = {"no": 0, "yes": 1, "rare": 2}
    return data(images=None, masks=None, manifest="m.csv", classes=classes, normalise={"method": "zscore"})


def test_windows_hold_what_the_whole_image_holds(large: SegmentationData) -> None:
    (case,) = large.cases("train")
    assert is_scene(case, large.spec)
    whole = large.read(case)
    rng = np.random.default_rng(1)
    for memory in (1e9, 0.0):
        scene = Scene(case, large.spec, memory.__gt__)
        for _ in range(20):
            top, left = int(rng.integers(0, 40)), int(rng.integers(0, 50))
            window = (slice(top, top + 29), slice(left, left + 37))
            x, mask = scene.read(window)
            assert np.array_equal(x, whole.x[:, window[0], window[1]])
            assert np.array_equal(mask, whole.mask[window])


def test_rare_class_is_drawn_as_often_as_the_frequent_one(large: SegmentationData) -> None:
    (case,) = large.cases("train")
    scene = Scene(case, large.spec, lambda size: True)
    rng = np.random.default_rng(0)
    centres = [scene.draw((9, 9), rng, foreground=1.0)[1] for _ in range(200)]
    share = np.mean([(mask == 2).any() for mask in centres])
    assert 0.4 < share < 0.65
    plain = [scene.draw((9, 9), rng, foreground=0.0)[1] for _ in range(300)]
    assert np.mean([(mask == 2).any() for mask in plain]) < 0.15
    assert not any((mask == IGNORE).all() for mask in plain)


def test_window_of_a_scene_is_a_case_with_its_own_statistics(
    large: SegmentationData, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = large.cases("val")
    monkeypatch.setattr(scenes, "LARGE", 40 * 50)
    whole = large.read(case)
    x, mask = Scene(case, large.spec, lambda size: True).read((slice(3, 35), slice(10, 42)))
    assert np.array_equal(x, whole.x[:, 3:35, 10:42])
    assert np.array_equal(mask, whole.mask[3:35, 10:42])


def test_patches_do_not_depend_on_the_memory_for_blocks(large: SegmentationData) -> None:
    found = []
    for budget in (1e9, 20_000, 0):
        large._reader.budget = budget
        large._reader._scenes.clear()
        patches = TrainPatches(
            large.cases("train"), large._reader, patch=(32, 32), foreground=0.5, augment=large.augment
        )
        found.append([patches[(0, seed)] for seed in range(6)])
        assert large._reader.budget >= 0
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert (a["image"] == b["image"]).all()
            assert (a["mask"] == b["mask"]).all()


def test_what_scenes_tell_of_themselves_is_found_by_rows(
    large: SegmentationData, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cases = [case for split in ("train", "val") for case in large.cases(split)]
    expected = survey_images(cases, bands=3, nodata=None)
    images = [large.read(case).image for case in cases]
    values = np.concatenate([image.data[:, image.valid] for image in images], axis=1)
    assert np.array(expected.mean) == pytest.approx(values.mean(axis=1))
    assert np.array(expected.std) == pytest.approx(values.std(axis=1))
    assert expected.value_range == (values.min(), values.max())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    limits = [Limits((5, 3000)), Limits(None, 7), Limits()]
    whole = moments(cases, bands=expected.bands, nodata=None, limits=limits)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(source, "PIECE", 11 * 90 * 3 * 8)
    monkeypatch.setattr(source.Source, "image", None)  # nobody asks for all of one
    found = survey_images(cases, bands=3, nodata=None)
    assert found._replace(mean=(), std=()) == expected._replace(mean=(), std=())
    assert found.mean == pytest.approx(expected.mean, rel=1e-12)
    assert found.std == pytest.approx(expected.std, rel=1e-12)
    rows = moments(cases, bands=expected.bands, nodata=None, limits=limits)
    assert np.array(rows) == pytest.approx(np.array(whole), rel=1e-12)


def test_a_picture_of_a_mask_is_decoded_once(
    large: SegmentationData, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = large.cases("train")
    assert case.mask is not None
    whole = large.read(case)
    with rasterio.open(case.mask) as file:
        Image.fromarray(file.read(1)).save(case.mask.with_suffix(".png"))
    case = replace(case, mask=case.mask.with_suffix(".png"))
    asked: list[Path] = []

    def read(path: Path, **options: Any) -> np.ndarray:
        asked.append(path)
        return read_mask(path, **options)

    monkeypatch.setattr(scenes, "read_mask", read)
    scene = Scene(case, large.spec, lambda size: False)
    for first in range(0, 70, 14):
        x, mask = scene.rows(first, first + 14)
        assert np.array_equal(x, whole.x[:, first : first + 14])
        assert np.array_equal(mask, whole.mask[first : first + 14])
    assert asked == [case.mask]
