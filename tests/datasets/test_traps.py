"""Made-up files for each trap that real sets hold."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import rasterio
from PIL import Image

from unetzoo.datasets.datamodule import SegmentationData
from unetzoo.inference.contract import IGNORE

SIZE = (24, 32)


class Sets:
    """A set of three cases, written file by file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for kind in ("images", "masks"):
            (root / kind).mkdir()
        self.mask = np.zeros(SIZE, np.uint8)
        self.mask[:8, :10] = 1

    def picture(self, name: str, values: np.ndarray, folder: str = "images", **options: Any) -> None:
        Image.fromarray(values).save(self.root / folder / name, **options)

    def fill(self, count: int = 3) -> None:
        """Grey pictures and masks 0/1 for whatever has no file of its own yet."""
        there = {f.name.split(".")[0] for f in (self.root / "images").iterdir()}
        marked = {f.name.split(".")[0] for f in (self.root / "masks").iterdir()}
        for i in range(count):
            noise = np.random.default_rng(i).integers(0, 50, SIZE)
            if f"c{i}" not in there:
                self.picture(f"c{i}.png", (noise + 100 * self.mask).astype(np.uint8))
            if f"c{i}" not in marked:
                self.picture(f"c{i}.png", self.mask, "masks")

    def raster(self, name: str, values: np.ndarray, folder: str = "images", **options: Any) -> None:
        profile = {
            "count": len(values),
            "dtype": values.dtype,
            "height": SIZE[0],
            "width": SIZE[1],
            **options,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rasters without a place are meant here
            with rasterio.open(self.root / folder / name, "w", driver="GTiff", **profile) as file:
                file.write(values)

    def data(self, **options: Any) -> SegmentationData:
        return SegmentationData(
            root=self.root, images="images", masks="masks", val_fraction=0.0, test_fraction=0.0, **options
        )

    def read(self, **options: Any) -> Callable[[int], Any]:
        data = self.data(**options)
        cases = data.cases("train")
        return lambda index: data.read(cases[index])


@pytest.fixture
def sets(tmp_path: Path) -> Sets:
    return Sets(tmp_path)


def test_exif_orientation_is_applied_so_that_the_mask_fits(sets: Sets) -> None:
    turned = np.rot90(200 * sets.mask, 1)  # as the sensor saw it; orientation 6 says: turn it right
    exif = Image.Exif()
    exif[0x0112] = 6
    sets.picture("c0.jpg", np.ascontiguousarray(turned), exif=exif, quality=95)
    sets.fill()
    sample = sets.read()(0)
    assert sample.x.shape == (1, *SIZE)
    assert ((sample.x[0] > 0.5) == (sample.mask == 1)).mean() > 0.97


def test_rgba_pictures_have_three_bands_and_alpha_0_is_ignored(sets: Sets) -> None:
    rgba = np.random.default_rng(0).integers(0, 255, (*SIZE, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[:3, :, 3] = 0
    sets.picture("c0.png", rgba)
    sets.fill()
    data = sets.data()
    assert data.spec.bands == ("red", "green", "blue")
    sample = data.read(data.cases("train")[0])
    assert (sample.mask[:3] == IGNORE).all()
    assert (sample.x[:, :3] == 0).all()
    assert (sample.mask[3:] != IGNORE).all()


def test_grey_and_colour_pictures_mix_as_colour(sets: Sets) -> None:
    sets.picture("c0.png", np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8))
    sets.picture("c1.png", np.random.default_rng(0).integers(0, 255, (*SIZE, 2), np.uint8))  # grey and alpha
    sets.fill()
    read = sets.read()
    assert [read(i).x.shape[0] for i in range(3)] == [3, 3, 3]
    assert (read(2).x[0] == read(2).x[2]).all()


@pytest.mark.parametrize(
    "kind", ["0/255", "1-bit", "gif", "palette", "grey palette", "equal rgb", "float", "mixed"]
)
def test_encodings_of_binary_masks(sets: Sets, kind: str) -> None:
    classes: dict[str, Any] = {"background": 0, "thing": 1}
    picture = Image.fromarray(sets.mask * 255)
    if kind == "0/255":
        sets.picture("c0.png", sets.mask * 255, "masks")
        classes["thing"] = [1, 255]
    elif kind == "1-bit":
        picture.convert("1").save(sets.root / "masks/c0.png")
    elif kind == "gif":
        picture.save(sets.root / "masks/c0.gif")
        classes["thing"] = [1, 255]
    elif kind.endswith("palette"):
        palette = Image.fromarray(sets.mask)
        palette.putpalette([0, 0, 0, 255, 255, 255] if kind == "grey palette" else [0, 0, 0, 255, 10, 10])
        palette.save(sets.root / "masks/c0.png")
    elif kind == "equal rgb":
        picture.convert("RGB").save(sets.root / "masks/c0.png")
        classes["thing"] = [1, 255]
    elif kind == "float":
        sets.raster("c0.tif", sets.mask[None] * np.float32(2035), "masks")
        classes["thing"] = [1, 2035]
    else:
        sets.picture("c0.png", sets.mask * 255, "masks")
        sets.picture("c1.jpg", sets.mask * 255, "masks", quality=60)
        classes = {"background": "0-127", "thing": "128-255"}
        sets.picture("c2.png", sets.mask * 200, "masks")
    sets.fill()
    read = sets.read(classes=classes)
    assert (read(0).mask == sets.mask).all()


def test_binary_ids_are_discovered_over_all_masks_and_shown(
    sets: Sets, capsys: pytest.CaptureFixture[str]
) -> None:
    sets.picture("c0.png", np.zeros(SIZE, np.uint8), "masks")  # an empty mask tells nothing
    sets.picture("c1.png", sets.mask * 255, "masks")
    sets.picture("c2.png", sets.mask * 255, "masks")
    sets.fill()
    data = sets.data()
    assert [(c.name, c.ids) for c in data.spec.classes] == [("background", (0,)), ("foreground", (255,))]
    shown = "classes found in the masks: background (0), foreground (255); set data.classes to name them\n"
    assert capsys.readouterr().out == shown


def test_minus_one_as_ignore_and_sparse_ids(sets: Sets) -> None:
    raw = sets.mask.astype(np.int16) * 2035
    raw[-4:] = -1
    sets.raster("c0.tif", raw[None], "masks")
    sets.fill()
    mask = sets.read(classes={"land": [0], "lake": [1, 2035]}, ignore_index=-1)(0).mask
    assert (mask[-4:] == IGNORE).all()
    assert (mask[:-4] == sets.mask[:-4]).all()


def test_nan_and_no_data_are_ignored_and_keep_out_of_the_statistics(sets: Sets) -> None:
    values = np.random.default_rng(0).normal(1000, 50, (2, *SIZE)).astype(np.float32)
    values[0, :2] = np.nan
    values[:, 2:4] = -32768
    for i in range(3):
        sets.raster(f"c{i}.tif", values)
    sets.fill()
    data = sets.data(nodata=-32768, normalise={"method": "zscore"})
    sample = data.read(data.cases("train")[0])
    assert (sample.mask[:4] == IGNORE).all()
    assert (sample.mask[4:] != IGNORE).all()
    assert (sample.x[:, :4] == 0).all()
    assert abs(sample.x[:, 4:].std() - 1) < 0.01
    low, high = data.spec.value_range or (0, 0)
    assert 700 < low < high < 1300


def test_black_image_becomes_zeros(sets: Sets) -> None:
    sets.picture("c0.png", np.zeros(SIZE, np.uint8))
    sets.fill()
    for method in ("percentile", "zscore", "minmax"):
        assert not sets.read(normalise={"method": method})(0).x.any()


def test_bands_are_picked_by_the_names_in_the_file(sets: Sets) -> None:
    values = np.full((3, *SIZE), 1, np.uint16) * np.array([[[100]], [[200]], [[300]]], np.uint16)
    for i in range(3):
        sets.raster(f"c{i}.tif", values, transform=rasterio.Affine(2, 0, 9, 0, -2, 9))
        with rasterio.open(sets.root / f"images/c{i}.tif", "r+") as file:
            file.descriptions = ("nir", "red", "green")
    sets.fill()
    assert sets.data().spec.bands == ("nir", "red", "green")
    data = sets.data(bands=["green", "nir"])
    assert data.spec.bands == ("green", "nir")
    assert data.read(data.cases("train")[0]).image.data[:, 0, 0].tolist() == [300, 100]


def test_a_band_without_a_name_does_not_cost_the_others_theirs(sets: Sets) -> None:
    values = np.full((3, *SIZE), 1, np.uint16) * np.array([[[100]], [[200]], [[300]]], np.uint16)
    for i in range(3):
        sets.raster(f"c{i}.tif", values, transform=rasterio.Affine(2, 0, 9, 0, -2, 9))
        with rasterio.open(sets.root / f"images/c{i}.tif", "r+") as file:
            file.descriptions = ("nir", None, "green")
    sets.fill()
    data = sets.data(bands=["green", "nir"])
    assert data.read(data.cases("train")[0]).image.data[:, 0, 0].tolist() == [300, 100]


def test_fixed_statistics_come_from_the_training_images(sets: Sets) -> None:
    for i in range(3):
        sets.picture(
            f"c{i}.png", np.full(SIZE, 100, np.uint8) + 20 * (np.arange(SIZE[1]) % 2).astype(np.uint8)
        )
    sets.fill()
    how = sets.data(normalise={"method": "fixed"}).spec.normalisation
    assert how.mean == pytest.approx((110,))
    assert how.std == pytest.approx((10,))


def test_volumes_are_read_in_z_y_x_with_their_spacing(sets: Sets) -> None:
    mask = np.zeros((10, 12, 6), np.uint8)
    mask[:3, :4, :2] = 1
    for i in range(3):
        image = mask * 500.0 + np.random.default_rng(i).normal(0, 1, mask.shape)
        for folder, values in (("images", image.astype(np.float32)), ("masks", mask)):
            kind: Any = nibabel.Nifti1Image
            nibabel.save(kind(values, np.diag([1, 1, 2.5, 1])), sets.root / folder / f"c{i}.nii.gz")
    data = sets.data(bands=["t1"], patch=[4, 8, 8], classes=["background", "organ"])
    spec = data.spec
    assert (spec.ndim, spec.bands, spec.unit, spec.tile) == (3, ("t1",), "mm", (4, 8, 8))
    assert spec.spacing == pytest.approx((2.5, 1, 1))
    sample = data.read(data.cases("train")[0])
    assert sample.mask.shape == (6, 12, 10)
    assert ((sample.x[0] > 0.5) == (sample.mask == 1)).all()


def test_layered_masks(sets: Sets) -> None:
    layers = np.stack([sets.mask * 255, np.roll(sets.mask, 4) * 255])
    for i in range(3):
        sets.raster(f"c{i}.tif", layers, "masks")
    sets.fill()
    data = sets.data(multilabel=True)
    assert [c.name for c in data.spec.classes] == ["class_1", "class_2"]
    assert (data.read(data.cases("train")[0]).mask == (layers > 0)).all()
    batch = next(iter(data.train_dataloader()))
    assert batch["mask"].shape[1] == 2


def test_all_16_bits_of_images_and_ids_count(sets: Sets) -> None:
    values = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE) * 80  # the upper byte carries most
    raw = sets.mask.astype(np.uint16) * 1025  # its lower byte is 1
    sets.picture("c0.png", values)
    sets.picture("c0.png", raw, "masks")
    sets.raster("c1.tif", values[None])
    sets.raster("c1.tif", raw[None], "masks")
    sets.fill(2)
    data = sets.data(classes={"background": 0, "thing": 1025}, normalise={"method": "minmax"})
    for case in data.cases("train"):
        sample = data.read(case)
        assert (sample.image.data[0] == values).all()
        assert (sample.mask == sets.mask).all()
    assert data.spec.value_range == (0, values.max())


def test_255_is_no_label_where_the_config_says_so(sets: Sets) -> None:
    raw = sets.mask.copy()
    raw[-3:] = 255
    sets.picture("c0.png", raw, "masks")
    sets.fill()
    classes = {"background": 0, "thing": 1}
    with pytest.raises(ValueError, match=r"c0\.png: the mask has the ids 255 beside those of the classes"):
        sets.read(classes=classes)(0)
    mask = sets.read(classes=classes, ignore_index=255)(0).mask
    assert (mask[-3:] == IGNORE).all()
    assert (mask[:-3] == sets.mask[:-3]).all()


def test_palette_and_rgb_masks_mix(sets: Sets) -> None:
    palette = Image.fromarray(sets.mask)
    palette.putpalette([0, 0, 0, 255, 10, 10])
    palette.save(sets.root / "masks/c0.png")
    sets.picture("c1.png", np.stack([sets.mask * 255] * 3, axis=-1), "masks")
    sets.picture("c2.png", np.stack([sets.mask * 255, sets.mask * 0, sets.mask * 0], axis=-1), "masks")
    sets.fill()
    read = sets.read(classes={"background": 0, "thing": [1, 255]})
    assert (read(0).mask == sets.mask).all()
    assert (read(1).mask == sets.mask).all()
    with pytest.raises(ValueError, match=r"c2\.png: the mask is a colour picture"):
        read(2)


def test_scales_that_differ_by_thousands_look_alike_to_the_network(sets: Sets) -> None:
    grey = (np.random.default_rng(0).integers(0, 50, SIZE) + 100 * sets.mask).astype(np.uint8)
    sets.raster("c0.tif", grey[None])
    sets.raster("c1.tif", (grey * 1.13e4).astype(np.float32)[None])
    sets.fill()
    for method in ("percentile", "zscore", "minmax"):
        read = sets.read(normalise={"method": method})
        np.testing.assert_allclose(read(1).x, read(0).x, atol=1e-5)


def test_what_macos_leaves_and_spaces_in_names(sets: Sets) -> None:
    (sets.root / "masks").rename(sets.root / "Ground Truth")
    (sets.root / "masks").mkdir()
    sets.fill()
    for path in [*(sets.root / "images").iterdir(), *(sets.root / "masks").iterdir()]:
        path.rename(path.with_name(f"case {path.name}"))
        path.with_name(f"._case {path.name}").write_bytes(b"\0\5\x16\7")
    for path in (sets.root / "masks").iterdir():
        path.rename(sets.root / "Ground Truth" / path.name)
    data = SegmentationData(root=sets.root, images="images", masks="Ground Truth", test_fraction=0.0)
    assert data.check() == []
    assert [case.name for case in data.listing.cases] == ["case c0", "case c1", "case c2"]
