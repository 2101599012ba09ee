"""The Hydra tree as a package, ``pkg://unetzoo.configs``.

In a wheel the YAML files lie beside this file; in a checkout they stay in the repository's ``configs/``,
where they are edited. ``ROOT`` is whichever holds them, and the resource reader below shows that
folder to ``importlib.resources``, which is what Hydra (and a downstream ``hydra.searchpath``) reads.
"""

from importlib.resources.abc import Traversable, TraversableResources
from pathlib import Path

_HERE = Path(__file__).parent
ROOT = _HERE if (_HERE / "train.yaml").is_file() else _HERE.parents[1] / "configs"


class _Tree(TraversableResources):
    def files(self) -> Traversable:
        return ROOT


def _resource_reader(_name: str) -> TraversableResources:
    return _Tree()


if __spec__ is not None and __spec__.loader is not None and ROOT != _HERE:
    __spec__.loader.get_resource_reader = _resource_reader  # type: ignore[attr-defined]
