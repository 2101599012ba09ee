"""What a config that came out of a file may call."""

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

__all__ = ["check_targets"]

# parts, and nothing that takes a config, a name or a command and acts on it (zoo, hub, cli, training)
_PARTS = (
    "unetzoo.auxiliary",
    "unetzoo.blocks",
    "unetzoo.composites",
    "unetzoo.datasets",
    "unetzoo.decoders",
    "unetzoo.encoders",
    "unetzoo.heads",
    "unetzoo.losses",
    "unetzoo.pruning",
    "unetzoo.schedules",
    "unetzoo.skips",
    "unetzoo.unet",
)


def check_targets(config: Mapping[str, Any], source: str) -> None:
    """Refuse a config that would call anything but the library's parts.

    Hydra's ``_target_`` runs code, so a checkpoint, an ONNX file or a folder from a hub could run anything.
    The environment variable ``UNETZOO_TRUST`` names further modules, separated by commas: a user's own parts.

    Args:
        config: A plain nested mapping, resolved, before it is instantiated.
        source: The file it came from, for the message.

    Raises:
        ValueError: Naming the first target that is not allowed, or the first interpolation, which could make
            one.
    """
    for key, value in _strings(config):
        if "${" in value:
            raise ValueError(f"{source}: its config holds the interpolation {value!r}; save it resolved")
        if key == "_target_" and not _is_part(value):
            raise ValueError(
                f"{source}: its config would call {value!r}, which is not a part of unetzoo; "
                "if that is your own code, set the environment variable UNETZOO_TRUST to its module"
            )


def _strings(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """All text in nested mappings and sequences, each with the key it stands under."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _strings(value, str(name))
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _strings(value, key)
    elif isinstance(node, str) or key == "_target_":
        yield key, str(node)


def _is_part(target: str) -> bool:
    """Whether the name is a public class or function that a part's module defines."""
    module, _, name = target.rpartition(".")
    if not _inside(module) or "._" in f".{target}":
        return False
    try:
        found = getattr(import_module(module), name, None)
    except ImportError:
        return False
    return callable(found) and _inside(str(getattr(found, "__module__", "")))


def _inside(module: str) -> bool:
    trusted = [name.strip() for name in os.environ.get("UNETZOO_TRUST", "").split(",") if name.strip()]
    return any(module == part or module.startswith(f"{part}.") for part in (*_PARTS, *trusted))
