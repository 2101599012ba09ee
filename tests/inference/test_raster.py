import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.enums
import rasterio.shutil
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from rasterio.transform import Affine

from unetzoo.datasets import Case, read_case
from unetzoo.inference import (
    ClassSpec,
    Contract,
    DataSpec,
    Normalisation,
    Predictor,
    read_image,
    read_mask,
    write_labels,
    write_probabilities,
)

CLASSES = [ClassSpec("ground", (0,), (1, 2, 3)), ClassSpec("house", (1,), (250, 0, 9))]
BANDS = np.arange(1, 3 * 7 * 9 + 1, dtype=np.int16).reshape(3, 7, 9)
TURNED = Affine.translation(500000.3, 5300000.7) @ Affine.rotation(33) @ Affine.scale(0.5, -0.25)
TRANSFORMS = {
    "north up": Affine(10, 0, 500000, 0, -10, 5300000),
    "south up": Affine(10, 0, 500000, 0, 10, 5300000),
    "turned": TURNED,
    "sheared": TURNED @ Affine.shear(10, 5),
    "mirrored": TURNED @ Affine.scale(-1, 1),
}


def info(path: Path) -> dict[str, Any]:
    with warnings.catch_warnings(), rasterio.open(path) as source:
        warnings.simplefilter("ignore")
        points = [(g.row, g.col, g.x, g.y, g.z) for g in source.gcps[0]]
        return {
            "crs": source.crs,
            "transform": tuple(source.transform),
            "gcps": (points, source.gcps[1]),
            "rpcs": source.rpcs and source.rpcs.to_dict(),
            "size": source.shape,
            "point": source.tags().get("AREA_OR_POINT"),
        }


def write_and_compare(path: Path, labels: np.ndarray, out: Path) -> None:
    image = read_image(path)
    write_labels(out, labels, image, CLASSES)
    assert info(out) == info(path)


@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_marker_pixel_keeps_its_world_coordinate(
    geotiff: Callable[..., Path], tmp_path: Path, transform: Affine, point: bool
) -> None:
    bands = BANDS.copy()
    bands[:, 5, 2] = 9999
    path = geotiff(bands, transform=transform)
    if point:
        with rasterio.open(path, "r+") as source:
            source.update_tags(AREA_OR_POINT="Point")
    labels = (read_image(path).data[0] == 9999).astype(np.uint8)
    write_and_compare(path, labels, tmp_path / "out.tif")
    with rasterio.open(path) as before, rasterio.open(tmp_path / "out.tif") as after:
        row, column = np.argwhere(after.read(1) == 1)[0]
        assert after.xy(row, column) == before.xy(5, 2)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:2180", "EPSG:2263", "ESRI:54009"])
def test_crs_comes_back(geotiff: Callable[..., Path], tmp_path: Path, crs: str) -> None:
    write_and_compare(geotiff(BANDS, crs=crs), np.zeros((7, 9), np.uint8), tmp_path / "out.tif")


def test_control_points_are_copied(geotiff: Callable[..., Path], tmp_path: Path) -> None:
    points = [
        GroundControlPoint(r, c, 10 + c * 0.1, 50 - r * 0.2, 3.5) for r, c in [(0, 0), (0, 9), (7, 0), (7, 9)]
    ]
    path = geotiff(BANDS, crs="EPSG:4326", transform=None, gcps=points)
    image = read_image(path)
    assert (image.spacing, image.unit) == (None, "px")
    write_and_compare(path, np.zeros((7, 9), np.uint8), tmp_path / "out.tif")
    assert len(info(tmp_path / "out.tif")["gcps"][0]) == 4


def test_rational_polynomials_are_copied(geotiff: Callable[..., Path], tmp_path: Path) -> None:
    coefficients = [0.1 * i for i in range(20)]
    rpc = RPC(
        10.0,
        5.0,
        50.0,
        2.0,
        coefficients,
        coefficients,
        8.0,
        1.0,
        3.0,
        1.5,
        coefficients,
        coefficients,
        4.0,
        2.0,
    )
    path = geotiff(BANDS, crs=None, transform=None, rpcs=rpc)
    assert info(path)["rpcs"]
    write_and_compare(path, np.zeros((7, 9), np.uint8), tmp_path / "out.tif")


@pytest.mark.parametrize(
    ("crs", "transform", "spacing", "unit"),
    [
        ("EPSG:32633", TRANSFORMS["north up"], (10, 10), "m"),
        ("EPSG:32633", TURNED, (0.25, 0.5), "m"),
        ("EPSG:2263", Affine(3, 0, 0, 0, -6, 0), (6 * 1200 / 3937, 3 * 1200 / 3937), "m"),  # US survey feet
        ("EPSG:4326", Affine(0.1, 0, 5, 0, -0.2, 50), (0.2, 0.1), "deg"),
        (None, TRANSFORMS["north up"], None, "px"),
    ],
)
def test_spacing_is_the_length_of_a_step(
    geotiff: Callable[..., Path],
    crs: str | None,
    transform: Affine,
    spacing: tuple[float, float] | None,
    unit: str,
) -> None:
    image = read_image(geotiff(BANDS, crs=crs, transform=transform))
    assert image.unit == unit
    assert image.spacing == (None if spacing is None else pytest.approx(spacing))


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
def test_dtype_is_kept(geotiff: Callable[..., Path], dtype: str) -> None:
    image = read_image(geotiff(BANDS.astype(dtype)))
    assert image.data.dtype == dtype
    np.testing.assert_array_equal(image.data, BANDS.astype(dtype))


def test_complex_bands_are_refused(geotiff: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"scene\.tif.*complex64"):
        read_image(geotiff(BANDS.astype(np.complex64)))


def masked_input(kind: str, geotiff: Callable[..., Path]) -> tuple[Path, np.ndarray]:
    """A file that marks the same pixels as no data in one of the ways that there are."""
    holes = np.zeros((7, 9), bool)
    holes[1:3, 4:7] = True
    if kind == "nodata":
        return geotiff(np.where(holes, -32768, BANDS).astype(np.int16), nodata=-32768), holes
    if kind == "zero":
        return geotiff(np.where(holes, 0, BANDS), nodata=0), holes
    if kind == "NaN":
        return geotiff(np.where(holes, np.nan, BANDS).astype(np.float32)), holes
    if kind == "NaN as nodata":
        return geotiff(np.where(holes, np.nan, BANDS).astype(np.float32), nodata=math.nan), holes
    if kind == "alpha":
        alpha = np.where(holes, 0, 255)[None]
        return geotiff(np.concatenate([BANDS % 256, alpha]).astype(np.uint8), photometric=None), holes
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=kind == "internal mask"):
        path = geotiff(BANDS)
        with rasterio.open(path, "r+") as source:
            source.write_mask(~holes)
    return path, holes


MASKS = ["nodata", "zero", "NaN", "NaN as nodata", "alpha", "internal mask", "side file"]


@pytest.mark.parametrize("kind", MASKS)
def test_no_data_is_found_and_written_back(geotiff: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    path, holes = masked_input(kind, geotiff)
    image = read_image(path)
    assert len(image.data) == 3
    np.testing.assert_array_equal(image.valid, ~holes)

    labels = np.where(holes, 255, BANDS[0] % 2).astype(np.uint8)
    write_labels(tmp_path / "out.tif", labels, image, CLASSES)
    probabilities = np.full((2, 7, 9), 0.5, np.float32)
    write_probabilities(tmp_path / "p.tif", probabilities, image, ["ground", "house"])
    for name in ("out.tif", "p.tif"):
        with rasterio.open(tmp_path / name) as written:
            np.testing.assert_array_equal(written.dataset_mask() == 0, holes)
    if not kind.startswith("NaN"):  # GDAL does not take NaN for no data by itself
        with rasterio.open(path) as source, rasterio.open(tmp_path / "out.tif") as written:
            np.testing.assert_array_equal(written.dataset_mask(), source.dataset_mask())


def test_filler_in_one_band_is_no_data_but_zero_needs_all_bands(geotiff: Callable[..., Path]) -> None:
    bands = BANDS.copy()
    bands[1, 0, 0] = -9999
    assert read_image(geotiff(bands, nodata=-9999)).valid.sum() == 7 * 9 - 1
    bands[1, 0, 0] = 0
    assert read_image(geotiff(bands, nodata=0)).valid.all()
    assert read_image(geotiff(np.where(bands == 1, 0, bands)), nodata=0).valid.all()
    assert read_image(geotiff(bands), nodata=int(BANDS[0, 2, 2])).valid.sum() == 7 * 9 - 1


def test_infinity_in_one_band_is_no_data(geotiff: Callable[..., Path]) -> None:
    bands = BANDS.astype(np.float32)
    bands[2, 3, 3] = np.inf
    assert not read_image(geotiff(bands)).valid[3, 3]


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (300, 513)])
def test_label_map_is_tiled_compressed_and_coloured(
    geotiff: Callable[..., Path], tmp_path: Path, size: tuple[int, int], rng: np.random.Generator
) -> None:
    image = read_image(geotiff(np.zeros((1, *size), np.uint8)))
    labels = rng.choice(np.array([0, 1, 255], np.uint8), size)
    write_labels(tmp_path / "out.tif", labels, image, CLASSES)
    with rasterio.open(tmp_path / "out.tif") as written:
        np.testing.assert_array_equal(written.read(1), labels)
        assert written.profile["tiled"]
        assert written.compression.name == "deflate"
        assert written.nodata == 255
        assert written.colormap(1)[1][:3] == (250, 0, 9)
    np.testing.assert_array_equal(read_mask(tmp_path / "out.tif", image), labels)


def test_probabilities_and_layers_are_named_bands(geotiff: Callable[..., Path], tmp_path: Path) -> None:
    image = read_image(geotiff(BANDS))
    values = np.random.default_rng(0).random((2, 7, 9)).astype(np.float32)
    write_probabilities(tmp_path / "p.tif", values, image, ["ground", "house"])
    write_labels(tmp_path / "l.tif", (values > 0.5).astype(np.uint8), image, CLASSES)
    with rasterio.open(tmp_path / "p.tif") as p, rasterio.open(tmp_path / "l.tif") as layers:
        np.testing.assert_array_equal(p.read(), values)
        np.testing.assert_array_equal(layers.read(), values > 0.5)
        assert p.descriptions == layers.descriptions == ("ground", "house")


def test_outputs_leave_no_side_files(geotiff: Callable[..., Path], tmp_path: Path) -> None:
    image = read_image(geotiff(BANDS))
    write_labels(tmp_path / "l.tif", np.zeros((7, 9), np.uint8), image, CLASSES)
    write_probabilities(tmp_path / "p.tif", np.zeros((2, 7, 9), np.float32), image)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l.tif", "p.tif", "scene.tif"]


def test_palette_raster_is_colours_as_image_and_indices_as_mask(geotiff: Callable[..., Path]) -> None:
    path = geotiff(BANDS[:1].astype(np.uint8) % 2, photometric="palette")
    with rasterio.open(path, "r+") as source:
        source.write_colormap(1, {0: (9, 8, 7), 1: (1, 2, 3)})
    np.testing.assert_array_equal(read_image(path).data[:, 0, 1], [9, 8, 7])
    np.testing.assert_array_equal(read_mask(path), BANDS[0] % 2)


def test_masks_with_float_ids_and_minus_one(geotiff: Callable[..., Path]) -> None:
    ids = np.where(BANDS[0] % 3 == 0, -1, 2035)
    mask = read_mask(geotiff(ids[None].astype(np.float32)))
    assert mask.dtype.kind == "i"
    np.testing.assert_array_equal(mask, ids)


@pytest.mark.parametrize("bad", [0.5, math.nan, math.inf, 1e12])
def test_masks_that_hold_no_ids_are_refused(geotiff: Callable[..., Path], bad: float) -> None:
    ids = np.zeros((1, 4, 4))
    ids[0, 1, 1] = bad
    with pytest.raises(ValueError, match=r"scene\.tif: the mask holds"):
        read_mask(geotiff(ids))


@pytest.mark.parametrize("layers", [2, 4])
def test_mask_with_several_bands_keeps_them(geotiff: Callable[..., Path], layers: int) -> None:
    ids = (np.arange(layers * 30).reshape(layers, 5, 6) % 2 ^ np.arange(layers)[:, None, None] % 2).astype(
        np.uint8
    )
    np.testing.assert_array_equal(
        read_mask(geotiff(ids, photometric=None if layers == 4 else "minisblack")), ids
    )


def test_mask_elsewhere_is_refused_but_rounding_is_not(geotiff: Callable[..., Path]) -> None:
    image = read_image(geotiff(BANDS))
    t = TRANSFORMS["north up"]
    near = geotiff(BANDS[:1], "near.tif", transform=Affine(t.a, t.b, t.c + 1e-5, t.d, t.e * (1 + 1e-9), t.f))
    assert read_mask(near, image).shape == (7, 9)
    assert read_mask(geotiff(BANDS[:1], "plain.tif", crs=None, transform=None), image).shape == (7, 9)
    far = geotiff(BANDS[:1], "far.tif", transform=Affine(t.a, t.b, t.c + 6, t.d, t.e, t.f))
    with pytest.raises(ValueError, match=r"far\.tif: the mask lies elsewhere"):
        read_mask(far, image)


def stack(path: Path, sizes: list[int]) -> Path:
    import PIL.Image

    pages = [PIL.Image.fromarray(np.full((4, size), i, np.uint8)) for i, size in enumerate(sizes)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def test_pages_are_slices_of_a_volume_there_and_back(tmp_path: Path) -> None:
    image = read_image(stack(tmp_path / "stack.tif", [5, 5, 5]))
    assert (image.data == np.arange(3)[None, :, None, None]).all()
    assert image.data.shape == (1, 3, 4, 5)
    assert (image.spacing, image.unit) == (None, "px")
    write_labels(tmp_path / "out.tif", image.data[0] % 2, image, CLASSES)
    np.testing.assert_array_equal(read_mask(tmp_path / "out.tif", like=image), image.data[0] % 2)


def test_pages_that_differ_are_no_volume(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"stack\.tif: its pages differ in size"):
        read_image(stack(tmp_path / "stack.tif", [5, 5, 2]))


def test_virtual_raster_under_another_name_is_not_followed(
    geotiff: Callable[..., Path], tmp_path: Path
) -> None:
    scene = geotiff(BANDS)
    virtual(scene, tmp_path / "scene.vrt").rename(tmp_path / "innocent.tif")
    with pytest.raises(ValueError, match=r"innocent\.tif: cannot be read as a TIFF"):
        read_image(tmp_path / "innocent.tif")


def virtual(scene: Path, path: Path) -> Path:
    rasterio.shutil.copy(scene, path, driver="VRT")
    return path


def with_overviews(path: Path) -> Path:
    with rasterio.open(path, "r+") as source:
        source.build_overviews([2], rasterio.enums.Resampling.average)
    return path


@pytest.mark.parametrize("kind", [*MASKS[:-1], "virtual", "overviews", "uint16", "tiled float32", "jp2"])
def test_predicting_and_training_see_the_same_pixels_of_every_raster(
    geotiff: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    values = np.tile(np.arange(100, 4100, dtype=np.uint16).reshape(1, 40, 100), (3, 1, 1))[:, :, :64]
    holes = np.zeros((40, 64), bool)
    if kind in MASKS:
        path, holes = masked_input(kind, geotiff)
        with rasterio.open(path) as source:
            values = source.read()[:3]
    elif kind == "virtual":
        path = virtual(geotiff(values), tmp_path / "scene.vrt")
    elif kind == "overviews":
        path = with_overviews(geotiff(values))
    elif kind == "jp2":
        path = tmp_path / "scene.jp2"
        rasterio.shutil.copy(geotiff(values), path, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    else:
        dtype = kind.rpartition(" ")[2]
        path = geotiff(values.astype(dtype), tiled=True, blockxsize=16, blockysize=16, compress="deflate")
    ids = (np.nan_to_num(values[0].astype(float)) % 2).astype(np.uint8)
    mask = geotiff(ids[None], "mask.tif")
    data = DataSpec(
        2,
        ("red", "green", "blue"),
        tuple(CLASSES),
        Normalisation("fixed", mean=(0.0,) * 3, std=(1.0,) * 3),
        (16, 16),
    )
    sample = read_case(Case("scene", path, mask, "scene"), data)
    np.testing.assert_array_equal(sample.x, np.where(holes, 0, values).astype(np.float32))
    np.testing.assert_array_equal(sample.mask, np.where(holes, 255, ids))

    def odd(x: np.ndarray) -> np.ndarray:
        return np.stack([0.5 - x[:, 0] % 2, x[:, 0] % 2 - 0.5], axis=1)

    predictor = Predictor(odd, Contract("t", data, "softmax", (1, 1), True))
    (tmp_path / "out").mkdir()
    target = predictor.predict_file(path, tmp_path / "out")
    np.testing.assert_array_equal(read_mask(target, like=sample.image), sample.mask)


def test_scientific_tiff_without_a_place(geotiff: Callable[..., Path], tmp_path: Path) -> None:
    bands = np.random.default_rng(0).normal(size=(7, 5, 6)).astype(np.float32)
    image = read_image(geotiff(bands, crs=None, transform=None), bands=7)
    np.testing.assert_array_equal(image.data, bands)
    write_labels(tmp_path / "out.png", np.zeros((5, 6), np.uint8), image, CLASSES)
    assert read_mask(tmp_path / "out.png", image).shape == (5, 6)


def test_truncated_and_foreign_tiffs_are_refused_by_name(
    geotiff: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = geotiff(np.random.default_rng(0).integers(0, 255, (3, 200, 200), dtype=np.uint8), tiled=True)
    whole = path.read_bytes()
    for name, content in [
        ("cut.tif", whole[: len(whole) // 2]),
        ("head.tif", whole[:6]),
        ("empty.tif", b""),
        ("text.tif", b"hello" * 50),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name) as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
