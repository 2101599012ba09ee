"""Made series of DICOM slices, in every direction, there and back as segmentations."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from unetzoo.inference import ClassSpec, Contract, DataSpec, Normalisation, Predictor, read_image, read_mask
from unetzoo.inference.files import FileError
from unetzoo.inference.geometry import VolumeGeometry
from unetzoo.inference.image import find_images, image_size
from unetzoo.inference.results import labels_of, write_result

HD: Any = highdicom
SHAPE = (5, 6, 7)  # slices, rows, columns
VALUES = np.arange(210, dtype=np.int16).reshape(SHAPE)


def tilt() -> np.ndarray:
    """A rotation by 20 degrees about (1, 1, 1)."""
    k = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    angle = np.deg2rad(20)
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k)


# directions along (columns, rows) of the slices, in the patient's LPS axes
PLANES = {
    "axial": (np.array([1.0, 0, 0]), np.array([0, 1.0, 0])),
    "coronal": (np.array([1.0, 0, 0]), np.array([0, 0, -1.0])),
    "sagittal": (np.array([0, 1.0, 0]), np.array([0, 0, -1.0])),
    "oblique": (tilt()[:, 0], tilt()[:, 1]),
}


def save_series(
    folder: Path,
    values: np.ndarray = VALUES,
    *,
    plane: str = "axial",
    descending: bool = False,
    series: str = "1.2.3.4",
    slope: float = 2.0,
    intercept: float = -1000.0,
    endings: str = ".dcm",
) -> np.ndarray:
    """CT slices of 2.5 mm with pixels of 0.5 (rows) by 0.8 mm; the affine (4, 4) of (k, i, j) in LPS."""
    folder.mkdir(exist_ok=True)
    along, down = PLANES[plane]
    normal = np.cross(along, down) * (-1 if descending else 1)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([normal * 2.5, down * 0.5, along * 0.8], axis=1)
    affine[:3, 3] = (-40, 30, 500)
    for k, pixels in enumerate(values):
        ds = pydicom.Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(
            entropy_srcs=[series, str(k)]
        )
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "1.2.3", series, "1.2.9"
        ds.Modality, ds.PatientID, ds.PatientName = "CT", "p1", "A^B"
        ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ds.StudyID = ds.StudyDate = (
            ds.StudyTime
        ) = ""
        ds.SeriesNumber, ds.InstanceNumber = 3, len(values) - k  # numbers that contradict the places
        ds.Rows, ds.Columns = pixels.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, 1
        ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
        ds.PixelSpacing, ds.SliceThickness = [0.5, 0.8], 2.5
        ds.ImageOrientationPatient = [float(f"{x:.9f}") for x in (*along, *down)]
        ds.ImagePositionPatient = [float(f"{x:.6f}") for x in (affine @ (k, 0, 0, 1))[:3]]
        ds.PixelData = pixels.astype(np.int16).tobytes()
        name = f"{(k * 3) % len(values):02}{endings}"  # names that contradict the places, too
        ds.save_as(folder / name, enforce_file_format=True)
    return affine


def world_of(affine: np.ndarray, index: tuple[int, ...]) -> np.ndarray:
    return np.asarray((affine @ (*index, 1))[:3])


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("plane", PLANES)
def test_every_voxel_keeps_its_value_and_place(tmp_path: Path, plane: str, descending: bool) -> None:
    lps = save_series(tmp_path / "scan", plane=plane, descending=descending)
    image = read_image(tmp_path / "scan")
    assert image.data.dtype == np.float32
    assert isinstance(image.geometry, VolumeGeometry)
    for index in [(0, 0, 0), (4, 1, 6), (2, 5, 3)]:
        z, y, x = np.argwhere(image.data[0] == VALUES[index] * 2.0 - 1000)[0]
        ras = world_of(image.geometry.affine, (x, y, z))
        np.testing.assert_allclose(ras * (-1, -1, 1), world_of(lps, index), atol=1e-4)
    assert image.spacing is not None
    assert sorted(image.spacing) == pytest.approx([0.5, 0.8, 2.5])
    assert image_size(tmp_path / "scan") == image.valid.shape


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("plane", PLANES)
def test_segmentation_lies_on_the_slices_it_was_made_of(tmp_path: Path, plane: str, descending: bool) -> None:
    affine = save_series(tmp_path / "scan", plane=plane, descending=descending)
    classes = tuple(ClassSpec(n, (i,), (9, i, 200)) for i, n in enumerate(("background", "liver", "tumour")))
    data = DataSpec(3, ("grey",), classes, Normalisation("fixed", mean=(0.0,), std=(1.0,)), (4, 4, 4))

    def network(x: np.ndarray) -> np.ndarray:  # tumour above -700, liver above -900
        return np.concatenate([-900 - x, np.where(x > -700, -1, x + 900), (x + 700) * 9], axis=1)

    predictor = Predictor(network, Contract("t", data, "softmax", (1, 1, 1), True))
    (outcome,) = predictor.predict_files([tmp_path], tmp_path / "out")
    assert outcome.target == tmp_path / "out" / "scan.dcm"
    wanted = np.select([VALUES * 2 - 1000 > -700, VALUES * 2 - 1000 > -900], [2, 1], 0)

    seg = HD.seg.segread(outcome.target)
    assert [seg.get_segment_description(i).SegmentLabel for i in (1, 2)] == ["liver", "tumour"]
    slices = {f.SOPInstanceUID: f for f in map(pydicom.dcmread, (tmp_path / "scan").iterdir())}
    for number in (1, 2):
        found = seg.get_pixels_by_source_instance([*slices], segment_numbers=[number])[..., 0]
        for mask, header in zip(found, slices.values(), strict=True):
            k = round(
                float(np.linalg.norm(np.array(header.ImagePositionPatient, float) - affine[:3, 3]) / 2.5)
            )
            np.testing.assert_array_equal(mask, wanted[k] == number)
    volume = seg.get_volume(combine_segments=True)
    for index in np.argwhere(volume.array == 2)[[0, -1]]:
        where = np.linalg.inv(affine) @ (*world_of(volume.affine, tuple(index)), 1)
        assert wanted[tuple(np.rint(where[:3]).astype(int))] == 2

    image = read_image(tmp_path / "scan")
    labels = read_mask(outcome.target, like=image)  # empty slices are not in the file, but in the mask
    np.testing.assert_array_equal(labels, predictor.labels(image))


def test_classes_that_overlap_are_segments_that_overlap(tmp_path: Path) -> None:
    save_series(tmp_path / "scan", plane="oblique", descending=True)
    image = read_image(tmp_path / "scan")
    layers = np.stack([image.data[0] > -900, image.data[0] > -700]).astype(np.uint8)
    classes = [ClassSpec("whole", (1,), (255, 0, 0)), ClassSpec("core", (2,), (0, 255, 0))]
    write_result(tmp_path / "s.dcm", [layers], image.geometry, labels_of(classes, many=True))
    seg = HD.seg.segread(tmp_path / "s.dcm")
    for number, layer in enumerate(layers, start=1):
        volume = seg.get_volume(segment_numbers=[number], combine_segments=False)
        assert int(volume.array.sum()) == int(layer.sum())


def test_empty_prediction_is_still_a_file(tmp_path: Path) -> None:
    save_series(tmp_path / "scan")
    image = read_image(tmp_path / "scan")
    classes = [ClassSpec("background", (0,), (0, 0, 0)), ClassSpec("liver", (1,), (0, 255, 0))]
    nothing = np.zeros((1, *image.valid.shape), np.uint8)
    write_result(tmp_path / "s.dcm", [nothing], image.geometry, labels_of(classes, many=False))
    assert not HD.seg.segread(tmp_path / "s.dcm").pixel_array.any()
    assert not read_mask(tmp_path / "s.dcm", like=image).any()


def test_folder_of_patients_is_searched_for_series(tmp_path: Path) -> None:
    save_series(tmp_path / "one", endings="")
    save_series(tmp_path / "1.2.840", series="5.6", endings=".IMA")
    (tmp_path / "one" / "notes.txt").write_text("by hand")
    assert find_images(tmp_path) == [tmp_path / "1.2.840", tmp_path / "one"]


def mixed(folder: Path) -> None:
    save_series(folder, series="1.2.3.4")
    save_series(folder, series="5.6.7.8", endings="_b.dcm")


def gap(folder: Path) -> None:
    save_series(folder)
    (folder / "03.dcm").unlink()


def twice(folder: Path) -> None:
    save_series(folder)
    again = pydicom.dcmread(folder / "00.dcm")
    again.SOPInstanceUID = "9.9"
    again.save_as(folder / "again.dcm")


def scout(folder: Path) -> None:
    save_series(folder)
    save_series(folder, VALUES[:1], plane="sagittal", endings="_scout.dcm")


def placeless(folder: Path) -> None:
    save_series(folder, VALUES[:1])
    ds = pydicom.dcmread(folder / "00.dcm")
    del ds.ImagePositionPatient
    ds.save_as(folder / "00.dcm")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (mixed, r"scan: holds 2 DICOM series: 1\.2\.3\.4 \(5 files\), 5\.6\.7\.8 \(5 files\); put each"),
        (gap, r"scan: its slices make no volume: steps between them go from 2\.5 to 5 mm"),
        (twice, r"scan: its slices make no volume: steps between them go from 0 to 2\.5 mm"),
        (scout, r"scan: the slices of its series differ in size or orientation"),
        (placeless, r"scan: does not say where it lies in the patient"),
    ],
)
def test_what_is_no_volume_is_refused(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    make(tmp_path / "scan")
    with pytest.raises(FileError, match=reason):
        read_image(tmp_path / "scan")
