"""How ``data.normalise`` says that bands become the network's input: all alike, or by groups."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from ..inference.contract import BandNormalisation, Normalisation
from ..inference.plain_values import fields_of

__all__ = ["BandGroup", "by_group", "normalisation_of"]

_KEY = "data.normalise"


class BandGroup(NamedTuple):
    """Bands that are normalised alike.

    Args:
        where: Key in the config.
        settings: Arguments of ``BandNormalisation``, those that are given.
        members: Indices of the bands.
    """

    where: str
    settings: dict[str, Any]
    members: list[int]

    @property
    def measured(self) -> bool:
        """Training images have to give the mean and deviation."""
        return self.settings["method"] == "fixed" and not {"mean", "std"} <= self.settings.keys()

    def normalisation(self, mean: Sequence[float], std: Sequence[float]) -> BandNormalisation:
        """Of the members, with the training images' numbers for all bands where the config gives none."""
        values = dict(self.settings)
        if values["method"] == "fixed":
            for key, found in (("mean", mean), ("std", std)):
                values.setdefault(key, tuple(found[c] for c in self.members))
                if len(values[key]) != len(self.members):
                    raise ValueError(
                        f"{self.where}.{key} has {len(values[key])} numbers for {len(self.members)} band(s)"
                    )
        with _said_of(self.where):
            return BandNormalisation(**values)


def by_group(config: Mapping[str, Any], bands: Sequence[str]) -> list[BandGroup]:
    """The groups of the config, and one of all bands that are in none.

    Raises:
        ValueError: If a group names no band, one that is not there, or that another has; if bands are left
            without a method; or if a value is of the wrong kind.
    """
    found = []
    rest = list(range(len(bands)))
    groups = config.get("groups") or {}
    if not isinstance(groups, Mapping):
        raise ValueError(
            f"{_KEY}.groups is {groups!r} but must be a mapping, "
            "{radar: {bands: [VV, VH], method: zscore}}"
        )
    for name, group in groups.items():
        where = f"{_KEY}.groups.{name}"
        if not isinstance(group, Mapping):
            raise ValueError(
                f"{where} is {group!r} but must be a mapping, {{bands: [VV, VH], method: zscore}}"
            )
        names = group.get("bands") or ()
        names = [names] if isinstance(names, str) else list(names)
        for band in names:
            if band not in bands or bands.index(band) not in rest:
                reason = "another group has, too" if band in bands else f"is none of {', '.join(bands)}"
                raise ValueError(f"{where}.bands has '{band}', which {reason}")
            rest.remove(bands.index(band))
        if not names:
            raise ValueError(f"{where} needs bands, the names of those that it is for")
        found.append(
            BandGroup(where, _settings(group, "bands", where), [bands.index(band) for band in names])
        )
    return [*found, *([BandGroup(_KEY, _settings(config, "groups", _KEY), rest)] if rest else [])]


def normalisation_of(
    groups: Sequence[BandGroup], mean: Sequence[float], std: Sequence[float]
) -> Normalisation:
    """How all bands are normalised, in their order.

    Args:
        groups: Of all bands.
        mean: Of each band over the training images, for ``fixed`` without numbers.
        std: Likewise.
    """
    if len(groups) == 1 and groups[0].where == _KEY:
        return Normalisation(**vars(groups[0].normalisation(mean, std)))
    each: list[BandNormalisation | None] = [None] * len(mean)
    for group in groups:
        how = group.normalisation(mean, std)
        for i, c in enumerate(group.members):
            each[c] = replace(how, mean=how.mean[i : i + 1], std=how.std[i : i + 1])
    return Normalisation("each", each=tuple(band for band in each if band is not None))


def _settings(config: Mapping[str, Any], beside: str, where: str) -> dict[str, Any]:
    """What is given of a normalisation, checked; null is as good as not given."""
    given = {key: value for key, value in config.items() if key != beside and value is not None}
    return fields_of(BandNormalisation, given, where)


@contextmanager
def _said_of(where: str) -> Iterator[None]:
    """Complaints name the key."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
