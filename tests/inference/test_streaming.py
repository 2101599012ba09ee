"""Files larger than memory: the same answer as in memory, and nothing lost when interrupted."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import PIL.Image
import pytest
import rasterio

from unetzoo.inference import Contract, DataSpec, Normalisation, Predictor, read_image
from unetzoo.inference.files import FileError
from unetzoo.inference.image import open_image
from unetzoo.inference.jobs import LEDGER
from unetzoo.inference.memory import parse_bytes
from unetzoo.inference.spool import Spool

Make = Callable[..., Contract]
Spec = Callable[..., DataSpec]
FIXED = Normalisation("fixed", mean=(0.0,), std=(1.0,))
nib: Any = nibabel  # its annotations are partial


class Blurring:
    """Three classes from what is around a pixel, so that tiles and their borders matter.

    Args:
        patience: Windows after which the process is interrupted.
    """

    def __init__(self, patience: int | None = None, identity: str = "blurring") -> None:
        self.patience, self.identity, self.sizes = patience, identity, list[int]()

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.sizes.append(len(batch))
        if self.patience is not None and sum(self.sizes) > self.patience:
            raise KeyboardInterrupt
        mean = (batch + np.roll(batch, 1, axis=-1) + np.roll(batch, -1, axis=-2)) / 3
        ramp = np.arange(batch.shape[-1], dtype=np.float32) / batch.shape[-1]
        return np.asarray(np.concatenate([mean[:, :1], mean[:, -1:] + ramp, -mean[:, :1]], axis=1))


@pytest.fixture
def scene(geotiff: Callable[..., Path], rng: np.random.Generator) -> Path:
    """75 x 61 pixels, a corner of which has no data."""
    bands = rng.normal(0, 1, (3, 75, 61)).astype(np.float32)
    bands[:, 20:45, 30:] = np.nan
    return geotiff(bands)


@pytest.mark.parametrize("method", ["fixed", "percentile", "zscore", "minmax"])
@pytest.mark.parametrize("blend", ["gaussian", "crop"])
def test_raster_from_its_file_is_the_raster_in_memory_to_the_bit(
    contract: Make, spec: Spec, scene: Path, tmp_path: Path, method: str, blend: str
) -> None:
    how = Normalisation(method) if method != "fixed" else spec().normalisation
    predictor = Predictor(Blurring(), contract(spec(normalisation=how), blend=blend))
    labels, probabilities = predictor.predict(read_image(scene), flips=True)
    predictor.predict_file(scene, tmp_path / "o.tif", probabilities=True, flips=True, batch_size=3)
    with rasterio.open(tmp_path / "o.tif") as a, rasterio.open(tmp_path / "o_probabilities.tif") as b:
        np.testing.assert_array_equal(a.read(1), labels)
        np.testing.assert_array_equal(np.nan_to_num(b.read()), probabilities)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_volume_from_its_file_is_the_volume_in_memory_to_the_bit(
    contract: Make, spec: Spec, tmp_path: Path, rng: np.random.Generator, order: tuple[int, ...], suffix: str
) -> None:
    data = spec(
        ndim=3,
        tile=(8, 6, 7),
        bands=("t1", "t2"),
        normalisation=Normalisation("percentile"),
    )
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, list(order)] * [1, -1, -1]  # axes turned and two of them backwards
    volume = nib.Nifti1Image(rng.normal(size=(21, 17, 19, 2)).astype(np.float32), affine)
    nib.save(volume, tmp_path / f"v{suffix}")
    predictor = Predictor(Blurring(), contract(data))
    expected = predictor.predict(read_image(tmp_path / f"v{suffix}"))
    predictor.predict_file(tmp_path / f"v{suffix}", tmp_path / f"o{suffix}", probabilities=True)
    found = read_image(tmp_path / f"o{suffix}")
    np.testing.assert_array_equal(found.data[0], expected.labels)
    found = read_image(tmp_path / "o_probabilities.nii.gz")
    np.testing.assert_array_equal(found.data, expected.probabilities)


def test_pieces_of_a_volume_are_pieces_of_the_whole(tmp_path: Path, rng: np.random.Generator) -> None:
    swap = np.eye(4)[:, [1, 2, 0, 3]] * [1, -1, 1, 1]
    nib.save(nib.Nifti1Image(rng.integers(0, 99, (9, 8, 7)).astype(np.int16), swap), tmp_path / "v.nii.gz")
    whole = read_image(tmp_path / "v.nii.gz").data
    with open_image(tmp_path / "v.nii.gz") as source:
        for first, last in [(0, 3), (5, 6), (2, source.size[0])]:
            np.testing.assert_array_equal(source.read(first, last).data, whole[:, first:last])


def test_compressed_volume_that_unpacks_to_more_than_it_says_is_not_unpacked(tmp_path: Path) -> None:
    import gzip

    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), np.eye(4)), tmp_path / "v.nii")
    bomb = gzip.compress((tmp_path / "v.nii").read_bytes() + bytes(10**7))
    (tmp_path / "b.nii.gz").write_bytes(bomb)
    with open_image(tmp_path / "b.nii.gz") as source:
        source.read(1, 3)
        assert Path(source._seekable().get_filename()).stat().st_size < 2000  # type: ignore[attr-defined]


def test_interrupted_file_goes_on_where_it_was(contract: Make, scene: Path, tmp_path: Path) -> None:
    whole = Blurring()
    Predictor(whole, contract()).predict_file(scene, tmp_path / "a.tif", probabilities=True)
    with pytest.raises(KeyboardInterrupt):
        Predictor(Blurring(patience=22), contract()).predict_file(
            scene, tmp_path / "b.tif", probabilities=True, batch_size=1
        )
    assert (tmp_path / ".b.tif.part").is_file()
    assert not (tmp_path / "b.tif").exists()
    again = Blurring()
    Predictor(again, contract()).predict_file(scene, tmp_path / "b.tif", probabilities=True)
    assert sum(again.sizes) < 0.8 * sum(whole.sizes)
    for name in ("", "_probabilities"):
        assert (tmp_path / f"a{name}.tif").read_bytes() == (tmp_path / f"b{name}.tif").read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("change", ["model", "options", "input"])
def test_another_model_or_input_starts_anew(contract: Make, scene: Path, tmp_path: Path, change: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        Predictor(Blurring(patience=22), contract()).predict_file(scene, tmp_path / "b.tif", batch_size=1)
    again = Blurring(identity="other" if change == "model" else "blurring")
    if change == "input":
        scene.touch()
    Predictor(again, contract()).predict_file(scene, tmp_path / "b.tif", rotations=change == "options")
    fresh = Blurring()
    Predictor(fresh, contract()).predict_file(scene, tmp_path / "c.tif", rotations=change == "options")
    assert sum(again.sizes) == sum(fresh.sizes)
    assert (tmp_path / "b.tif").read_bytes() == (tmp_path / "c.tif").read_bytes()


def pictures(folder: Path, count: int, size: tuple[int, int] = (16, 16)) -> Path:
    folder.mkdir()
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 256, (*size, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def test_interrupted_run_finishes_the_rest(contract: Make, tmp_path: Path) -> None:
    inputs = pictures(tmp_path / "in", 7)
    with pytest.raises(KeyboardInterrupt):
        Predictor(Blurring(patience=4), contract()).predict_files([inputs], tmp_path / "out", batch_size=1)
    done = sorted(p.name for p in (tmp_path / "out").glob("*.png"))
    assert 1 <= len(done) < 7
    stamps = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in done}
    again = Blurring()
    outcomes = Predictor(again, contract()).predict_files([inputs], tmp_path / "out")
    assert [o.target for o in outcomes] == [tmp_path / "out" / f"{i}.png" for i in range(7)]
    assert sum(again.sizes) <= 7 - len(done)  # one may have been computed and not yet written
    assert stamps == {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in done}
    Predictor(Blurring(), contract()).predict_files([inputs], tmp_path / "whole")
    for i in range(7):
        assert (tmp_path / "out" / f"{i}.png").read_bytes() == (tmp_path / "whole" / f"{i}.png").read_bytes()
    assert not list((tmp_path / "out").glob(".*"))


def test_ledger_that_was_cut_short_counts_what_is_whole(contract: Make, tmp_path: Path) -> None:
    inputs = pictures(tmp_path / "in", 3)
    (inputs / "bad.png").write_bytes(b"none")
    Predictor(Blurring(), contract()).predict_files([inputs], tmp_path / "out")
    ledger = tmp_path / "out" / LEDGER
    ledger.write_text(ledger.read_text()[:-9])
    again = Blurring()
    outcomes = Predictor(again, contract()).predict_files([inputs], tmp_path / "out")
    assert sum(again.sizes) == 1
    assert sum(o.target is not None for o in outcomes) == 3


def test_windows_of_several_files_fill_a_batch(contract: Make, tmp_path: Path) -> None:
    network = Blurring()
    Predictor(network, contract()).predict_files(
        [pictures(tmp_path / "in", 10)], tmp_path / "out", batch_size=4
    )
    assert network.sizes == [4, 4, 2]


def test_file_that_fails_midway_leaves_the_others_of_its_batch_alone(
    contract: Make, tmp_path: Path, geotiff: Callable[..., Path], rng: np.random.Generator
) -> None:
    inputs = pictures(tmp_path / "in", 3)
    whole = geotiff(rng.normal(size=(3, 200, 40)).astype(np.float32), blockysize=8).read_bytes()
    (inputs / "1a.tif").write_bytes(whole[: len(whole) * 2 // 3])
    outcomes = Predictor(Blurring(), contract()).predict_files([inputs], tmp_path / "out", batch_size=5)
    assert [o.error is None for o in outcomes] == [True, True, False, True]
    assert "1a.tif: cannot be read as a TIFF" in str(outcomes[2].error)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [LEDGER, "0.png", "1.png", "2.png"]


def test_windows_without_data_cost_nothing(contract: Make, scene: Path, tmp_path: Path) -> None:
    full, holed = Blurring(), Blurring()
    image = read_image(scene)
    Predictor(full, contract()).predict(replace(image, valid=np.ones_like(image.valid)))
    Predictor(holed, contract()).predict_file(scene, tmp_path / "o.tif")
    assert sum(holed.sizes) < sum(full.sizes)


@pytest.mark.parametrize("cloud", [False, True])
def test_large_label_map_has_overviews_in_its_place(
    contract: Make, geotiff: Callable[..., Path], tmp_path: Path, cloud: bool
) -> None:
    bands = np.zeros((3, 700, 1100), np.float32)
    bands[1, :350], bands[:, 600:, 900:] = 1, -9999
    source = geotiff(bands, nodata=-9999)
    predictor = Predictor(lambda b: b, contract(replace(contract().data, tile=(256, 256))))
    predictor.predict_file(source, tmp_path / "o.tif", cloud=cloud)
    with rasterio.open(source) as before, rasterio.open(tmp_path / "o.tif") as after:
        assert (after.crs, after.transform, after.shape) == (before.crs, before.transform, before.shape)
        np.testing.assert_array_equal(after.dataset_mask(), before.dataset_mask())
        assert after.overviews(1) == [2]
        assert after.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == ("COG" if cloud else None)
        half = after.read(1, out_shape=(350, 550))
        assert (half[:175] == 1).all()
        assert (half[305:, 455:] == 255).all()
    with rasterio.open(tmp_path / "o.tif", overview_level=0) as overview:
        assert overview.shape == (350, 550)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.tif", "scene.tif"]


@pytest.mark.parametrize("kind", ["raster", "volume"])
def test_memory_does_not_grow_with_the_height_and_stays_below_what_was_told(
    contract: Make,
    spec: Spec,
    geotiff: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.setattr("unetzoo.inference.memory._LIBRARIES", 0)  # is not traced
    peaks, told = [], []
    for height in (512, 1536):
        if kind == "raster":
            source = geotiff(np.ones((3, height, 2000), np.uint8), f"{height}.tif")
            data = spec(tile=(64, 64))
        else:
            source = tmp_path / f"{height}.nii"
            nib.save(nib.Nifti1Image(np.ones((30, 20, height), np.uint8), np.eye(4)), source)
            data = spec(ndim=3, tile=(16, 16, 16), bands=("t1",), normalisation=FIXED)
        predictor = Predictor(Blurring(), contract(data))
        need = predictor.memory(source)
        tracemalloc.start()
        predictor.predict_file(source, source.with_name(f"o{source.suffix}"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        told.append(need)
    # the image alone grows by 0.6 to 6 MB, its logits by ten times that; which thread is ahead moves a tenth
    assert peaks[1] < 1.2 * peaks[0] + 250_000
    assert told[1] == pytest.approx(told[0], rel=0.01)
    assert peaks[1] < 1.15 * told[1] + 300_000


def test_image_that_needs_more_memory_than_allowed_is_refused_before_it_is_read(
    contract: Make, scene: Path, tmp_path: Path
) -> None:
    network = Blurring()
    predictor = Predictor(network, contract())
    with pytest.raises(FileError, match=r"75 x 61 pixels take .* beside the network, more than max_ram=20K"):
        predictor.predict_file(scene, tmp_path / "o.tif", max_ram="20K")
    assert not network.sizes
    assert [p.name for p in tmp_path.iterdir()] == ["scene.tif"]
    predictor.predict_file(scene, tmp_path / "o.tif", max_ram="1 GB")


@pytest.mark.parametrize(
    ("text", "amount"), [("2GB", 2e9), ("800 MB", 8e8), ("1.5G", 1.5e9), (4096, 4096), ("12KiB", 12e3)]
)
def test_amounts_of_memory_are_read_as_written(text: str | int, amount: float) -> None:
    assert parse_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "much", "-3GB", "0", "1.2.3GB", "5 GHz"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of memory"):
        parse_bytes(text)


@pytest.mark.parametrize("option", [{"max_ram": "lots"}, {"batch_size": 0}])
def test_what_holds_for_all_files_is_refused_once_and_writes_nothing(
    contract: Make, tmp_path: Path, option: dict[str, Any]
) -> None:
    inputs = pictures(tmp_path / "in", 3)
    with pytest.raises(ValueError, match=r"lots|batch_size=0"):
        Predictor(Blurring(), contract()).predict_files([inputs], tmp_path / "out", **option)
    assert not (tmp_path / "out").exists()


def test_spool_gives_back_what_was_whole(tmp_path: Path, rng: np.random.Generator) -> None:
    rows = rng.integers(0, 9, (1, 12, 5)).astype(np.uint8)
    spool = Spool(tmp_path / "s", "key", (1, 12, 5), "uint8")
    for first in range(0, 12, 4):
        spool.append(rows[:, first : first + 4])
    with pytest.raises(FileError, match="another process"):
        Spool(tmp_path / "s", "key", (1, 12, 5), "uint8")
    spool.close(keep=True)
    (tmp_path / "s").write_bytes((tmp_path / "s").read_bytes()[:-1])
    spool = Spool(tmp_path / "s", "key", (1, 12, 5), "uint8")
    np.testing.assert_array_equal(np.concatenate([*spool.pieces()], axis=1), rows[:, :8])
    spool.close(keep=True)
    spool = Spool(tmp_path / "s", "other", (1, 12, 5), "uint8")
    assert len(spool) == 0
    spool.close(keep=False)
    assert not (tmp_path / "s").exists()
