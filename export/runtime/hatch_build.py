"""Ships ``unetzoo/inference`` as ``unetzoo_runtime``, so that library and runtime are one source."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CopyInference(BuildHookInterface[Any]):
    """Adds the folder to sdist and wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """In the repository the source lies two folders up; in an sdist it lies here, under its new name."""
        source = Path(self.root).parents[1] / "unetzoo" / "inference"
        if not (Path(self.root) / "unetzoo_runtime").is_dir():
            build_data["force_include"][str(source)] = "unetzoo_runtime"
