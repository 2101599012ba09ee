"""The same volume in every format that holds one: equal values, equal places, equal results."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from unetzoo.inference import ClassSpec, Contract, DataSpec, Normalisation, Predictor, read_image, read_mask
from unetzoo.inference.files import FileError
from unetzoo.inference.geometry import VolumeGeometry
from unetzoo.inference.image import image_size, open_image

nib: Any = nibabel
ITK: Any = sitk
VALUES = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)  # (x, y, z)
CLASSES = tuple(ClassSpec(n, (i,), (9, i, 200)) for i, n in enumerate(("background", "liver")))


def oblique() -> np.ndarray:
    """RAS affine of voxels of 0.5 x 0.8 x 2.5 mm, permuted, mirrored and turned by 20 degrees."""
    angle = np.deg2rad(20)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array([[0, 0, 1.0], [-1, 0, 0], [0, 1, 0]]) * (0.5, 0.8, 2.5)
    affine[:3, 3] = (-40, 30, 500)
    return affine


def as_itk(values: np.ndarray, affine: np.ndarray, path: Path, **options: Any) -> Path:
    lps = np.diag([-1, -1, 1, 1]) @ affine
    lengths = np.linalg.norm(lps[:3, :3], axis=0)
    image = ITK.GetImageFromArray(np.moveaxis(values, (0, 1, 2), (2, 1, 0)), isVector=values.ndim > 3)
    image.SetSpacing(lengths.tolist())
    image.SetDirection((lps[:3, :3] / lengths).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    ITK.WriteImage(image, str(path), **options)
    return path


@pytest.fixture
def same(tmp_path: Path) -> dict[str, Path]:
    """One volume in several formats."""
    nib.save(nib.Nifti1Image(VALUES, oblique()), tmp_path / "a.nii.gz")
    paths = {"nii.gz": tmp_path / "a.nii.gz"}
    for ending in ("nrrd", "mha", "mhd", "nhdr"):
        paths[ending] = as_itk(VALUES, oblique(), tmp_path / f"{ending}.{ending}")
    return paths


@pytest.mark.parametrize("ending", ["nrrd", "mha", "mhd", "nhdr"])
def test_reads_as_nifti_does(same: dict[str, Path], ending: str) -> None:
    one, other = read_image(same["nii.gz"]), read_image(same[ending])
    assert isinstance(one.geometry, VolumeGeometry)
    assert isinstance(other.geometry, VolumeGeometry)
    assert other.data.dtype == one.data.dtype
    np.testing.assert_array_equal(other.data, one.data)
    np.testing.assert_allclose(other.geometry.affine, one.geometry.affine, atol=1e-5)
    assert other.spacing == pytest.approx(one.spacing)
    assert image_size(same[ending]) == one.valid.shape
    assert (read_mask(same[ending], like=one) == one.data[0]).all()


def test_label_maps_are_equal_and_lie_in_one_place(same: dict[str, Path], tmp_path: Path) -> None:
    data = DataSpec(3, ("grey",), CLASSES, Normalisation("fixed", mean=(100.0,), std=(1.0,)), (4, 4, 4))
    predictor = Predictor(
        lambda x: np.concatenate([-x, x], axis=1), Contract("t", data, "softmax", (1, 1, 1), True)
    )
    outcomes = predictor.predict_files([*same.values()], tmp_path / "out", probabilities=True)
    targets = [outcome.target for outcome in outcomes]
    names = ["a.nii.gz", "nrrd.nrrd", "mha.mha", "mhd.mha", "nhdr.nrrd"]
    assert [target and target.name for target in targets] == names
    first = nib.load(targets[0])
    np.testing.assert_array_equal(first.get_fdata(), VALUES > 100)
    for target in targets[1:]:
        assert target is not None
        found = ITK.ReadImage(str(target))
        np.testing.assert_array_equal(ITK.GetArrayFromImage(found).T, VALUES > 100)
        for index in [(0, 0, 0), (4, 5, 6), (1, 3, 2)]:
            ras = np.array(found.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
            np.testing.assert_allclose(ras, (first.affine @ (*index, 1))[:3], atol=1e-4)
        both = read_image(target.with_name(target.name.replace(".", "_probabilities.")))
        np.testing.assert_allclose(both.data.sum(axis=0), 1, atol=1e-6)


def test_components_are_channels_there_and_back(tmp_path: Path) -> None:
    vectors = np.stack([VALUES, VALUES * 2], axis=-1).astype(np.float32)
    image = read_image(as_itk(vectors, oblique(), tmp_path / "v.nrrd"))
    assert image.data.shape == (2, *image.valid.shape)
    np.testing.assert_array_equal(image.data[1], 2 * image.data[0])


def test_header_is_read_without_the_voxels(tmp_path: Path) -> None:
    path = as_itk(VALUES, oblique(), tmp_path / "a.mha")
    path.write_bytes(path.read_bytes()[:-50])  # cut short
    assert len(image_size(path)) == 3
    with pytest.raises(FileError, match=r"a\.mha: cannot be read"), open_image(path) as source:
        source.read(0, 1)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_voxels_of_another_file_are_not_fetched(tmp_path: Path, ending: str) -> None:
    detached = as_itk(VALUES, oblique(), tmp_path / {"nrrd": "a.nhdr", "mha": "a.mhd"}[ending])
    with pytest.raises(FileError, match="its voxels are in another file"):
        read_image(detached.rename(tmp_path / f"b.{ending}"))
