"""What the runtime computes of small inputs, for the page's own tests.

python -m tests.web.parity > export/web/tests/parity.json
"""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from unetzoo.inference import ClassSpec, Contract, DataSpec, ImageTarget, Normalisation, Predictor, normalise
from unetzoo.inference.bands import select_bands
from unetzoo.inference.files import existing
from unetzoo.inference.geometry import Image, PictureGeometry
from unetzoo.inference.integrity import checksum
from unetzoo.inference.normalisation import BandNormalisation
from unetzoo.inference.normalise import scale_of
from unetzoo.inference.ranks import percentiles
from unetzoo.inference.source import ImageSource
from unetzoo.inference.windows import axis_weights, pad_to, starts

AXES = [(8, 8, 0.25), (9, 8, 0.25), (31, 8, 0.5), (30, 7, 0.3), (100, 16, 0.0), (17, 4, 0.9), (5, 8, 0.25)]
KINDS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def network(x: np.ndarray, channels: int) -> np.ndarray:
    """Logits that mix the bands and depend on the place in the tile, so that blending matters."""
    k, i, j = np.ogrid[:channels, : x.shape[2], : x.shape[3]]
    ramp = ((7 * i + 3 * j + 5 * k) % 11) / 11 - 0.5
    first, last = x[:, :1].astype(np.float64), x[:, -1:].astype(np.float64)
    return np.asarray(first * (k + 1) - last * k * k / 2 + ramp, np.float32)


def parity() -> dict[str, Any]:
    """Inputs and answers as JSON holds them."""
    rng = np.random.default_rng(7)
    return {
        "starts": [[*axis, starts(*axis)] for axis in AXES],
        "weights": [
            [*axis, blend, [w.tolist() for w in axis_weights(*axis, blend)]]
            for axis in AXES[:-1]
            for blend in ("gaussian", "linear", "constant", "crop")
        ],
        "mirrored": [
            [size, wanted, pad_to(np.arange(size), [wanted])[0].tolist()]
            for size, wanted in ((5, 8), (3, 11), (1, 4), (4, 4), (9, 4))
        ],
        "percentiles": [_percentiles(rng, kind) for kind in KINDS],
        "segment": list(_segment(rng)),
        "contracts": list(_contracts()),
        "model": _model(),
        "external": _external(),
    }


def _percentiles(rng: np.random.Generator, kind: str) -> list[Any]:
    dtype, wanted = np.dtype(kind), (0.5, 33.3, 99.5, 100)
    if dtype.kind == "f":
        values = (rng.standard_normal(57) * 1e3).astype(dtype)
    else:
        ends = np.iinfo(dtype)
        values = rng.integers(ends.min, ends.max, 57, dtype, endpoint=True)
    return [kind, values.tolist(), wanted, percentiles(lambda: [values[:20], values[20:]], dtype, wanted)]


def _classes(count: int) -> tuple[ClassSpec, ...]:
    return tuple(ClassSpec(f"class{i}", (i,), (i, 2 * i, 255 - i)) for i in range(count))


def _segment(rng: np.random.Generator) -> Any:
    fixed = Normalisation("fixed", mean=(10.0, -3.0), std=(200.0, 100.0))
    each = Normalisation(
        "each",
        each=(
            BandNormalisation("window", window=(80.0, 140.0)),
            BandNormalisation("zscore", skip=0.0),
            BandNormalisation("zscore", window=(60.0, 130.5)),
            BandNormalisation("percentile", low=5, high=95, skip=0.0, window=(60.0, 400.0)),
        ),
    )
    zeros, apart = {"nodata": 0.0}, {"overlap": 0.0, "blend": "constant"}
    layers = {"multilabel": True, "nodata": -9999.0}
    cases: list[tuple[Any, ...]] = [
        ("uint8", (1, 13, 21), Normalisation("percentile"), (8, 8), 2, {}, {}),
        ("uint16", (3, 5, 30), Normalisation("zscore"), (8, 12), 4, zeros, {"overlap": 0.5, "blend": "crop"}),
        ("float32", (2, 20, 9), Normalisation("minmax"), (8, 16), 3, layers, {"blend": "linear"}),
        ("int16", (2, 24, 24), fixed, (8, 8), 3, zeros, apart),
        ("uint8", (3, 40, 37), Normalisation("imagenet"), (16, 16), 5, {}, {"overlap": 0.3}),
        ("int16", (4, 17, 15), each, (8, 8), 3, {}, {}),
    ]
    for kind, shape, how, tile, count, data, rest in cases:
        spec = DataSpec(2, tuple(f"b{i}" for i in range(shape[0])), _classes(count), how, tile, **data)
        activation = "sigmoid" if count == 2 or spec.multilabel else "softmax"
        contract = Contract("tiny", spec, activation, (1, 1), True, **rest)
        values = (rng.standard_normal(shape) * 60 + 110).clip(0, 255).astype(kind)
        valid = np.ones(shape[1:], bool)
        if spec.nodata is not None:
            values[:, : shape[1] // 2, : shape[2] // 2] = spec.nodata
            values[0, -1, -1] = spec.nodata
        if kind == "float32":
            values[1, 3, 3] = np.nan
            valid &= np.isfinite(values).all(axis=0)
        image = Image(values, valid, (), None, "px", PictureGeometry(shape[1:]))
        source = select_bands(ImageSource(image), spec.bands, spec.nodata, existing(__file__))
        logits = 1 if activation == "sigmoid" and not spec.multilabel else count
        predictor = Predictor(lambda x, logits=logits: network(x, logits), contract)  # type: ignore[misc]
        labels = predictor.labels(source.image(), batch_size=3)
        scale = scale_of(source, how)
        yield {
            "contract": contract.to_json(),
            "kind": kind,
            "shape": shape,
            "values": [[None if np.isnan(v) else v for v in band.ravel().tolist()] for band in values],
            "valid": valid.ravel().astype(int).tolist(),
            "shift": scale.shift,
            "divisor": scale.divisor,
            "normalised": [
                [round(v, 8) for v in band.ravel().tolist()] for band in normalise(source.image(), how)
            ],
            "labels": np.asarray(labels).ravel().tolist(),
        }


def _contracts() -> Any:
    """Contracts as they are written, and changed ones; with what the runtime has against them."""
    spec = DataSpec(
        2,
        ("red", "green"),
        _classes(3),
        Normalisation("fixed", mean=(1.0, 2.0), std=(1.0, 0.25)),
        (16, 8),
        ignore_index=-1,
        nodata=float("nan"),
        spacing=(0.5, 0.25),
        unit="m",
        value_range=(-3.0, 1e6),
    )
    metrics = {"val/dice": 0.5, "val/loss": float("nan"), "test/max": float("inf")}
    rest: dict[str, Any] = {"overlap": 0.5, "metrics": metrics, "config": 'a: "NaN" \\ \n'}
    whole = Contract("tiny", spec, "softmax", (4, 4), True, **rest)
    target = ImageTarget(("ct",), (0.0,), (1.0,), (-1000.0, 3000.0), "HU")
    image = DataSpec(3, ("mr",), (), Normalisation("minmax"), (8, 8, 8), target=target)
    yield [whole.to_json(), None]
    yield [Contract("image", image, "none", (1, 1, 1), True).to_json(), None]
    values = json.loads(whole.to_json())
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"schema": 2}, {}),
        ({"schema": None}, {}),
        ({"nom": "x"}, {}),
        ({"name": 3}, {}),
        ({"activation": "relu"}, {}),
        ({"activation": "sigmoid"}, {}),
        ({"activation": "none"}, {}),
        ({"divisor": [4]}, {}),
        ({"overlap": 1}, {}),
        ({"blend": "hann"}, {}),
        ({"metrics": [1]}, {}),
        ({}, {"ndim": True}),
        ({}, {"ndim": 4}),
        ({}, {"tile": [16]}),
        ({}, {"tile": [16, 0]}),
        ({}, {"tile": [16, 1.5]}),
        ({}, {"bands": []}),
        ({}, {"bands": ["a", "a"]}),
        ({}, {"bands": ["a", "b", "c"]}),
        ({}, {"classes": []}),
        ({}, {"classes": [{"name": "a", "ids": [0], "colour": [0, 0, 256]}]}),
        ({}, {"classes": [{"name": "a", "ids": [i], "colour": [0, 0, 0]} for i in range(2)]}),
        ({}, {"classes": [{"name": "a", "ids": [0]}]}),
        ({}, {"normalisation": {"method": "z-score"}}),
        ({}, {"normalisation": {"method": "percentile", "low": 99, "high": 1}}),
        ({}, {"normalisation": {"method": "fixed"}}),
        ({}, {"normalisation": {"method": "imagenet"}}),
        ({}, {"normalisation": {"method": "each"}}),
        ({}, {"normalisation": {"method": "each", "each": [{"method": "minmax"}, {"method": "imagenet"}]}}),
        ({}, {"normalisation": {"method": "each", "each": [{"method": "minmax"}]}}),
        ({}, {"normalisation": {"method": "window"}}),
        ({}, {"normalisation": "zscore"}),
        ({}, {"unit": "feet"}),
        ({}, {"multilabel": True}),
    ]
    for outside, inside in changes:
        text = json.dumps({**values, **outside, "data": {**values["data"], **inside}})
        yield [text, _complaint(text)]
    for text in ("{", "[]", "{}"):
        yield [text, _complaint(text)]


def _graph(weights: onnx.TensorProto) -> onnx.ModelProto:
    sizes: list[str | int | None] = ["B", 2, "H", "W"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weights"], ["logits"])],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, sizes)],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _model() -> dict[str, Any]:
    proto = _graph(numpy_helper.from_array(np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1), "weights"))
    metadata = {"unetzoo": '{"schema": 1}', "author": "Bärbel"}
    helper.set_model_props(proto, metadata)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(proto, path)
        digits = checksum(path)
    return {"bytes": _text(proto), "metadata": metadata, "checksum": digits}


def _external() -> dict[str, Any]:
    weights = onnx.TensorProto(
        name="weights",
        data_type=TensorProto.FLOAT,
        dims=[2, 2, 1, 1],
        data_location=onnx.TensorProto.EXTERNAL,
    )
    weights.external_data.add(key="location", value="tiny.onnx.data")
    return {"bytes": _text(_graph(weights)), "location": "tiny.onnx.data"}


def _text(proto: onnx.ModelProto) -> str:
    return base64.b64encode(proto.SerializeToString()).decode()


def _complaint(text: str) -> str:
    try:
        Contract.from_json(text)
    except ValueError as error:
        return str(error)
    raise AssertionError(f"the runtime accepts {text}")


if __name__ == "__main__":
    print(json.dumps(parity()))
