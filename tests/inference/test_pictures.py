import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import rasterio

from unetzoo.inference import ClassSpec, read_image, read_mask, write_labels, write_probabilities
from unetzoo.inference.files import stem
from unetzoo.inference.image import find_images
from unetzoo.inference.results import output_suffix

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
RGB = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
BINARY = (GREY > 100).astype(np.uint8)


def save(path: Path, array: np.ndarray, mode: str | None = None, **options: object) -> Path:
    picture = PIL.Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **options)  # type: ignore[arg-type]
    return path


def palette_png(path: Path, ids: np.ndarray, palette: list[int]) -> Path:
    picture = PIL.Image.fromarray(ids)
    picture.putpalette(palette)
    picture.save(path)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".PNG", ".tif"])
def test_lossless_pictures_are_read_exactly(tmp_path: Path, suffix: str) -> None:
    image = read_image(save(tmp_path / f"a{suffix}", RGB))
    np.testing.assert_array_equal(image.data, RGB.transpose(2, 0, 1))
    assert image.data.dtype == np.uint8
    assert image.valid.all()
    assert (image.spacing, image.unit, image.bands) == (None, "px", ())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_image_and_mask_alike(tmp_path: Path, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    seen = PIL.ImageOps.exif_transpose(
        PIL.Image.open(io.BytesIO(save(tmp_path / "a.png", RGB, exif=exif).read_bytes()))
    )
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.data, np.asarray(seen).transpose(2, 0, 1))
    assert image.geometry.size == ((6, 8) if orientation < 5 else (8, 6))
    ids = read_mask(save(tmp_path / "m.png", GREY, exif=exif), image)
    np.testing.assert_array_equal(ids, image.data[0])


def test_jpeg_with_exif_orientation_fits_its_upright_mask(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # the camera was turned: stored rows are columns of the scene, right to left
    upright = np.zeros((40, 24), np.uint8)
    upright[:8, :8] = 255
    save(tmp_path / "a.jpg", np.ascontiguousarray(np.rot90(upright)), exif=exif)
    image = read_image(tmp_path / "a.jpg")
    mask = read_mask(save(tmp_path / "m.png", upright), image)
    assert ((image.data[0] > 127) == (mask > 127)).all()


def test_alpha_zero_is_no_data(tmp_path: Path) -> None:
    alpha = np.where(GREY > 50, 255, 0).astype(np.uint8)
    alpha[5, 7] = 1
    image = read_image(save(tmp_path / "a.png", np.dstack([RGB, alpha])))
    assert image.data.shape == (3, 6, 8)
    np.testing.assert_array_equal(image.valid, alpha > 0)


def test_grey_with_alpha_keeps_one_band(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", np.dstack([GREY, GREY])))
    np.testing.assert_array_equal(image.data[0], GREY)
    np.testing.assert_array_equal(image.valid, GREY > 0)


def test_opaque_alpha_is_all_valid(tmp_path: Path) -> None:
    assert read_image(
        save(tmp_path / "a.png", np.dstack([RGB, np.full_like(GREY, 255)])), bands=3
    ).valid.all()


def test_palette_image_is_its_colours_and_its_mask_the_indices(tmp_path: Path) -> None:
    path = palette_png(tmp_path / "a.png", BINARY, [10, 20, 30, 200, 210, 220])
    image = read_image(path)
    np.testing.assert_array_equal(image.data[:, BINARY == 1][:, 0], [200, 210, 220])
    np.testing.assert_array_equal(read_mask(path), BINARY)


def test_transparent_palette_entry_is_no_data(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(BINARY)
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(tmp_path / "a.png", transparency=1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").valid, BINARY == 0)


def test_one_bit_picture(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", BINARY * 255, "1")
    np.testing.assert_array_equal(read_image(path).data[0], BINARY * 255)
    np.testing.assert_array_equal(read_mask(path), BINARY)


def test_16_bit_grey_keeps_all_bits(tmp_path: Path) -> None:
    deep = GREY.astype(np.uint16) * 257 + 3
    path = save(tmp_path / "a.png", deep)
    image = read_image(path)
    assert image.data.dtype == np.uint16
    np.testing.assert_array_equal(image.data[0], deep)
    np.testing.assert_array_equal(read_mask(path), deep)


def test_16_bit_colour_keeps_all_bits(tmp_path: Path) -> None:
    deep = RGB.astype(np.uint16) * 257 + 3
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 6, 16, 2, 0, 0, 0))
    content = header + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    image = read_image(tmp_path / "a.png", bands=3)
    np.testing.assert_array_equal(image.data, deep.transpose(2, 0, 1))
    assert output_suffix(image.geometry) == ".png"


@pytest.mark.parametrize("ids", [BINARY, 1 - BINARY])
def test_grey_gif_gives_levels_whatever_its_palette(tmp_path: Path, ids: np.ndarray) -> None:
    path = save(tmp_path / "m.gif", ids * 255)
    np.testing.assert_array_equal(read_mask(path), ids * 255)
    np.testing.assert_array_equal(read_image(path, bands=1).data[0], ids * 255)


def test_gif_is_its_first_frame(tmp_path: Path) -> None:
    frames = [PIL.Image.fromarray(f) for f in (BINARY * 255, 255 - BINARY * 255)]
    frames[0].save(tmp_path / "m.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_mask(tmp_path / "m.gif"), BINARY * 255)


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    assert read_image(save(tmp_path / "a.jpg", RGB, "CMYK"), bands=3).data.shape == (3, 6, 8)


def test_nodata_value_of_a_picture(tmp_path: Path) -> None:
    holes = RGB.copy()
    holes[2, 3] = 0
    holes[1, 1] = (0, 9, 9)
    valid = read_image(save(tmp_path / "a.png", holes), nodata=0).valid
    assert not valid[2, 3]
    assert valid.sum() == 47


def test_rgb_mask_of_equal_channels_is_one_channel(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", GREY, "RGB")), GREY)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "n.png", GREY, "RGBA")), GREY)


def test_jpeg_mask_gives_what_the_file_holds(tmp_path: Path) -> None:
    path = save(tmp_path / "m.jpg", BINARY * 255)
    np.testing.assert_array_equal(read_mask(path), np.asarray(PIL.Image.open(path)))


def test_coloured_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"m\.png: the mask is a colour picture"):
        read_mask(save(tmp_path / "m.png", RGB))


def test_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", RGB))
    with pytest.raises(ValueError, match=r"m\.png.*\(5, 8\).*\(6, 8\)"):
        read_mask(save(tmp_path / "m.png", GREY[:5]), image)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.png", b""),
        ("text.png", b"this is no picture"),
        ("text.jpg", b"\xff\xd8\xff\xe0 no more"),
        ("page.gif", b"GIF89a"),
        ("zero.bmp", bytes(100)),
    ],
)
def test_foreign_pictures_are_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (read_image, read_mask):
        with pytest.raises(ValueError, match=name) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
def test_truncated_pictures_are_refused_by_name(
    tmp_path: Path, suffix: str, rng: np.random.Generator
) -> None:
    path = save(tmp_path / f"cut.{suffix}", rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=f"cut.{suffix}"):
        read_image(path)


def test_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "bomb.png", GREY)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(ValueError, match=r"bomb\.png: too large"):
        read_image(path)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 40)
    assert read_image(path).valid.shape == (6, 8)


def test_missing_folder_and_unknown_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.png: no such file"):
        read_image(tmp_path / "no.png")
    with pytest.raises(IsADirectoryError, match="folder"):
        read_image(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"ending '\.mp4' is unknown"):
        read_image(tmp_path / "a.mp4")


def test_label_map_is_a_palette_png_in_the_classes_colours(tmp_path: Path, rng: np.random.Generator) -> None:
    image = read_image(save(tmp_path / "a.png", RGB))
    classes = [ClassSpec("a", (0,), (1, 2, 3)), ClassSpec("b", (7,), (200, 100, 0))]
    labels = rng.choice(np.array([0, 1, 255], np.uint8), (6, 8))
    write_labels(tmp_path / "out.png", labels, image, classes)
    np.testing.assert_array_equal(read_mask(tmp_path / "out.png", image), labels)
    with PIL.Image.open(tmp_path / "out.png") as written:
        colours = np.asarray(written.convert("RGBA"))
    assert (colours[labels == 1] == (200, 100, 0, 255)).all()
    assert (colours[labels == 255][:, 3] == 0).all()


def test_results_with_layers_of_a_picture_are_arrays(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", RGB))
    layers = np.ones((2, 6, 8), np.float32) / 2
    write_probabilities(tmp_path / "p.npy", layers, image)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), layers)
    assert output_suffix(image.geometry) == ".png"
    assert output_suffix(image.geometry, layers=True) == ".npy"


def test_formats_that_lose_something_are_refused(tmp_path: Path, geotiff: Callable[..., Path]) -> None:
    picture = read_image(save(tmp_path / "a.png", RGB))
    scene = read_image(geotiff(RGB.transpose(2, 0, 1)))
    flat = np.zeros((6, 8), np.uint8)
    for path, labels, like in [
        ("o.jpg", flat, picture),
        ("o.nii.gz", flat, picture),
        ("o.png", flat[None], picture),
        ("o.png", flat, scene),
    ]:
        with pytest.raises(ValueError, match=path):
            write_labels(tmp_path / path, labels, like, ())
        assert not (tmp_path / path).exists()


def test_failed_write_leaves_nothing_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = read_image(save(tmp_path / "a.png", RGB))
    (tmp_path / "o.png").write_bytes(b"old")

    def half(self: PIL.Image.Image, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(PIL.Image.Image, "save", half)
    with pytest.raises(OSError, match="disk full"):
        write_labels(tmp_path / "o.png", np.zeros((6, 8), np.uint8), image, ())
    assert (tmp_path / "o.png").read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "o.png"]


def test_output_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", RGB))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_labels(tmp_path / "nowhere" / "o.png", np.zeros((6, 8), np.uint8), image, ())


def test_find_images_is_sorted_and_skips_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.tif", "sub/c.nii.gz", "._a.tif", ".cache/d.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in find_images(tmp_path)] == [
        "a.tif",
        "b.PNG",
        "sub/c.nii.gz",
    ]
    assert [stem(p) for p in find_images(tmp_path)] == ["a", "b", "c"]


def test_plain_tiff_gives_no_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    image = read_image(save(tmp_path / "a.tif", RGB))
    write_labels(tmp_path / "o.tif", np.zeros((6, 8), np.uint8), image, ())
    assert not [w for w in recwarn if issubclass(w.category, rasterio.errors.NotGeoreferencedWarning)]
