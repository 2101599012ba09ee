import os
from collections.abc import Callable
from typing import Any

# read when huggingface_hub is imported; no test needs the network, and without it a download fails at once
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
from torch import nn

from unetzoo.inference.contract import ClassSpec, DataSpec, Normalisation
from unetzoo.unet import UNet


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, and of the contracts, which are most of the work, a part's tests.

    For pytest-xdist's ``--dist loadgroup``: what several tests share is then made once.
    """
    for item in items:
        group = item.path.as_posix()
        if item.path.name == "test_contract.py" and isinstance(item, pytest.Function):
            part = getattr(item, "callspec", None)
            group += str(sorted((k, str(v)) for k, v in part.params.items() if k != "which")) if part else ""
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def data_of() -> Callable[..., DataSpec]:
    """What a model could have been trained on."""

    def make(model: UNet, tile: tuple[int, ...], **changes: Any) -> DataSpec:
        values: dict[str, Any] = {
            "ndim": model.ndim,
            "bands": tuple(f"band{i}" for i in range(model.in_channels)),
            "classes": tuple(ClassSpec(f"class{i}", (i,), (i, 0, 0)) for i in range(model.num_classes)),
            "normalisation": Normalisation("zscore"),
            "tile": tile,
        }
        return DataSpec(**(values | changes))

    return make


@pytest.fixture(scope="session")
def count() -> Callable[[nn.Module], int]:
    """Number of parameters."""
    return lambda module: sum(p.numel() for p in module.parameters())
