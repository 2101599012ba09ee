"""Splits of a scene by blocks of ground, with a strip between them that no split has."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .case import Case
from .footprints import Footprint, near

_RANK = {"train": 0, "val": 1, "test": 2}


def windows(case: Case, size: Sequence[int], tile: int) -> list[Case]:
    """Tiles of a large image as cases of their own, the last of a row or column as small as they come out.

    Args:
        size: (H, W) of the image.
    """
    return [
        replace(
            case,
            name=f"{case.name}_{row}_{column}",
            window=(
                slice(row, min(row + tile, size[0])),
                slice(column, min(column + tile, size[1])),
            ),
        )
        for row in range(0, size[0], tile)
        for column in range(0, size[1], tile)
    ]


def block_groups(cases: Sequence[Case], places: Mapping[str, Footprint], size: float) -> list[Case]:
    """Each case in the group of its block: the square of ``size`` that its centre lies in.

    Args:
        places: By the case's name.
        size: In the units of the coordinate reference system; pixels of windows that lie nowhere.

    Raises:
        ValueError: If a case lies nowhere.
    """
    systems = sorted({place.crs for place in places.values()})
    result = []
    for case in cases:
        if case.name not in places:
            raise ValueError(
                f"{case.image}: lies nowhere on the ground, so it is in no block; leave blocks out and group "
                "by name with data.group, or cut a scene with tile=..."
            )
        place = places[case.name]
        x, y = ((a + b) / 2 // size for a, b in zip(place.low, place.high, strict=True))
        group = f"block_{systems.index(place.crs)}_{x:.0f}_{y:.0f}"
        result.append(replace(case, group=group))
    return result


def without_buffer(
    cases: Sequence[Case], places: Mapping[str, Footprint], buffer: float
) -> tuple[list[Case], int]:
    """The cases that are more than ``buffer`` from all cases of other splits or folds, and how many are not.

    Of two cases that are too near, that of train goes before that of val, and that of test stays; of two
    folds, the one with more such neighbours.
    """
    placed = [case for case in cases if case.name in places]
    pairs = [
        (i, j)
        for i, j, _ in near([places[case.name] for case in placed], buffer)
        if (placed[i].split, placed[i].fold) != (placed[j].split, placed[j].fold)
    ]
    neighbours = Counter(index for pair in pairs for index in pair)
    dropped: set[int] = set()

    def rank(index: int) -> tuple[int, int]:
        # folds take turns as val
        split = "train" if placed[index].fold is not None else placed[index].split
        return _RANK[split], -neighbours[index]

    for pair in sorted(pairs, key=lambda pair: min(map(rank, pair))):
        if not dropped.intersection(pair):
            dropped.add(min(pair, key=rank))
    names = {placed[index].name for index in dropped}
    return [case for case in cases if case.name not in names], len(names)
