import os
from collections.abc import Callable
from typing import Any

# read when huggingface_hub is imported; no test needs the network, and without it a download fails at once
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
from torch import nn

from unetzoo.inference.contract import ClassSpec, DataSpec, Normalisation
from unetzoo.unet import UNet


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
