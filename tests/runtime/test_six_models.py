"""Six networks answer where torch cannot be imported as they do with torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unetzoo
from unetzoo.inference import ClassSpec, DataSpec, Image, Normalisation
from unetzoo.inference.geometry import PictureGeometry
from unetzoo.onnx_export import export
from unetzoo.predictor import Predictor

Run = Callable[..., Any]

MODELS: dict[str, dict[str, Any]] = {
    "unet": {"model": "unet"},
    "unet_plus_plus": {"model": "unet_plus_plus"},
    "attention_unet": {"model": "attention_unet"},
    "unet 3d": {"model": "unet", "encoder": "conv3d"},
    "mamba": {"model": "unet", "skip": "mamba"},
    "mfms": {"model": "unet", "skip": "mfms"},
}

ANSWER = """
import numpy as np
from unetzoo_runtime import Image, Predictor
from unetzoo_runtime.geometry import PictureGeometry
model, folder = sys.argv[1:]
data = np.load(folder + "/image.npy")
image = Image(data, np.ones(data.shape[1:], bool), (), None, "px", PictureGeometry(data.shape[1:]))
np.save(folder + "/labels.npy", Predictor.open(model, threads=1).labels(image))
assert not {"torch", "unetzoo"} & set(sys.modules)
"""


def tiny(**parts: Any) -> Any:
    """Untrained, with statistics and biases that are not those of a start, and both classes in play."""
    torch.manual_seed(0)
    widths = {"encoder.channels": [4, 8, 8], "decoder.channels": [4, 8]}
    model: Any = unetzoo.create_model(
        parts.pop("model"), **{"encoder": "conv2d", **parts}, in_channels=1, classes=2, overrides=widths
    ).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("running_mean", "running_var", "bias")):
                tensor.add_(0.3 * torch.rand_like(tensor))
    tile = (16,) * model.ndim
    classes = tuple(ClassSpec(name, (i,), (0, 0, i)) for i, name in enumerate(("rest", "thing")))
    model.data = DataSpec(model.ndim, ("grey",), classes, Normalisation("zscore"), tile)
    return model


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in ("mamba", "mfms") else pytest.mark.full) for name in MODELS],
)
def test_label_maps_agree_on_all_but_one_pixel_in_ten_thousand(name: str, run: Run, tmp_path: Path) -> None:
    model = tiny(**MODELS[name])
    size = (131, 157) if model.ndim == 2 else (30, 31, 33)
    data = np.random.default_rng(0).integers(0, 256, (1, *size), dtype=np.uint8)
    image = Image(data, np.ones(size, bool), (), None, "px", PictureGeometry(size))
    logits = Predictor(model).logits(image)
    with torch.no_grad():
        bias = dict(model.named_parameters())["heads.0.conv.bias"]
        bias[0] += float(np.median(logits[1] - logits[0]))
    ours = Predictor(model).labels(image)
    assert 0.4 < (ours == 1).mean() < 0.6
    np.save(tmp_path / "image.npy", data)
    done = run(export(model, tmp_path / "model.onnx"), tmp_path, code=ANSWER)
    assert done.returncode == 0, done.stderr
    assert (np.load(tmp_path / "labels.npy") == ours).mean() >= 0.9999
