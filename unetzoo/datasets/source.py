"""From the paths of a data config to the list of cases with their splits."""

import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from .case import Case, Listing
from .folder import read_folder
from .manifest import read_manifest
from .splits import apply_splits, choose_fold, complete_splits, read_splits, regroup, torn_groups
from .vector_labels import VectorLabels

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where the cases of a set come from; the arguments are those of ``SegmentationData``."""

    name: str
    root: Path | None
    images: str | Path | None
    masks: str | Path | None
    manifest: str | Path | None
    splits: str | Path | None
    fold: int | None
    group: str | None
    val_fraction: float
    test_fraction: float
    split_seed: int
    generate: Callable[[Path], None] | None
    vector: VectorLabels = field(default_factory=VectorLabels)

    def prepare(self) -> None:
        """Make a generated set on first use; other sets must be there."""
        if self.root is None:
            return
        if self.generate is not None:
            if self.manifest is None or not self.path(self.manifest).is_file():
                _make(self.root, self.generate)
            return
        for path in (".", self.manifest, self.images, self.masks, self.splits):
            if path is not None and not self.path(path).exists():
                raise FileNotFoundError(
                    f"{self.path(path)}: does not exist; put the set there (docs/data.md says how to prepare"
                    " the public ones), or set paths.data to the folder of all sets, or data.root to this one"
                )

    def list(self) -> Listing:
        """All cases with their splits, why some cannot be used, and what else is worth knowing.

        Raises:
            FileNotFoundError: If a folder or table is missing.
            ValueError: If a table is broken, or no split can be made.
        """
        found = self.find()
        cases = complete_splits(
            found.cases,
            val_fraction=self.val_fraction,
            test_fraction=self.test_fraction,
            seed=self.split_seed,
        )
        return Listing(cases, [*found.problems, *_same_names(cases), *torn_groups(cases)], found.notes)

    def find(self) -> Listing:
        """As `list`, but what has no split yet stays undecided."""
        self.prepare()
        if self.manifest is not None and (self.images is not None or self.masks is not None):
            raise ValueError("data.manifest and data.images or data.masks are both set; choose one way")
        wanted = None if self.splits is None else read_splits(self.path(self.splits))
        if self.manifest is not None:
            found = read_manifest(self.path(self.manifest))
        elif self.images is not None and self.masks is not None:
            found = read_folder(self.path(self.images), self.path(self.masks), wanted)
        else:
            raise ValueError("data.images and data.masks, or data.manifest, must say where the data is")
        if self.splits is not None and wanted is not None:
            found = apply_splits(found, wanted, self.path(self.splits))
        if not found.cases and not found.problems:
            raise ValueError(f"{self.path(self.manifest or self.images or '')}: lists no image")
        cases = [replace(case, vector=self.vector) for case in found.cases]
        cases = regroup(cases, self.group) if self.group is not None else cases
        if self.fold is not None:
            cases = choose_fold(cases, self.fold)
        return Listing(cases, found.problems, found.notes)

    def path(self, path: str | Path) -> Path:
        """Where a path of the config lies."""
        return Path(path) if self.root is None else self.root / path


def _same_names(cases: list[Case]) -> list[str]:
    counts = Counter(case.name for case in cases)
    return [
        f"{' and '.join(str(c.image) for c in cases if c.name == name)}: are both called '{name}'; "
        "rename one, or give the manifest a column 'name'"
        for name, count in counts.items()
        if count > 1
    ]


def _make(root: Path, generate: Callable[[Path], None]) -> None:
    """Make a set beside its place and move it there whole, so that nobody ever sees half of it."""
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    _log.info("making the synthetic set %s", root)
    try:
        generate(temporary)
        temporary.chmod(0o755)  # mkdtemp's folders are private
        os.replace(temporary, root)
    except OSError:
        if not (root.is_dir() and any(root.iterdir())):  # else another process was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
