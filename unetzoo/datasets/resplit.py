"""A new split of a set, by group, in folds, or by blocks of ground, to be written into a manifest."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..inference.geometry import VolumeGeometry, cropped
from ..inference.image import open_image
from .blocks import block_groups, windows, without_buffer
from .case import Case, Listing
from .check import labelled_pixels
from .datamodule import SegmentationData
from .folds import split_cases
from .footprints import Footprint, footprint
from .manifest import read_column


def resplit(
    data: SegmentationData,
    *,
    folds: int | None = None,
    stratify: str | None = None,
    tile: int | None = None,
    blocks: float | None = None,
    buffer: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Case], list[str]]:
    """All cases with their new split, and what else is to be told.

    Splits that the set has stay, fractions and seed are those of its config.

    Args:
        folds: Deal everything but test into so many.
        stratify: ``classes``, to spread their labelled pixels evenly, or a column of the manifest, to spread
            its values; None: only sizes count.
        tile: Cut images into tiles of so many pixels, each a case of its own; those without a label are
            left out.
        blocks: Keep what lies in one square of this size together, in the units of the images' coordinate
            reference system, or pixels where they have none; in place of the groups.
        buffer: With blocks, leave out what is at most so near to another split.
        progress: Called with the number of cases read and their total.

    Raises:
        ValueError: If the source has problems, or the split cannot be made.
    """
    found = data.source.find()
    if found.problems:
        raise ValueError(found.problems[0])
    cases = found.cases
    notes: list[str] = []
    content: dict[str, Counter[str]] | None = None
    if buffer and blocks is None:
        raise ValueError(f"buffer={buffer:g} lies between blocks; give their size, blocks=...")
    if (blocks is not None and blocks <= 0) or buffer < 0 or (tile is not None and tile < 1):
        raise ValueError(f"blocks={blocks} and tile={tile} must be above 0, buffer={buffer:g} not below")
    places: dict[str, Footprint] = {}
    if tile is not None or blocks is not None:
        cases, places = _placed(cases, tile)
    if blocks is not None:
        cases = block_groups(cases, places, blocks)
    if tile is not None or stratify == "classes":
        content = _content(data, cases, progress)
        labelled = [case for case in cases if content[case.name]]
        if tile is not None and len(labelled) < len(cases):
            notes.append(f"{len(cases) - len(labelled)} of {len(cases)} tiles have no label and are left out")
            cases = labelled
    if stratify is None:
        content = None
    elif stratify != "classes":
        if data.source.manifest is None:
            raise ValueError(
                f"stratify={stratify} is a column of a manifest, and the set has none; take classes"
            )
        column = read_column(data.source.path(data.source.manifest), stratify)
        # a tile has its image's name before its row and column
        whole = {case.name: case.name.rsplit("_", 2)[0] if tile else case.name for case in cases}
        content = {name: Counter({column[image]: 1}) for name, image in whole.items()}
    source = data.source
    done = split_cases(
        cases,
        content=content,
        folds=folds,
        val_fraction=source.val_fraction,
        test_fraction=source.test_fraction,
        seed=source.split_seed,
    )
    if blocks is not None:
        done, dropped = without_buffer(done, places, buffer)
        if dropped:
            notes.append(f"{dropped} cases at most {buffer:g} from another split are left out")
    return done, notes


def _placed(cases: Sequence[Case], tile: int | None) -> tuple[list[Case], dict[str, Footprint]]:
    """The cases, cut into tiles if wanted, and where on the ground each lies."""
    result: list[Case] = []
    places: dict[str, Footprint] = {}
    for case in cases:
        with open_image(case.image) as source:
            geometry = source.geometry
        if isinstance(geometry, VolumeGeometry):
            raise ValueError(f"{case.image}: tiles and blocks are for 2D images, and this is a volume")
        pieces = [case]
        if tile is not None and case.window is None:
            pieces = windows(case, geometry.size, tile)
        for piece in pieces:
            inside = geometry if piece.window is None else cropped(geometry, piece.window)
            place = footprint(inside, piece)
            if place is not None:
                places[piece.name] = place
        result += pieces
    return result, places


def _content(
    data: SegmentationData, cases: Sequence[Case], progress: Callable[[int, int], None] | None
) -> dict[str, Counter[str]]:
    """Labelled pixels per class of each case."""
    # what is in the files does not wait for the split that is about to be made
    data.listing = Listing([replace(case, split=case.split or "train") for case in cases], [], [])
    spec = data.spec
    content: dict[str, Counter[str]] = {}
    for done, case in enumerate(cases, 1):
        counts = labelled_pixels(data.read(case), spec)
        content[case.name] = Counter({spec.classes[i].name: n for i, n in counts.items()})
        if progress:
            progress(done, len(cases))
    return content
