"""What a config that came out of a file may call."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

__all__ = ["check_targets"]

# beside unetzoo's own functions and classes
_ALLOWED = {
    "torch.optim.AdamW",
    "torch.optim.SGD",
    "lightning.pytorch.Trainer",
    "lightning.pytorch.callbacks.EMAWeightAveraging",
    "lightning.pytorch.callbacks.EarlyStopping",
    "lightning.pytorch.loggers.TensorBoardLogger",
}


def check_targets(config: Mapping[str, Any], source: str) -> None:
    """Refuse a config that would call anything but the library's parts.

    Hydra's ``_target_`` runs code, so a checkpoint, an ONNX file or a folder from a hub could run anything.

    Args:
        config: A plain nested mapping, before it is instantiated.
        source: The file it came from, for the message.

    Raises:
        ValueError: Naming the first target that is not allowed.
    """
    for target in _targets(config):
        if target not in _ALLOWED and not _is_ours(target):
            raise ValueError(
                f"{source}: its config would call {target!r}, which is not a part of unetzoo; "
                "load only files you trust, or rebuild the model in Python and load its weights"
            )


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _targets(value)


def _is_ours(target: str) -> bool:
    """Whether the name is a class or function that unetzoo defines: ``unetzoo.x.os.system`` is not."""
    if not target.startswith("unetzoo."):
        return False
    module, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module), name, None)
    except ImportError:
        return False
    return callable(found) and str(getattr(found, "__module__", "")).startswith("unetzoo.")
