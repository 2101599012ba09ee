"""The data of a run: from a data config to cases, their spec, and loaders."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader, Dataset

from ..inference.contract import ClassSpec, DataSpec, ImageTarget
from ..inference.geometry import Image
from ..inference.image import read_mask
from .augment import Augment, Unchanged
from .band_groups import BandGroup, by_group, normalisation_of
from .case import SPLITS, Case, Listing, Report, Sample
from .check import check_cases, empty_splits
from .classes import parse_classes, short
from .leaks import ALLOWABLE
from .pairs import Pair, open_pair
from .patches import Example, TrainPatches, WholeCases, one_case
from .reader import CachingReader, read_case
from .sampling import DrawSampler
from .source import Source
from .spec import (
    default_patch,
    facts,
    resampled_size,
    resampling,
    target_of,
)
from .statistics import Limits, moments
from .survey import OnError, Survey, discover_classes, refuse, survey_images
from .vector_labels import is_vector, vector_labels


class SegmentationData(LightningDataModule):
    """Images with masks or target images, from a manifest or two folders. Constructing it reads nothing.

    Args:
        name: Of the set; for run names and reports.
        root: Folder that the other paths are relative to.
        images: Folder of images, paired by name with those in `masks`; or else:
        manifest: CSV with image, mask or target, split, group.
        splits: JSON with the file names of train, val and test.
        fold: Of the manifest's column of that name: its cases are val, the other folds train.
        allow: Leaks between splits that are known and are told as notes: ``neighbours``, tiles of one scene
            that touch, and ``duplicates``, pictures that look the same.
        group: Regular expression; what it matches in a case's name is its group. None: the manifest's groups,
            or each case its own.
        val_fraction: Of all cases, cut off where no split is given; of the train cases where val is missing.
        test_fraction: Of all cases, cut off where no split is given.
        split_seed: Chooses the groups that are cut off; apart from `seed`, so that runs stay comparable.
        seed: Of patches and augmentation.
        ndim: 2 or 3; None: as the files are.
        bands: Names in the network's order, picked by name where files name their bands; or their number;
            None: as found.
        classes: Mapping of names to ids, see ``parse_classes``; None: as found in the masks.
        ignore_index: Id in the masks that means "no label".
        multilabel: Classes may overlap.
        target: Arguments of ``ImageTarget`` where an image is to be predicted, whose files stand in the
            manifest's column target; masks then say where it counts. ``mean``, ``std`` and ``value_range``
            are taken from the training targets if they are not given. None: classes.
        normalise: Arguments of ``BandNormalisation``; ``fixed`` without numbers takes mean and std from the
            training images. ``groups`` maps a name to ``bands`` and the arguments for these; all other bands
            go by the arguments outside.
        nodata: Raw value that means "no data", beside what the files declare.
        spacing: Millimetres per voxel, (z, y, x), that volumes are resampled to; None: each as it is.
        gsd: Metres on the ground per pixel that rasters are resampled to; None: each as it is.
        vector: Arguments of ``VectorLabels`` where masks are files of polygons.
        patch: Size of training patches and of the tile at inference; None: the median image, at most 256 px
            or 64 voxels.
        samples_per_epoch: None: the number of train cases. Rounded up to whole batches.
        foreground: Fraction of patches centred on a foreground pixel, or where the target counts.
        augment: Applied to normalised training patches; None: nothing.
        cache: Keep decoded cases in memory.
        cache_gb: At most so much, shared by the workers.
        metrics: The set's own measures, which `unetzoo eval` takes beside the usual ones, names of
            ``unetzoo.metrics.EXTRAS``.
        objects: Folder of masks that number the objects, named as the masks; ``masks``: the masks' ids do.
        generate: Makes the set in a folder it is given, if `root` does not exist yet.
    """

    def __init__(
        self,
        *,
        name: str = "data",
        root: str | Path | None = None,
        images: str | Path | None = None,
        masks: str | Path | None = None,
        manifest: str | Path | None = None,
        splits: str | Path | None = None,
        fold: int | None = None,
        allow: Sequence[str] = (),
        group: str | None = None,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
        seed: int = 0,
        ndim: int | None = None,
        bands: Sequence[str] | int | None = None,
        classes: Mapping[str, Any] | Sequence[str] | None = None,
        ignore_index: int | None = None,
        multilabel: bool = False,
        target: Mapping[str, Any] | None = None,
        normalise: Mapping[str, Any] | None = None,
        nodata: float | None = None,
        spacing: Sequence[float] | None = None,
        gsd: float | None = None,
        vector: Mapping[str, Any] | None = None,
        patch: Sequence[int] | None = None,
        batch_size: int = 8,
        samples_per_epoch: int | None = None,
        foreground: float = 0.5,
        num_workers: int = 0,
        augment: Augment | None = None,
        cache: bool = True,
        cache_gb: float = 2.0,
        metrics: Sequence[str] = (),
        objects: str | Path | None = None,
        generate: Callable[[Path], None] | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= foreground <= 1:
            raise ValueError(f"data.foreground={foreground} must be a fraction, from 0 to 1")
        if batch_size < 1 or num_workers < 0:
            raise ValueError(
                f"data.batch_size={batch_size} must be at least 1, data.num_workers={num_workers} at least 0"
            )
        if ndim not in (None, 2, 3):
            raise ValueError(f"data.ndim={ndim} must be 2 or 3, or null to take it from the files")
        if unknown := sorted({*allow} - {*ALLOWABLE}):
            raise ValueError(f"data.allow has '{unknown[0]}'; what it may list is {', '.join(ALLOWABLE)}")
        self.allow = tuple(allow)
        self.name = name
        self.metrics, self.objects_from = tuple(metrics), objects
        self.source = Source(
            name=name,
            root=None if root is None else Path(root),
            images=images,
            masks=masks,
            manifest=manifest,
            splits=splits,
            fold=fold,
            group=group,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
            generate=generate,
            vector=vector_labels(vector or {}),
        )
        self.ndim = ndim
        self.bands = bands if bands is None or isinstance(bands, int) else tuple(bands)
        self.classes = None if classes is None else parse_classes(classes, multilabel=multilabel)
        self.ignore_index, self.multilabel, self.nodata = ignore_index, multilabel, nodata
        self.spacing, self.gsd = spacing and tuple(float(s) for s in spacing), gsd
        self.target = None if target is None else dict(target)
        if self.target is not None and manifest is None:
            raise ValueError("data.target needs data.manifest, a CSV with the columns image and target")
        self.normalise = dict(normalise or {"method": "percentile"})
        self.patch = None if patch is None else tuple(int(p) for p in patch)
        self.seed, self.batch_size, self.samples_per_epoch = seed, batch_size, samples_per_epoch
        self.foreground, self.num_workers = foreground, num_workers
        self.augment: Augment = augment or Unchanged()
        self.cache_bytes = cache_gb * 1e9 if cache else 0.0

    def prepare_data(self) -> None:
        """Make a generated set on first use."""
        self.source.prepare()

    @cached_property
    def listing(self) -> Listing:
        """All cases with their splits, what is wrong with them, and what else is worth knowing."""
        return self.source.list()

    def cases(self, split: str) -> list[Case]:
        """The cases of a split, in the source's order.

        Raises:
            ValueError: If there is no such split, or the source has problems.
        """
        if split not in SPLITS:
            raise ValueError(f"split '{split}' is none of {', '.join(SPLITS)}")
        problems = self.listing.problems
        if problems:
            more = (
                f" (and {len(problems) - 1} more problems; `unetzoo data check` lists them)"
                if problems[1:]
                else ""
            )
            raise ValueError(problems[0] + more)
        return [case for case in self.listing.cases if case.split == split]

    @cached_property
    def survey(self) -> Survey:
        """What the training images tell; of a set without any, all images."""
        cases = self.cases("train") or self.listing.cases
        return survey_images(cases, bands=self.bands, nodata=self.nodata)

    @cached_property
    def spec(self) -> DataSpec:
        """What a model needs to know; looks at the files once for what the config leaves open."""
        survey = self.survey  # first, since it refuses a source with problems
        return self._spec(survey, self.listing.cases, refuse)

    def read(self, case: Case) -> Sample:
        """A whole case, from its files."""
        return read_case(case, self.spec)

    def pair(self, case: Case) -> AbstractContextManager[Pair]:
        """A case with a target image, to be read some rows at a time while it is open."""
        return open_pair(case, self.spec)

    @property
    def numbers_objects(self) -> bool:
        """Whether there are files that number the objects of the references."""
        return self.objects_from == "masks" or (
            self.objects_from is not None and (self._root / self.objects_from).is_dir()
        )

    def objects(self, case: Case, image: Image) -> np.ndarray:
        """The numbers of a case's objects (*size), 0 for none, on the grid of its image."""
        assert case.mask is not None
        assert self.objects_from is not None
        beside = self._root / self.objects_from / case.mask.name
        return read_mask(
            case.mask if self.objects_from == "masks" else beside, like=image, window=case.window
        )

    def train_dataloader(self) -> DataLoader[Example]:
        """Batches of patches; the sampler's ``set_epoch`` chooses which."""
        cases = self._some("train")
        rank, world_size = self._rank()
        sampler = DrawSampler(
            len(cases),
            len(cases) if self.samples_per_epoch is None else self.samples_per_epoch,
            batch_size=self.batch_size,
            seed=self.seed,
            rank=rank,
            world_size=world_size,
        )
        patches = TrainPatches(
            cases, self._reader, patch=self.spec.tile, foreground=self.foreground, augment=self.augment
        )
        return self._loader(patches, batch_size=self.batch_size, sampler=sampler)

    def val_dataloader(self) -> DataLoader[Example]:
        """One whole case per batch, of a large scene what reads it (``scene``); each rank has its own."""
        return self._whole("val")

    def test_dataloader(self) -> DataLoader[Example]:
        """As `val_dataloader`."""
        return self._whole("test")

    def report(self, progress: Callable[[int, int], None] | None = None) -> Report:
        """Read everything once; what is wrong, and what else is worth knowing.

        Args:
            progress: Called with the number of cases done and their total.
        """
        try:
            listing = self.listing
        except (ValueError, OSError) as error:
            return Report([str(error)], [])
        empty = empty_splits(listing.cases)
        problems, notes = listing.problems + empty.problems, listing.notes + empty.notes
        there = [
            case
            for case in listing.cases
            if (case.mask or case.target) is not None
            and all(file is None or file.exists() for file in (case.image, case.mask, case.target))
        ]
        try:
            survey, spec = self._lenient(there)
            found = check_cases(there, spec, progress, allow=self.allow)
        except (ValueError, OSError) as error:
            return Report([*problems, str(error)], notes)
        problems += found.problems
        if not problems:
            self.survey, self.spec = survey, spec  # spares the next question a second look
        return Report(problems, [facts(survey), *notes, *found.notes])

    def check(self) -> list[str]:
        """Every problem, one sentence each, naming the file."""
        return self.report().problems

    @property
    def _root(self) -> Path:
        return self.source.root or Path()

    @cached_property
    def _reader(self) -> CachingReader:
        return CachingReader(self.spec, budget=self.cache_bytes / max(1, self.num_workers))

    def _lenient(self, cases: Sequence[Case]) -> tuple[Survey, DataSpec]:
        """Survey and spec of whatever can be read; `check_cases` names the rest."""
        if "spec" in self.__dict__:
            return self.survey, self.spec
        survey = survey_images(
            [c for c in cases if c.split == "train"] or cases,
            bands=self.bands,
            nodata=self.nodata,
            on_error=lambda error: None,
        )
        return survey, self._spec(survey, cases, lambda error: None)

    def _spec(self, survey: Survey, cases: Sequence[Case], on_error: OnError) -> DataSpec:
        if self.ndim not in (None, survey.ndim):
            raise ValueError(f"data.ndim={self.ndim}, but the images of {self.name} are {survey.ndim}D")
        resample = resampling(survey, spacing=self.spacing, gsd=self.gsd)
        tile = self.patch or default_patch(resampled_size(survey, resample))
        if len(tile) != survey.ndim:
            raise ValueError(
                f"data.patch={list(tile)} has {len(tile)} sizes, but the images are {survey.ndim}D"
            )
        groups = by_group(self.normalise, survey.bands)
        seen = self._measured(groups, survey, cases, on_error)
        target = self._target(cases, on_error)
        classes = self.classes or (() if target else self._discovered(survey, cases, on_error))
        return DataSpec(
            ndim=survey.ndim,
            bands=survey.bands,
            classes=classes,
            normalisation=normalisation_of(groups, seen.mean, seen.std),
            tile=tile,
            multilabel=self.multilabel,
            ignore_index=self.ignore_index,
            nodata=self.nodata,
            spacing=survey.spacing,
            unit=survey.unit,
            value_range=survey.value_range,
            target=target,
            resample=resample,
        )

    def _measured(
        self, groups: Sequence[BandGroup], survey: Survey, cases: Sequence[Case], on_error: OnError
    ) -> Survey:
        """The survey with mean and deviation of all training images, where normalisation is by them."""
        if not any(group.measured for group in groups):
            return survey
        training = [case for case in cases if case.split == "train"] or list(cases)
        limits = [Limits()] * len(survey.bands)
        for group in groups:
            for c in group.members:
                limits[c] = Limits(group.settings.get("window"), group.settings.get("skip"))
        mean, std = moments(
            training, bands=survey.bands, nodata=self.nodata, limits=limits, on_error=on_error
        )
        return survey._replace(mean=mean, std=std)

    def _target(self, cases: Sequence[Case], on_error: OnError) -> ImageTarget | None:
        if self.target is None:
            return None
        aims = [replace(case, image=case.target) for case in cases if case.target is not None]
        if not aims:
            raise ValueError(f"data.target is set, but {self.name} has no column target in its manifest")
        training = [case for case in aims if case.split == "train"] or aims
        bands = self.target.get("bands")
        return target_of(self.target, survey_images(training, bands=bands, nodata=None, on_error=on_error))

    def _discovered(self, survey: Survey, cases: Sequence[Case], on_error: OnError) -> tuple[ClassSpec, ...]:
        masks = [case.mask for case in cases if case.mask is not None]
        if any(map(is_vector, masks)):
            return self.source.vector.classes(dict.fromkeys(masks), multilabel=self.multilabel)
        classes = discover_classes(
            dict.fromkeys(case.mask for case in cases if case.mask is not None),  # windows share a mask
            survey.ndim,
            ignore_index=self.ignore_index,
            multilabel=self.multilabel,
            on_error=on_error,
        )
        found = ", ".join(f"{c.name} ({short(c.ids)})" for c in classes)
        hint = "set data.classes to name them"
        if classes[-1].ids == (255,) and len(classes) > 2:
            hint += ", and data.ignore_index=255 if 255 means 'no label'"
        # printed, not logged: the user should look at what was guessed, whatever happens to logs
        rank_zero_only(print)(f"classes found in the masks: {found}; {hint}", flush=True)
        return classes

    def _some(self, split: str) -> list[Case]:
        cases = self.cases(split)
        if not cases:
            raise ValueError(
                f"split {split} of {self.name} is empty; name cases for it in data.splits or the manifest"
            )
        return cases

    def _rank(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _whole(self, split: str) -> DataLoader[Example]:
        rank, world_size = self._rank()
        cases = WholeCases(self._some(split)[rank::world_size], self._reader)
        return self._loader(cases, batch_size=1, collate_fn=one_case)

    def _loader(self, dataset: Dataset[Example], **options: Any) -> DataLoader[Example]:
        return DataLoader(
            dataset, num_workers=self.num_workers, persistent_workers=self.num_workers > 0, **options
        )
