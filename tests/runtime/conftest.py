import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from unetzoo.inference import METADATA_KEY, ClassSpec, Contract, DataSpec, Normalisation

SOURCE = Path(__file__).parents[2] / "export" / "runtime"

# the first lines of a process in which the packages named do not exist
HIDE = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden}:
            raise ImportError(name + " is hidden")
sys.meta_path.insert(0, Hide())
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakeModel = Callable[..., Path]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """unetzoo-runtime built from the sources as they are now; needs no network."""
    out = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--no-index"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(SOURCE), "-w", str(out)], check=True)
    return next(out.glob("unetzoo_runtime-*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel installs."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Run Python code, or the command with arguments, where neither torch nor unetzoo can be imported."""

    def start(*arguments: object, code: str | None = None, hidden: tuple[str, ...] = ()) -> Any:
        first = HIDE.format(hidden={"torch", "unetzoo", "lightning", *hidden})
        code = code or "from unetzoo_runtime.cli import main\nsys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", first + code, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(installed)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return start


@pytest.fixture
def data() -> DataSpec:
    """Three bands, three classes, tiles of 16."""
    return DataSpec(
        ndim=2,
        bands=("red", "green", "blue"),
        classes=tuple(ClassSpec(n, (i,), (i * 100, 9, 50)) for i, n in enumerate(("ground", "leaf", "stem"))),
        normalisation=Normalisation("fixed", mean=(100.0,) * 3, std=(50.0,) * 3),
        tile=(16, 16),
        value_range=(0.0, 255.0),
    )


@pytest.fixture
def model(tmp_path: Path) -> MakeModel:
    """An ONNX file whose class k is where band k is largest; ``text=None`` leaves the contract out."""

    def make(
        data: DataSpec,
        name: str = "model.onnx",
        size: tuple[int | str, ...] | None = None,
        channels: int | None = None,
        text: str | None = "",
        **changes: Any,
    ) -> Path:
        bands, classes = channels or len(data.bands), len(data.classes)
        weights = np.eye(classes, bands, dtype=np.float32).reshape(classes, bands, *[1] * data.ndim)
        size = size or ("D", "H", "W")[-data.ndim :]
        graph = helper.make_graph(
            [helper.make_node("Conv", ["image", "weights"], ["logits"])],
            "tiny",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", bands, *size])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", classes, *size])],
            [numpy_helper.from_array(weights, "weights")],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        if text is not None:
            dynamic = all(isinstance(s, str) for s in size)
            contract = Contract("tiny", data, "softmax", (1,) * data.ndim, dynamic, **changes)
            helper.set_model_props(proto, {METADATA_KEY: text or contract.to_json()})
        onnx.save(proto, tmp_path / name)
        return tmp_path / name

    return make
