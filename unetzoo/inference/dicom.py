"""DICOM through pydicom and highdicom: a series of slices, or a multi-frame file, in; segmentations out."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .contract import IGNORE, ClassSpec
from .files import FileError, first_line, reading, replacing
from .geometry import VolumeGeometry
from .volume import LPS, WholeVolume, from_canonical, place_volume, to_canonical

SUFFIXES = (".dcm", ".dicom", ".ima")
SUFFIX = ".dcm"
"""Of the segmentations that are written."""


def is_series(folder: Path) -> bool:
    """Whether a folder holds DICOM files itself; those without an ending are known by their first bytes."""
    return any(_is_dicom(path) for path in folder.iterdir())


def open_series(path: Path) -> WholeVolume:
    """A folder with the slices of one series, or one file with several frames, as (z, y, x) float32.

    Slices are sorted by where they lie, whatever their names and numbers say, and values are rescaled as the
    header says (slope and intercept, or a look-up table), to Hounsfield units in CT. Objects without pixels
    (RTSTRUCT, SR) are left out.

    Raises:
        FileError: If there are several series, or the slices make no volume.
    """
    pydicom, highdicom = _libraries()
    files = sorted(f for f in path.iterdir() if _is_dicom(f)) if path.is_dir() else [path]
    with reading(path, "DICOM"):
        headers = [(file, pydicom.dcmread(file, stop_before_pixels=True)) for file in files]
    # headers are read up to the pixels, but their size tells whether there are any
    headers = [(file, header) for file, header in headers if "Rows" in header]
    if not headers:
        raise FileError(f"{path}: holds no DICOM image")
    _require_one_series(path, [header for _, header in headers])
    first = headers[0][1]
    if first.get("SamplesPerPixel", 1) != 1:
        raise FileError(f"{path}: is in colour; DICOM volumes have one value per voxel")
    if len(headers) == 1 and int(first.get("NumberOfFrames", 1)) > 1:
        return _open_frames(path, headers[0][0])
    try:
        found = highdicom.Volume.from_attributes(
            array=np.broadcast_to(np.zeros((), np.float32), (len(headers), first.Rows, first.Columns)),
            image_position=first.ImagePositionPatient,
            image_orientation=first.ImageOrientationPatient,
            pixel_spacing=first.PixelSpacing,
            spacing_between_slices=1.0,
            coordinate_system="PATIENT",
        )
    except (AttributeError, ValueError) as error:
        raise FileError(
            f"{path}: does not say where it lies in the patient ({first_line(error)}), so it is no volume; "
            "save a picture of it as PNG or TIFF"
        ) from error
    affine = found.affine.copy()
    if len(headers) > 1:
        order, step = _stack(path, [header for _, header in headers], affine)
        headers = [headers[i] for i in order]
        affine[:3, 0] = step
        affine[:3, 3] = headers[0][1].ImagePositionPatient
    else:
        thickness = first.get("SpacingBetweenSlices") or first.get("SliceThickness") or 1.0
        affine[:3, 0] *= float(thickness) / np.linalg.norm(affine[:3, 0])

    def load() -> np.ndarray:
        values = np.empty((len(headers), first.Rows, first.Columns, 1), np.float32)
        for i, (file, _) in enumerate(headers):
            with reading(file, "DICOM"):
                slice_ = pydicom.dcmread(file)
                values[i, ..., 0] = pydicom.pixels.apply_modality_lut(slice_.pixel_array, slice_)
        return values

    shape = (len(headers), int(first.Rows), int(first.Columns))
    about = [header for _, header in headers]
    return WholeVolume(
        place_volume(path, shape, LPS @ affine, suffix=SUFFIX, header=about), 1, np.dtype(np.float32), load
    )


def read_segmentation(path: Path, like: VolumeGeometry | None) -> tuple[np.ndarray, VolumeGeometry]:
    """Segment numbers (z, y, x) of a segmentation, 0 where there is none; on the grid of ``like``.

    A segmentation leaves out empty slices, so without its image there may be fewer of them.

    Raises:
        FileError: If it is no segmentation, its segments overlap, or it lies elsewhere.
    """
    highdicom = _libraries()[1]
    with reading(path, "a DICOM segmentation"):
        volume = highdicom.seg.segread(path).get_volume(combine_segments=True, dtype=np.uint8)
        if like is not None:
            affine = LPS @ like.file_affine
            wanted = highdicom.VolumeGeometry(affine, like.file_shape, coordinate_system="PATIENT")
            volume = volume.match_geometry(wanted)
        place = place_volume(path, volume.array.shape, LPS @ volume.affine, suffix=SUFFIX)
    return to_canonical(volume.array[..., None], place)[0], place


def write_segmentation(
    path: Path, labels: np.ndarray, like: VolumeGeometry, classes: Sequence[ClassSpec]
) -> None:
    """Labels (1, z, y, x), or one layer per class, as a DICOM segmentation of the series of ``like``.

    Each class but ``background`` is a segment, numbered in their order from 1; pixels without data are in
    none. The types of the segments are the classes' names, as private codes.
    """
    highdicom = _libraries()[1]
    from pydicom.sr.codedict import codes

    segments = [(k, known) for k, known in enumerate(classes) if known.name != "background"]
    if not segments:
        raise ValueError(f"{path}: there is no class but background, which a DICOM segmentation cannot hold")
    values = from_canonical(labels, like)
    channels = None
    if len(labels) > 1:
        array = (values[..., [k for k, _ in segments]] == 1).astype(np.uint8)
        channels = {"SegmentNumber": list(range(1, len(segments) + 1))}
    else:
        numbers = np.zeros(IGNORE + 1, np.uint8)
        numbers[[k for k, _ in segments]] = np.arange(1, len(segments) + 1)
        array = numbers[values[..., 0]]
    volume = highdicom.Volume(
        array,
        LPS @ like.file_affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=like.header[0].FrameOfReferenceUID,
        channels=channels,
    )
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="unetzoo", family=codes.cid7162.ArtificialIntelligence, version="1"
    )
    descriptions = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=known.name[:64],
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=highdicom.sr.CodedConcept(f"class-{k}", "99UNETZOO", known.name[:64]),
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
            display_color=highdicom.color.CIELabColor.from_rgb(*known.colour),
        )
        for number, (k, known) in enumerate(segments, start=1)
    ]
    with replacing(path) as temporary:
        highdicom.seg.Segmentation(
            source_images=like.header,
            pixel_array=volume,
            segmentation_type="BINARY",
            segment_descriptions=descriptions,
            series_instance_uid=highdicom.UID(),
            series_number=int(like.header[0].get("SeriesNumber") or 0) + 100,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="unetzoo",
            manufacturer_model_name="unetzoo",
            software_versions="1",
            device_serial_number="1",
        ).save_as(temporary)


def _open_frames(path: Path, file: Path) -> WholeVolume:
    """A multi-frame file, whose frames carry their places."""
    highdicom = _libraries()[1]
    with reading(path, "DICOM"):
        image = highdicom.imread(file, lazy_frame_retrieval=True)
        place = image.get_volume_geometry()
    if place is None:
        raise FileError(f"{path}: its frames are no evenly spaced volume; export the volume as one series")

    def load() -> np.ndarray:
        with reading(path, "DICOM"):
            return np.asarray(image.get_volume(dtype=np.float32).array[..., None])

    geometry = place_volume(path, place.spatial_shape, LPS @ place.affine, suffix=SUFFIX, header=[image])
    return WholeVolume(geometry, 1, np.dtype(np.float32), load)


def _stack(path: Path, headers: Sequence[Any], affine: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The order of slices along their normal, and the step (3,) from each to the next.

    Raises:
        FileError: If steps differ by more than a hundredth, or are not along the normal.
    """
    positions = np.array([[float(x) for x in header.ImagePositionPatient] for header in headers])
    normal = affine[:3, 0] / np.linalg.norm(affine[:3, 0])
    along = positions @ normal
    order = [int(i) for i in np.argsort(along)]
    gaps = np.diff(along[order])
    step = (positions[order[-1]] - positions[order[0]]) / (len(order) - 1)
    even = gaps.min() > 0 and np.ptp(gaps) <= 0.02 * np.mean(gaps)
    if not even or np.linalg.norm(step - normal * (step @ normal)) > 1e-2 * np.linalg.norm(step):
        raise FileError(
            f"{path}: its slices make no volume: steps between them go from {gaps.min():.4g} to "
            f"{gaps.max():.4g} mm (one is missing or there twice, or the gantry was tilted); "
            "resample it to even slices first"
        )
    return order, step


def _require_one_series(path: Path, headers: Sequence[Any]) -> None:
    series = Counter((str(h.get("SeriesInstanceUID")), str(h.get("SeriesDescription", ""))) for h in headers)
    if len(series) > 1:
        told = ", ".join(
            f"{uid} ({name + ', ' if name else ''}{count} files)"
            for (uid, name), count in series.most_common(4)
        )
        raise FileError(
            f"{path}: holds {len(series)} DICOM series: {told}; put each into a folder of its own"
        )
    planes = {
        (h.get("Rows"), h.get("Columns"), *(f"{x:.4f}" for x in h.get("ImageOrientationPatient") or ()))
        for h in headers
    }
    if len(planes) > 1:
        raise FileError(
            f"{path}: the slices of its series differ in size or orientation; take out those that belong to "
            "no volume, such as a scout"
        )


def _is_dicom(path: Path) -> bool:
    if path.name.startswith((".", "DICOMDIR")) or not path.is_file():
        return False
    ending = path.suffix.lower()
    if ending in SUFFIXES:
        return True
    if any(letter.isalpha() for letter in ending):
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _libraries() -> tuple[Any, Any]:
    try:
        import highdicom
        import pydicom
        import pydicom.pixels
    except ImportError as error:
        raise ImportError(
            "DICOM needs pydicom and highdicom: pip install 'unetzoo[dicom]' or 'unetzoo-runtime[dicom]'"
        ) from error
    return pydicom, highdicom
