from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
import rasterio

from unetzoo.inference import IGNORE, Contract, DataSpec, Normalisation, Predictor, read_image, read_mask

Make = Callable[..., Contract]
Spec = Callable[..., DataSpec]


def brightest_band(batch: np.ndarray) -> np.ndarray:
    """Class k where band k is largest."""
    return batch * 10


def first_band(batch: np.ndarray) -> np.ndarray:
    """One logit: whether the first band is above 0.5."""
    return (batch[:, :1] - 0.5) * 20


@pytest.fixture
def rgb(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    PIL.Image.fromarray(rng.integers(0, 256, (40, 25, 3), dtype=np.uint8)).save(folder / "a.png")
    return folder / "a.png"


def test_softmax_labels_are_the_most_probable_class(contract: Make, rgb: Path) -> None:
    image = read_image(rgb)
    labels, probabilities = Predictor(brightest_band, contract()).predict(image)
    assert labels.dtype == np.uint8
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(labels, image.data.argmax(axis=0))
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)


def test_one_logit_gives_the_probabilities_of_both_classes(contract: Make, spec: Spec, rgb: Path) -> None:
    data = spec(classes=("ground", "house"), normalisation=Normalisation("minmax"))
    labels, probabilities = Predictor(first_band, contract(data, activation="sigmoid")).predict(
        read_image(rgb)
    )
    assert probabilities.shape == (2, 40, 25)
    np.testing.assert_allclose(probabilities[0] + probabilities[1], 1, atol=1e-6)
    np.testing.assert_array_equal(labels, probabilities[1] > 0.5)
    assert 0.3 < labels.mean() < 0.7


def test_classes_that_overlap_are_layers(contract: Make, spec: Spec, rgb: Path) -> None:
    data = spec(multilabel=True, normalisation=Normalisation("zscore"))
    labels, probabilities = Predictor(brightest_band, contract(data, activation="sigmoid")).predict(
        read_image(rgb)
    )
    assert labels.shape == probabilities.shape == (3, 40, 25)
    np.testing.assert_array_equal(labels, probabilities > 0.5)
    assert (labels.sum(axis=0) > 1).any()


def test_far_logits_do_not_overflow(contract: Make, spec: Spec, rgb: Path) -> None:
    data = spec(classes=("ground", "house"))
    with np.errstate(over="raise", invalid="raise"):
        extreme = Predictor(lambda b: (b[:, :1] - 128) * 1e6, contract(data, activation="sigmoid"))
        assert np.isfinite(extreme.predict(read_image(rgb)).probabilities).all()
        softmax = Predictor(lambda b: b * 1e6, contract())
        assert np.isfinite(softmax.predict(read_image(rgb)).probabilities).all()


@pytest.mark.parametrize("multilabel", [False, True])
def test_no_data_is_ignore_and_probability_zero(
    contract: Make, spec: Spec, geotiff: Callable[..., Path], rng: np.random.Generator, multilabel: bool
) -> None:
    bands = rng.random((3, 20, 30)).astype(np.float32)
    bands[1, 4:9, 2:7] = np.nan
    image = read_image(geotiff(bands))
    activation = "sigmoid" if multilabel else "softmax"
    predictor = Predictor(brightest_band, contract(spec(multilabel=multilabel), activation=activation))
    labels, probabilities = predictor.predict(image)
    assert (labels[..., ~image.valid] == IGNORE).all()
    assert (probabilities[:, ~image.valid] == 0).all()
    assert (labels[..., image.valid] < 3).all()
    assert np.isfinite(probabilities).all()


def test_image_without_data_never_reaches_the_network(contract: Make, geotiff: Callable[..., Path]) -> None:
    def network(batch: np.ndarray) -> np.ndarray:
        raise AssertionError

    image = read_image(geotiff(np.full((3, 20, 30), np.nan, np.float32)))
    labels, probabilities = Predictor(network, contract()).predict(image)
    assert (labels == IGNORE).all()
    assert probabilities.shape == (3, 20, 30)
    assert not probabilities.any()


def test_network_with_other_channels_than_classes_is_refused(contract: Make, rgb: Path) -> None:
    with pytest.raises(ValueError, match=r"gives 2 channel\(s\) where its contract says 3"):
        Predictor(lambda b: b[:, :2], contract()).predict(read_image(rgb))


def test_picture_gives_a_png_of_its_size(contract: Make, rgb: Path, tmp_path: Path) -> None:
    target = Predictor(brightest_band, contract()).predict_file(rgb, tmp_path, probabilities=True)
    assert target == tmp_path / "a.png"
    labels = read_mask(target, read_image(rgb))
    np.testing.assert_array_equal(labels, np.load(tmp_path / "a_probabilities.npy").argmax(axis=0))


def test_geotiff_gives_a_geotiff_in_its_place(
    contract: Make, spec: Spec, geotiff: Callable[..., Path], tmp_path: Path, rng: np.random.Generator
) -> None:
    bands = rng.integers(1, 100, (4, 37, 53)).astype(np.int16)
    bands[:, 10:20, 30:] = -9999
    source = geotiff(bands, names=("nir", "blue", "green", "red"), nodata=-9999)
    predictor = Predictor(brightest_band, contract())
    predictor.predict_file(source, tmp_path / "labels.tif", probabilities=True)
    with (
        rasterio.open(source) as before,
        rasterio.open(tmp_path / "labels.tif") as after,
        rasterio.open(tmp_path / "labels_probabilities.tif") as probabilities,
    ):
        assert (after.crs, after.transform, after.shape) == (before.crs, before.transform, before.shape)
        np.testing.assert_array_equal(after.dataset_mask(), before.dataset_mask())
        np.testing.assert_array_equal(probabilities.dataset_mask(), before.dataset_mask())
        inside = before.dataset_mask() > 0
        # by name: the first class is where red, the file's last band, is largest
        np.testing.assert_array_equal(after.read(1)[inside], bands[[3, 2, 1]].argmax(axis=0)[inside])
        assert probabilities.descriptions == ("background", "leaf", "stem")


def test_volume_gives_a_volume_in_its_place(contract: Make, spec: Spec, tmp_path: Path) -> None:
    data = spec(
        ndim=3,
        tile=(4, 8, 8),
        bands=("t1",),
        classes=("rest", "bright"),
        normalisation=Normalisation("minmax"),
    )
    affine = np.array([[0, -0.8, 0.2, 5], [-1.1, 0.1, 0, 7], [0, 0.3, -2.0, 9], [0, 0, 0, 1]])
    values = np.random.default_rng(0).random((11, 9, 6)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "v.nii.gz")  # type: ignore[no-untyped-call]
    out = tmp_path / "out"
    out.mkdir()
    target = Predictor(first_band, contract(data, activation="sigmoid")).predict_file(
        tmp_path / "v.nii.gz", out
    )
    assert target == out / "v.nii.gz"
    written = nibabel.Nifti1Image.from_filename(target)
    before = nibabel.Nifti1Image.from_filename(tmp_path / "v.nii.gz")
    np.testing.assert_array_equal(written.affine, before.affine)
    middle = (values.min() + values.max()) / 2
    np.testing.assert_array_equal(np.asarray(written.dataobj), values > middle)


def test_output_that_would_replace_its_input_is_refused(contract: Make, rgb: Path) -> None:
    before = rgb.read_bytes()
    with pytest.raises(ValueError, match="would overwrite the input"):
        Predictor(brightest_band, contract()).predict_file(rgb, rgb.parent)
    assert rgb.read_bytes() == before


def test_bad_file_does_not_stop_the_others(
    contract: Make, rgb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rgb.parent / "sub").mkdir()
    (rgb.parent / "sub" / "b.jpg").write_bytes(rgb.read_bytes())
    (rgb.parent / "bad.png").write_bytes(b"none")
    outcomes = Predictor(brightest_band, contract()).predict_files([rgb.parent], tmp_path / "out")
    assert [o.source.name for o in outcomes] == ["a.png", "bad.png", "b.jpg"]
    assert [o.target for o in outcomes] == [tmp_path / "out/a.png", None, tmp_path / "out/sub/b.png"]
    assert outcomes[1].error is not None
    assert "bad.png" in outcomes[1].error
    assert capsys.readouterr().err == f"error: {outcomes[1].error}\n"
    assert sorted(p.name for p in (tmp_path / "out").rglob("*") if p.is_file()) == ["a.png", "b.png"]


def test_nothing_is_left_where_nothing_was_done(contract: Make, rgb: Path, tmp_path: Path) -> None:
    rgb.write_bytes(b"none")
    outcomes = Predictor(brightest_band, contract()).predict_files([rgb], tmp_path / "out")
    assert outcomes[0].target is None
    assert not (tmp_path / "out").exists()


def test_inputs_for_one_place_are_refused_before_anything_is_written(
    contract: Make, rgb: Path, tmp_path: Path
) -> None:
    (rgb.parent / "a.jpg").write_bytes(rgb.read_bytes())
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png would both be written"):
        Predictor(brightest_band, contract()).predict_files([rgb.parent], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_and_empty_inputs_are_refused(contract: Make, rgb: Path, tmp_path: Path) -> None:
    predictor = Predictor(brightest_band, contract())
    with pytest.raises(FileNotFoundError, match=r"no\.png"):
        predictor.predict_files([rgb, tmp_path / "no.png"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no image"):
        predictor.predict_files([tmp_path / "empty"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_output_folder_that_is_a_file_is_refused(contract: Make, rgb: Path) -> None:
    for out in (rgb, rgb / "below"):
        with pytest.raises(OSError, match=r"a\.png.*cannot make this output folder"):
            Predictor(brightest_band, contract()).predict_files([rgb], out)


def test_flips_average_the_answer(contract: Make, rgb: Path) -> None:
    def left_only(batch: np.ndarray) -> np.ndarray:
        return np.where(np.arange(batch.shape[-1]) < batch.shape[-1] // 2, batch, 0)

    predictor = Predictor(left_only, contract())
    plain, flipped = predictor.logits(read_image(rgb)), predictor.logits(read_image(rgb), flips=True)
    assert (plain == 0).any()
    np.testing.assert_allclose(flipped, read_image(rgb).data / 2, rtol=1e-5)
