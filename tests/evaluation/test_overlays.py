"""Pixels of the pictures, decoded again."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow
from tests.evaluation.conftest import make_image, make_spec, square

from unetzoo.evaluation.overlays import ERRORS, draw
from unetzoo.evaluation.pictures import SIDE, Panels, shown_bands
from unetzoo.inference.contract import IGNORE, ClassSpec


def decode(uri: str) -> np.ndarray:
    picture = Pillow.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])))
    return np.asarray(picture if picture.format == "JPEG" else picture.convert("RGBA"))


def draw_labels(reference: np.ndarray, prediction: np.ndarray, **spec: object) -> Panels:
    data = make_spec(("background", "cell", "core"))
    (overlays,) = draw(make_image(reference[None].astype(np.float32)), reference, prediction, data, (1, 2))
    return overlays


def at(layer: np.ndarray, row: float, column: float) -> tuple[int, ...]:
    """The pixel at a place given as fractions of the size."""
    return tuple(int(v) for v in layer[int(row * len(layer)), int(column * layer.shape[1])])


def test_errors_have_the_colours_of_the_legend() -> None:
    reference, prediction = np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.uint8)
    reference[0], prediction[0] = [1, 1, 0, 0, 1, IGNORE], [1, 0, 1, 0, 2, 1]
    layer = decode(draw_labels(reference, prediction).errors)
    found = [at(layer, 1 / 8, (column + 0.5) / 6) for column in range(5)]
    names = ["true positive", "false negative", "false positive", None, "wrong class"]
    for colour, name in zip(found, names, strict=True):
        assert (colour[:3] == ERRORS[name] and colour[3] > 0) if name else colour[3] == 0
    ignored = layer[: len(layer) // 4, -layer.shape[1] // 6 + 1 :].reshape(-1, 4)
    assert {tuple(map(int, pixel[:3])) for pixel in ignored if pixel[3]} == {ERRORS["not labelled"]}


def test_outlines_have_the_colours_of_the_classes_and_none_at_the_edge_of_the_image() -> None:
    overlays = draw_labels(square(at=(0, 5), side=10), square(side=4, value=2))
    reference, prediction = decode(overlays.reference), decode(overlays.prediction)
    assert {tuple(map(int, p[:3])) for p in reference.reshape(-1, 4) if p[3]} == {(230, 159, 0)}
    assert {tuple(map(int, p[:3])) for p in prediction.reshape(-1, 4) if p[3]} == {(86, 180, 233)}
    assert at(reference, 0, 0.5)[3] < 255  # inside, though it touches the upper edge
    assert at(reference, 0.3, 0.25)[3] == 255  # the left side of the square


def test_layers_fit_the_picture_and_the_world() -> None:
    reference = np.zeros((5, 10, 20), np.uint8)
    reference[2, 2:5, 3:9] = 1
    image = make_image(reference[None].astype(np.float32), spacing=(1.0, 4.0, 1.0), unit="mm")
    overlays, coronal, sagittal = draw(image, reference, reference, make_spec(ndim=3, unit="mm"), (1,))
    assert (coronal.width, coronal.height) == (SIDE, SIDE // 4)  # 20 mm by 5 mm, the head up
    assert (sagittal.width, sagittal.height) == (SIDE, SIDE // 8)
    assert (overlays.height, overlays.width) == (SIDE, SIDE // 2)  # 40 mm by 20 mm
    for uri in (overlays.picture, overlays.reference, overlays.prediction, overlays.errors):
        assert decode(uri).shape[:2] == (SIDE, SIDE // 2)
    layer = decode(overlays.reference)[..., 3]
    rows, columns = np.nonzero(layer)
    # anterior (large y) is up and right (large x) is left
    assert rows.min() / SIDE == pytest.approx(0.5, abs=0.01)
    assert columns.max() / (SIDE // 2) == pytest.approx(1 - 3 / 20, abs=0.01)


def test_pixels_without_data_are_a_checkerboard_and_do_not_spoil_the_contrast() -> None:
    data = np.tile(np.linspace(10, 20, 32, dtype=np.float32), (32, 1))
    valid = np.ones((32, 32), bool)
    data[:16, :16], valid[:16, :16] = np.nan, False
    data[20:, 20:], valid[20:, 20:] = -9999, False
    nothing = np.zeros((32, 32), np.uint8)
    (overlays,) = draw(make_image(data[None], valid=valid), nothing, nothing, make_spec(), (1,))
    picture = decode(overlays.picture)
    assert at(picture, 0.6, 0.99)[0] > 240
    assert at(picture, 0.6, 0.01)[0] < 15
    hole = picture[: SIDE * 7 // 16, : SIDE * 7 // 16].astype(int)
    assert 120 < hole.min() < 160 < hole.max() < 195


def test_an_image_without_any_data_can_be_drawn() -> None:
    nothing = np.zeros((8, 8), np.uint8)
    image = make_image(np.full((1, 8, 8), np.nan, np.float32), valid=np.zeros((8, 8), bool))
    assert draw(image, nothing + IGNORE, nothing + IGNORE, make_spec(), (1,))[0].width == SIDE


def test_a_large_image_is_shown_where_the_errors_are() -> None:
    reference = np.zeros((1500, 2600), np.uint8)
    prediction = reference.copy()
    reference[:40, :40] = prediction[:40, :40] = 1
    prediction[1400:1450, 2500:2550] = 1
    image = make_image(np.zeros((1, 1500, 2600), np.uint8))
    (overlays,) = draw(image, reference, prediction, make_spec(), (1,))
    assert "1024 x 1024 of 1500 x 2600" in overlays.caption
    found = {tuple(map(int, p[:3])) for p in decode(overlays.errors).reshape(-1, 4) if p[3]}
    assert found == {ERRORS["false positive"]}


def test_overlapping_classes_are_drawn_over_each_other() -> None:
    stack = np.stack([square(side=10), square(at=(8, 8), side=3)])
    spec = make_spec(("whole", "core"), multilabel=True)
    layer = decode(draw(make_image(stack[:1]), stack, stack, spec, (0, 1))[0].reference)
    assert at(layer, 9.5 / 20, 9.5 / 20)[:3] == spec.classes[1].colour


def test_more_classes_than_a_palette_has_colours() -> None:
    classes = tuple(ClassSpec(f"c{i}", (i,), (i, 7, 250 - i)) for i in range(150))
    reference = np.full((10, 15), 149, np.uint8)
    reference[:, :5] = 3
    spec = replace(make_spec(), classes=classes)
    layer = decode(draw(make_image(reference[None]), reference, reference, spec, range(150))[0].reference)
    assert at(layer, 9.5 / 10, 14.5 / 15)[:3] == (149, 7, 101)


def test_red_green_and_blue_are_found_by_name() -> None:
    spec = replace(make_spec(bands=4), bands=("B02", "B03", "B04", "B08"))
    assert shown_bands(spec) == ((2, 1, 0), "B04, B03, B02 of 4 bands as red, green, blue")
    assert shown_bands(make_spec(bands=2)) == ((0,), "band0 of 2 bands")
    assert shown_bands(make_spec(bands=3)) == ((0, 1, 2), "")
    assert shown_bands(make_spec(bands=4, ndim=3))[0] == (0,)  # modalities, not colours
