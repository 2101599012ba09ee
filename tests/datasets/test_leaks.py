"""Whatever is planted on two sides of a split is found, and what only looks a little alike is not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from unetzoo.datasets.case import Case
from unetzoo.datasets.datamodule import SegmentationData
from unetzoo.datasets.duplicates import look, same_looks
from unetzoo.datasets.footprints import Footprint, near
from unetzoo.inference.geometry import Image as Read
from unetzoo.inference.geometry import PictureGeometry

Make = Callable[..., SegmentationData]


def scenery(seed: int, size: int = 160) -> np.ndarray:
    """A picture with structure at all scales (H, W), 8 bits."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((size, size))
    for cell in (5, 10, 20, 40, 80):
        layer = rng.normal(size=(size // cell + 1,) * 2) * cell**0.5
        picture += np.kron(layer, np.ones((cell, cell)))[:size, :size]
    low, high = picture.min(), picture.max()
    scaled: np.ndarray = ((picture - low) / (high - low) * 255).astype(np.uint8)
    return scaled


def read(picture: np.ndarray) -> Read:
    return Read(picture[None], np.ones(picture.shape, bool), (), None, "px", PictureGeometry(picture.shape))


def test_same_picture_again_smaller_brighter_and_as_jpg_looks_the_same(tmp_path: Path) -> None:
    pictures = [scenery(seed) for seed in range(12)]
    first = Image.fromarray(pictures[0])
    first.save(tmp_path / "a.jpg", quality=30)
    first.resize((80, 80), Image.Resampling.BICUBIC).save(tmp_path / "b.jpg", quality=60)
    copies = [np.asarray(Image.open(tmp_path / name)) for name in ("a.jpg", "b.jpg")]
    copies.append((pictures[0] // 2 + 40).astype(np.uint8))
    looks = [look(read(picture)) for picture in [*pictures, *copies]]
    found = list(same_looks([each for each in looks if each is not None]))
    assert found == [(0, 12), (0, 13), (0, 14), (12, 13), (12, 14), (13, 14)]


def test_volume_in_another_type_looks_the_same() -> None:
    rng = np.random.default_rng(0)
    volumes = [np.kron(rng.normal(size=(5, 6, 5)), np.ones((4, 4, 4))) for _ in range(5)]
    volumes.append((volumes[3] * 100 + 900).astype(np.int16).astype(np.float64))
    looks = [look(read(volume)) for volume in volumes]
    assert list(same_looks([each for each in looks if each is not None])) == [(3, 5)]


def test_picture_without_contrast_looks_like_nothing() -> None:
    assert look(read(np.full((40, 40), 7, np.uint8))) is None


def test_re_encoded_picture_in_another_split_is_refused_unless_it_is_known(data: Make, folder: Path) -> None:
    for i in range(10):
        Image.fromarray(scenery(i)).save(folder / "images" / f"p{i // 2}_{i % 2}.png")
        Image.fromarray((scenery(i) > 128).astype(np.uint8)).save(folder / "masks" / f"p{i // 2}_{i % 2}.png")
    (folder / "images" / "p4_1.png").unlink()
    Image.fromarray(scenery(0)).save(folder / "images" / "p4_1.jpg", quality=40)
    (folder / "splits.json").write_text(
        '{"train": ["p0_0", "p0_1"], "val": ["p1_0"], "test": ["p4_1", "p2_1"]}'
    )
    (problem,) = data(splits="splits.json").check()
    assert "p4_1.jpg: looks the same as" in problem
    assert "p0_0.png, but one is in test and one in train" in problem
    report = data(splits="splits.json", allow=["duplicates"]).report()
    assert not report.problems
    assert any("looks the same" in note for note in report.notes)
    with pytest.raises(ValueError, match=r"data\.allow has 'all'"):
        data(allow=["all"])


@pytest.mark.parametrize(
    ("shift", "allow", "problem"),
    [
        (40, [], "touch on the ground"),
        (39, [], "overlap on the ground"),
        (41, [], None),
        (40, ["neighbours"], None),
        (39, ["neighbours"], "overlap on the ground"),
    ],
)
def test_adjacent_and_overlapping_tiles_are_refused(
    data: Make, folder: Path, shift: int, allow: list[str], problem: str | None
) -> None:
    for kind in ("images", "masks"):
        for file in (folder / kind).iterdir():
            file.unlink()
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": 40,
        "width": 40,
        "dtype": "uint8",
        "crs": "EPSG:32633",
    }
    for column, name in enumerate(("a", "b")):
        place = rasterio.Affine(0.5, 0, 1000 + 0.5 * shift * column, 0, -0.5, 5000)
        for kind, values in (("images", scenery(column, 40)), ("masks", scenery(column, 40) // 128)):
            with rasterio.open(folder / kind / f"{name}.tif", "w", **profile, transform=place) as file:
                file.write(values, 1)
    (folder / "splits.json").write_text('{"train": ["a"], "val": ["b"]}')
    found = data(splits="splits.json", allow=allow).check()
    assert [problem in sentence for sentence in found] == [True] if problem else not found


def test_nearness_is_symmetric_and_measured_between_edges() -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 40, (30, 2))
    places = [Footprint("a", (x, y), (x + 3, y + 4), 1e-6) for x, y in low.tolist()]
    there = {(i, j) for i, j, _ in near(places, 2.0)}
    for i in range(30):
        for j in range(i + 1, 30):
            gap = np.maximum(np.abs(low[i] - low[j]) - [3, 4], -9).max()
            assert ((i, j) in there) == (gap <= 2.0)


def test_windows_of_one_picture_that_overlap_are_told_from_others(data: Make, folder: Path) -> None:
    rows = ["p0_0.png,train,a,0 0 32 32", "p0_0.png,val,b,8 8 32 32", "p1_0.png,test,c,0 0 32 32"]
    text = "image,mask,split,name,window\n"
    text += "".join(f"images/{row.split(',')[0]},masks/{row}\n" for row in rows)
    (folder / "m.csv").write_text(text)
    loaders = data(images=None, masks=None, manifest="m.csv")
    (problem,) = loaders.check()
    assert "(a, train)" in problem
    assert "overlap on the ground" in problem
    case: Case = loaders.cases("val")[0]
    whole = np.asarray(Image.open(folder / "images" / "p0_0.png"))
    assert (loaders.read(case).image.data[0] == whole[8:40, 8:40]).all()
