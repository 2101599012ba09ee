"""Volumes in zarr, read and written a few slices at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from unetzoo.inference import ClassSpec, Contract, DataSpec, Normalisation, Predictor, read_image, read_mask
from unetzoo.inference.files import FileError
from unetzoo.inference.image import find_images, image_size, open_image

ZARR: Any = zarr
VALUES = np.arange(12 * 6 * 7, dtype=np.uint16).reshape(12, 6, 7)


def bare(path: Path, values: np.ndarray = VALUES, **options: Any) -> Path:
    array = ZARR.create_array(
        str(path), shape=values.shape, dtype=values.dtype, chunks=(4,) * values.ndim, **options
    )
    array[...] = values
    return path


def ome(path: Path, values: np.ndarray, axes: str, version: str = "0.4", unit: str = "micrometer") -> Path:
    group = ZARR.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    for level in (0, 1):
        small = values[..., :: level + 1, :: level + 1]
        group.create_array(str(level), shape=small.shape, dtype=small.dtype, chunks=(4,) * small.ndim)[
            ...
        ] = small
    about = {
        "axes": [{"name": a, **({"type": "space", "unit": unit} if a in "zyx" else {})} for a in axes],
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0] * (len(axes) - 3) + [2000.0, 500.0, 500.0]}
                ],
            }
            for level in (0, 1)
        ],
    }
    group.attrs.update({"multiscales": [about]} if version == "0.4" else {"ome": {"multiscales": [about]}})
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_bare_array_is_read_by_slices(tmp_path: Path, zarr_format: int) -> None:
    path = bare(tmp_path / "v.zarr", zarr_format=zarr_format)
    with open_image(path) as source:
        assert (source.size, source.spacing, source.dtype) == (VALUES.shape, None, np.dtype(np.uint16))
        np.testing.assert_array_equal(source.read(3, 9).data[0], VALUES[3:9])
    assert image_size(path) == VALUES.shape
    assert find_images(tmp_path) == [path]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_tells_axes_and_spacing(tmp_path: Path, version: str) -> None:
    both = np.stack([VALUES, VALUES + 1])
    image = read_image(ome(tmp_path / "v.zarr", both[None], "tczyx", version))
    np.testing.assert_array_equal(image.data, both)
    assert image.spacing == pytest.approx((2.0, 0.5, 0.5))
    assert image.unit == "mm"


def test_prediction_is_a_zarr_of_the_same_place(tmp_path: Path) -> None:
    path = ome(tmp_path / "v.zarr", VALUES, "zyx", unit="millimeter")
    classes = tuple(ClassSpec(n, (i,), (9, i, 200)) for i, n in enumerate(("background", "cell")))
    data = DataSpec(3, ("grey",), classes, Normalisation("fixed", mean=(250.0,), std=(1.0,)), (4, 4, 4))
    predictor = Predictor(
        lambda x: np.concatenate([-x, x], axis=1), Contract("t", data, "softmax", (1,) * 3, True)
    )
    for _ in range(2):  # the second replaces the first
        (outcome,) = predictor.predict_files([path], tmp_path / "out", probabilities=True)
        assert outcome.target == tmp_path / "out" / "v.zarr"
        image = read_image(path)
        np.testing.assert_array_equal(read_mask(outcome.target, like=image), VALUES > 250)
        assert read_image(outcome.target).spacing == image.spacing
    probabilities = read_image(tmp_path / "out" / "v_probabilities.zarr")
    np.testing.assert_allclose(probabilities.data.sum(axis=0), 1, atol=1e-6)
    assert not [p for p in (tmp_path / "out").iterdir() if p.name.startswith(".")]


def test_memory_does_not_grow_with_the_number_of_slices(tmp_path: Path) -> None:
    classes = tuple(ClassSpec(n, (i,), (9, i, 200)) for i, n in enumerate(("background", "cell")))
    data = DataSpec(3, ("grey",), classes, Normalisation("fixed", mean=(0.0,), std=(1.0,)), (8, 8, 8))
    predictor = Predictor(lambda x: x, Contract("t", data, "softmax", (1,) * 3, True))
    need = []
    for slices in (100, 100_000):
        path = tmp_path / f"{slices}.zarr"
        ZARR.create_array(str(path), shape=(slices, 64, 64), dtype="uint16", chunks=(8, 64, 64))
        need.append(predictor.memory(path))
    assert need[0] == need[1]


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    for path, reason in [
        (
            bare(tmp_path / "flat.zarr", VALUES[0]),
            r"flat\.zarr: has the axes y 6, x 7; a volume has z, y and x",
        ),
        (ome(tmp_path / "film.zarr", VALUES[:, None], "tzyx"), r"film\.zarr: has the axes t 12"),
    ]:
        with pytest.raises(FileError, match=reason):
            read_image(path)
    ZARR.open_group(str(tmp_path / "g.zarr"), mode="w")
    with pytest.raises(FileError, match="is a group without multiscales"):
        read_image(tmp_path / "g.zarr")
