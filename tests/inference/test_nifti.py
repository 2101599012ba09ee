import itertools
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from unetzoo.inference import ClassSpec, read_image, read_mask, write_labels, write_probabilities
from unetzoo.inference.geometry import VolumeGeometry
from unetzoo.inference.results import output_suffix

nib: Any = nibabel  # its annotations are partial

SHAPE = (5, 6, 7)
VALUES = np.arange(210, dtype=np.int16).reshape(SHAPE)
MARKER = (1, 4, 2)

ORIENTATIONS = [
    np.eye(3)[:, list(order)] * signs
    for order in itertools.permutations(range(3))
    for signs in itertools.product([1, -1], repeat=3)
]


def rotation(degrees: float) -> np.ndarray:
    """About the axis (1, 1, 1): every axis leaves its place."""
    angle = np.deg2rad(degrees)
    k = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k)


TILTS = {
    "straight": np.eye(3),
    "oblique": rotation(17),
    "sheared": np.eye(3) + np.triu(np.full((3, 3), 0.12), 1),
}


def affine_of(axes: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = tilt @ axes * [0.7, 1.3, 2.9]
    affine[:3, 3] = [-91.3, 20.7, -3.3]
    return affine


def save(path: Path, values: np.ndarray, affine: np.ndarray | None = None, **header: Any) -> Path:
    image = nib.Nifti1Image(values, affine_of(np.eye(3), np.eye(3)) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def place(path: Path) -> dict[str, Any]:
    header = nib.load(path).header
    sform, qform = header.get_sform(coded=True), header.get_qform(coded=True)
    return {
        "affine": nib.load(path).affine.tolist(),
        "sform": (None if sform[0] is None else sform[0].tolist(), int(sform[1])),
        "qform": (None if qform[0] is None else qform[0].tolist(), int(qform[1])),
        "pixdim": header["pixdim"].tolist()[:4],
        "units": header.get_xyzt_units(),
        "shape": header.get_data_shape()[:3],
    }


@pytest.mark.parametrize("tilt", TILTS.values(), ids=TILTS)
@pytest.mark.parametrize(
    "axes",
    ORIENTATIONS,
    ids=lambda axes: "".join(nib.aff2axcodes(np.block([[axes, np.ones((3, 1))], [np.eye(4)[3]]]))),
)
def test_marker_voxel_keeps_its_world_coordinate(tmp_path: Path, axes: np.ndarray, tilt: np.ndarray) -> None:
    values = VALUES.copy()
    values[MARKER] = 999
    path = save(tmp_path / "a.nii", values, affine_of(axes, tilt))
    image = read_image(path)
    assert isinstance(image.geometry, VolumeGeometry)
    # canonical: z, y, x, each growing towards head, front and right
    assert nib.aff2axcodes(image.geometry.affine) == ("R", "A", "S")
    z, y, x = np.argwhere(image.data[0] == 999)[0]
    world = affine_of(axes, tilt) @ [*MARKER, 1]
    np.testing.assert_allclose(image.geometry.affine @ [x, y, z, 1], world, atol=1e-4)

    write_labels(tmp_path / "o.nii.gz", (image.data[0] == 999).astype(np.uint8), image, ())
    assert place(tmp_path / "o.nii.gz") == place(path)
    written = np.asarray(nib.load(tmp_path / "o.nii.gz").dataobj)
    assert np.argwhere(written).tolist() == [list(MARKER)]


@pytest.mark.parametrize(("qform", "sform"), [(0, 0), (1, 0), (0, 2), (1, 4), (3, 2)])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_both_forms_and_their_codes_come_back(tmp_path: Path, kind: Any, qform: int, sform: int) -> None:
    image = kind(VALUES, None)
    image.header.set_zooms((0.7, 1.3, 2.9))
    image.set_qform(affine_of(ORIENTATIONS[9], TILTS["oblique"]) if qform else None, qform)
    image.set_sform(affine_of(ORIENTATIONS[30], TILTS["sheared"]) if sform else None, sform)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / "a.nii.gz")
    image = read_image(tmp_path / "a.nii.gz")
    write_labels(tmp_path / "o.nii.gz", np.zeros(image.valid.shape, np.uint8), image, ())
    assert place(tmp_path / "o.nii.gz") == place(tmp_path / "a.nii.gz")
    assert type(nib.load(tmp_path / "o.nii.gz")) is kind


def test_spacing_follows_the_canonical_axes(tmp_path: Path) -> None:
    swap = np.eye(3)[:, [2, 0, 1]]  # file axes run along z, x, y with 0.7, 1.3, 2.9 mm
    image = read_image(save(tmp_path / "a.nii", VALUES, affine_of(swap, TILTS["oblique"])))
    assert image.unit == "mm"
    assert image.spacing == pytest.approx((0.7, 2.9, 1.3), rel=1e-6)
    assert image.valid.shape == (5, 7, 6)


def test_spacing_in_microns_becomes_millimetres(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.nii", VALUES, xyzt_units=3))
    assert image.spacing == pytest.approx((0.0029, 0.0013, 0.0007), rel=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_dtype_is_kept_in_either_byte_order(tmp_path: Path, dtype: str, order: str) -> None:
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(dtype)
    nib.save(nib.Nifti1Image(VALUES.astype(dtype), np.eye(4), header), tmp_path / "a.nii")
    data = read_image(tmp_path / "a.nii").data
    assert data.dtype == dtype
    assert data.dtype.isnative
    np.testing.assert_array_equal(data[0], VALUES.transpose(2, 1, 0))


def test_intensity_scaling_of_the_header_is_applied_to_the_input_only(tmp_path: Path) -> None:
    scaled = nib.Nifti1Image(VALUES, np.eye(4))
    scaled.header.set_slope_inter(0.5, -10)
    nib.save(scaled, tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    np.testing.assert_allclose(image.data[0], VALUES.transpose(2, 1, 0) * 0.5 - 10)
    labels = (VALUES % 3).transpose(2, 1, 0).astype(np.uint8)
    write_labels(tmp_path / "o.nii", labels, image, ())
    np.testing.assert_array_equal(read_mask(tmp_path / "o.nii", image), labels)
    assert nib.load(tmp_path / "o.nii").get_data_dtype() == np.uint8


@pytest.mark.parametrize("shape", [(5, 6, 7, 3), (5, 6, 7, 1, 3)])
def test_channels_come_last_in_the_file_and_first_here(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.arange(630, dtype=np.float32).reshape(shape)
    path = save(tmp_path / "a.nii.gz", values, affine_of(ORIENTATIONS[13], TILTS["oblique"]))
    image = read_image(path, bands=3)
    assert len(image.data) == 3
    write_probabilities(tmp_path / "p.nii.gz", image.data, image)
    np.testing.assert_array_equal(
        np.asarray(nib.load(tmp_path / "p.nii.gz").dataobj),
        values.reshape(5, 6, 7, 3),
    )
    write_labels(tmp_path / "l.nii.gz", image.data[0].astype(np.uint8), image, ())
    assert place(tmp_path / "l.nii.gz") == place(path)
    np.testing.assert_array_equal(read_mask(tmp_path / "p.nii.gz", image), image.data)


def test_slice_is_a_volume_of_one_and_comes_back_flat(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", VALUES[..., 0])
    image = read_image(path)
    assert image.data.shape == (1, 1, 6, 5)
    write_labels(tmp_path / "o.nii", image.data[0].astype(np.uint8), image, ())
    assert nib.load(tmp_path / "o.nii").shape == (5, 6)


def test_nan_is_no_data(tmp_path: Path) -> None:
    values = VALUES.astype(np.float32)
    values[2, 3, 4] = np.nan
    image = read_image(save(tmp_path / "a.nii", values))
    assert np.argwhere(~image.valid).tolist() == [[4, 3, 2]]


def test_notes_about_the_input_are_not_passed_on(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VALUES, np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    image.header["cal_max"] = 200
    nib.save(image, tmp_path / "a.nii")
    write_labels(tmp_path / "o.nii", np.zeros((7, 6, 5), np.uint8), read_image(tmp_path / "a.nii"), ())
    assert b"Jane Doe" in (tmp_path / "a.nii").read_bytes()
    assert b"Jane Doe" not in (tmp_path / "o.nii").read_bytes()
    assert nib.load(tmp_path / "o.nii").header["cal_max"] == 0


def test_mask_in_another_orientation_is_brought_to_the_images(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.nii", VALUES, np.diag([1, 1, 1, 1])))
    flipped = np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = 4
    mask = read_mask(save(tmp_path / "m.nii", VALUES[::-1], flipped), image)
    np.testing.assert_array_equal(mask, image.data[0])


def test_mask_elsewhere_is_refused_but_rounding_is_not(tmp_path: Path) -> None:
    affine = affine_of(np.eye(3), TILTS["oblique"])
    image = read_image(save(tmp_path / "a.nii", VALUES, affine))
    assert read_mask(save(tmp_path / "near.nii", VALUES, affine + 1e-4), image).shape == (7, 6, 5)
    with pytest.raises(ValueError, match=r"far\.nii: the mask lies elsewhere"):
        read_mask(save(tmp_path / "far.nii", VALUES, np.eye(4)), image)


def test_float_labels_become_ids(tmp_path: Path) -> None:
    mask = read_mask(save(tmp_path / "m.nii", VALUES.astype(np.float32) - 1))
    assert mask.dtype.kind == "i"
    assert mask.min() == -1


@pytest.mark.parametrize(
    ("name", "culprit"),
    [
        ("cut.nii", "cut"),
        ("cut.nii.gz", "cut"),
        ("empty.nii", "empty"),
        ("text.nii.gz", "text"),
        ("text.nii", "text"),
    ],
)
def test_damaged_and_foreign_volumes_are_refused_by_name(
    tmp_path: Path, name: str, culprit: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content = {"empty": b"", "text": b"hello " * 100}.get(culprit)
    if content is None:
        content = save(
            tmp_path / f"whole{name[3:]}", np.random.default_rng(0).random((20, 20, 20))
        ).read_bytes()
        content = content[: len(content) // 2]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name) as caught:
        read_image(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_degenerate_affine_is_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VALUES, np.eye(4))
    image.header["srow_z"] = 0
    nib.save(image, tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[312:328] = bytes(16)  # srow_z
    (tmp_path / "a.nii").write_bytes(raw)
    with pytest.raises(ValueError, match=r"a\.nii: the affine"):
        read_image(tmp_path / "a.nii")


@pytest.mark.parametrize("shape", [(4, 4, 4, 2, 3), (4,)])
def test_other_shapes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"a\.nii: has shape"):
        read_image(save(tmp_path / "a.nii", np.zeros(shape, np.uint8)))


def test_result_of_a_volume_is_a_volume(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.nii", VALUES))
    assert output_suffix(image.geometry) == output_suffix(image.geometry, layers=True) == ".nii.gz"
    with pytest.raises(ValueError, match=r"o\.tif: cannot hold"):
        write_labels(
            tmp_path / "o.tif", np.zeros((7, 6, 5), np.uint8), image, [ClassSpec("a", (0,), (0, 0, 0))]
        )
