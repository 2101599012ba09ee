"""The check reads everything and names each bad file, without stopping at the first."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from unetzoo.datasets.datamodule import SegmentationData

Make = Callable[..., SegmentationData]


def test_good_set_has_no_problem_and_shows_its_classes(data: Make) -> None:
    loaders = data(classes={"background": 0, "thing": 255})
    seen: list[tuple[int, int]] = []
    report = loaders.report(lambda done, total: seen.append((done, total)))
    assert report.problems == loaders.check() == []
    assert seen == [(i, 10) for i in range(1, 11)]
    assert report.notes[-1].startswith("pixel share of the labelled part: background 97")
    assert report.notes[0].startswith("images of 40 x 48 (median), values from 20 to")
    assert "spec" in loaders.__dict__, "the check spares the next question a second look"


def test_every_planted_file_is_named_with_its_reason(data: Make, folder: Path) -> None:
    images, masks = folder / "images", folder / "masks"
    (masks / "p0_0.png").unlink()
    (images / "p0_1.png").write_bytes((images / "p0_1.png").read_bytes()[:300])
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(masks / "p1_0.png")
    Image.fromarray(np.full((40, 48), 7, np.uint8)).save(masks / "p1_1.png")
    (images / "p2_0.png").write_bytes(b"")
    (masks / "p2_1.png").write_text("not a picture")
    (images / "p3_0.png").unlink()
    nan = np.full((1, 40, 48), np.nan, np.float32)
    profile = {"driver": "GTiff", "count": 1, "height": 40, "width": 48, "dtype": "float32"}
    with rasterio.open(
        images / "p3_0.tif", "w", **profile, transform=rasterio.Affine(2, 0, 9, 0, -2, 9)
    ) as file:
        file.write(nan)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8)).save(
        images / "p3_1.png"
    )
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8)).save(masks / "p4_0.png")
    problems = data(classes={"background": 0, "thing": 255}, bands=["grey"]).check()
    expected = {
        "images/p0_0.png": "has no mask",
        "images/p0_1.png": "damaged",
        "masks/p1_0.png": "size",
        "masks/p1_1.png": "the ids 7 beside",
        "images/p2_0.png": "empty",
        "masks/p2_1.png": "damaged",
        "images/p3_0.tif": "no valid pixel",
        "images/p3_1.png": "3 band",
        "masks/p4_0.png": "colour picture",
    }
    assert len(problems) == len(expected)
    for name, reason in expected.items():
        (found,) = (p for p in problems if p.startswith(str(folder / name)))
        assert reason in found


def test_odd_file_does_not_hide_the_others_where_the_config_is_silent(data: Make, folder: Path) -> None:
    many = np.random.default_rng(0).integers(0, 255, (5, 40, 48)).astype(np.uint8)
    profile = {"driver": "GTiff", "count": 5, "height": 40, "width": 48, "dtype": "uint8"}
    (folder / "images" / "p0_0.png").unlink()
    with rasterio.open(
        folder / "images" / "p0_0.tif", "w", **profile, transform=rasterio.Affine(2, 0, 9, 0, -2, 9)
    ) as file:
        file.write(many)
    (folder / "images" / "p4_1.png").write_bytes(b"junk")
    loaders = data(val_fraction=0, test_fraction=0)
    problems = loaders.check()
    assert any("p0_0.tif: has 5 band(s) where 1 are wanted" in p for p in problems)
    assert any("p4_1.png" in p for p in problems)
    with pytest.raises(ValueError, match=r"p4_1\.png"):  # training stops at the first
        _ = loaders.spec
    (folder / "images" / "p4_1.png").unlink()
    (folder / "masks" / "p4_1.png").unlink()
    with pytest.raises(ValueError, match=r"p0_0\.tif: differs in its bands"):
        _ = data(val_fraction=0, test_fraction=0).spec


def test_smoothed_mask_is_named_where_ids_are_discovered(data: Make, folder: Path) -> None:
    ramp = np.linspace(0, 255, 40 * 48).reshape(40, 48).astype(np.uint8)
    Image.fromarray(ramp).save(folder / "masks" / "p2_0.png")
    with pytest.raises(ValueError, match=r"p2_0\.png: holds 256 different ids"):
        _ = data().spec
    assert any("p2_0.png" in p for p in data().check())


def test_leaks_between_splits_are_named(data: Make, folder: Path) -> None:
    shutil.copy(folder / "images" / "p0_0.png", folder / "images" / "p4_1.png")
    (folder / "splits.json").write_text(
        '{"train": ["p0_0", "p0_1", "p1_0", "p1_1"], "val": ["p2_0"], "test": ["p2_1", "p4_1"]}'
    )
    problems = data(splits="splits.json", group=r"^p\d").check()
    assert any("group 'p2' is in test and val" in p for p in problems)
    assert any("p4_1.png: is the same file as" in p and "train" in p and "test" in p for p in problems)
    assert len(problems) == 2
    with pytest.raises(ValueError, match="group 'p2' is in test and val"):
        data(splits="splits.json", group=r"^p\d").cases("train")


def test_empty_splits_and_unlisted_images_are_told(data: Make, folder: Path) -> None:
    (folder / "splits.json").write_text('{"train": ["p0_0", "p1_0", "p2_0"], "test": ["gone.png"]}')
    report = data(splits="splits.json", val_fraction=0).report()
    assert any("lists gone.png for test" in p for p in report.problems)
    assert any("split val is empty" in p for p in report.problems)
    assert "split test is empty" in report.notes


def test_two_cases_of_one_name_are_told(data: Make, folder: Path) -> None:
    (folder / "m.csv").write_text("image,mask\nimages/p0_0.png,masks/p0_0.png\n" * 2)
    problems = data(images=None, masks=None, manifest="m.csv", val_fraction=0, test_fraction=0).check()
    assert any("are both called 'p0_0'" in p for p in problems)


def test_harmless_oddities_are_notes(data: Make, folder: Path) -> None:
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(folder / "images" / "p0_0.png")
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(folder / "masks" / "p0_1.png")
    (folder / "masks" / "extra.png").write_bytes((folder / "masks" / "p0_1.png").read_bytes())
    report = data().report()
    assert not report.problems
    assert any("p0_0.png: has one value everywhere (0)" in n for n in report.notes)
    assert any("p0_1.png: holds only background" in n for n in report.notes)
    assert any("extra.png: is the mask of no image" in n for n in report.notes)


def test_missing_folder_is_the_only_problem(data: Make) -> None:
    (problem,) = data(images="pictures").check()
    assert "pictures: does not exist" in problem
