"""unetzoo: segmentation networks whose skip pathway is a part of its own.

Names are imported when they are first used, so that ``import unetzoo`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from unetzoo.hub import from_pretrained, load
    from unetzoo.predictor import Predictor
    from unetzoo.zoo import create_model, list_decoders, list_encoders, list_heads, list_models, list_skips

_HOMES = {
    "Predictor": "predictor",
    "create_model": "zoo",
    "from_pretrained": "hub",
    "list_decoders": "zoo",
    "list_encoders": "zoo",
    "list_heads": "zoo",
    "list_models": "zoo",
    "list_skips": "zoo",
    "load": "hub",
}

__all__ = [
    "Predictor",
    "__version__",
    "create_model",
    "from_pretrained",
    "list_decoders",
    "list_encoders",
    "list_heads",
    "list_models",
    "list_skips",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"unetzoo.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'unetzoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
