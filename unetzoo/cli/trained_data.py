"""The set that a model was trained on, as its config says."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from unetzoo.cli.suggest import did_you_mean, one_of

if TYPE_CHECKING:
    from unetzoo.datasets.datamodule import SegmentationData

__all__ = ["ELSEWHERE", "data_of"]

_WHERE = {"root", "images", "masks", "manifest", "splits", "group", "name"}
_SPLIT = {"val_fraction", "test_fraction", "split_seed", "num_workers", "cache", "cache_gb", "seed"}
ELSEWHERE = _WHERE | _SPLIT
"""Keys that may differ without the model's data being another kind of data."""


def data_of(
    config: str, source: str, chosen: str | None = None, changes: Mapping[str, Any] | None = None
) -> "SegmentationData":
    """The data module of a model's config, or of a chosen data config, with changes.

    Args:
        config: The composed config of the training run, YAML.
        source: Where it came from, for messages.
        chosen: Name of a data config to take instead.
        changes: Keys of the data config with other values.

    Raises:
        ValueError: If the file has no config, it would call foreign code, or a change names no key of it.
    """
    from hydra import compose
    from hydra.utils import instantiate

    from unetzoo.safe import check_targets

    changes = dict(changes or {})
    if chosen is not None:
        found = OmegaConf.to_container(compose("train", overrides=[f"data={chosen}"]), resolve=True)
    else:
        found = OmegaConf.to_container(OmegaConf.create(config), resolve=True)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise ValueError(f"{source}: does not say what it was trained on; choose data=...")
    unknown = [key for key in changes if key not in data]
    if unknown:
        keys = [key for key in data if not key.startswith("_")]
        hint = did_you_mean(unknown[0], keys)
        raise ValueError(
            f"data.{unknown[0]} is not a key of the data config{hint}; it has {one_of(keys, 30)}"
        )
    # nothing is augmented here, and the recipe may need packages of its own
    data |= changes | {"augment": None}
    if chosen is None:
        check_targets(data, source)
    module: SegmentationData = instantiate(data)
    return module
