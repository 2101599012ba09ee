"""Masks drawn as polygons, lines or points: burnt onto the grid of their image when it is read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..inference.contract import ClassSpec
from ..inference.files import FileError, existing, reading
from ..inference.geometry import Image, RasterGeometry
from ..inference.vector import moved
from .classes import classes_of_ids, parse_classes, short

SUFFIXES = (".geojson", ".gpkg", ".fgb", ".shp")


def is_vector(path: Path) -> bool:
    """Whether a mask is a file of features."""
    return path.name.lower().endswith(SUFFIXES)


@dataclass(frozen=True)
class VectorLabels:
    """How features become masks. What no feature covers has the id 0; later features lie above earlier ones.

    Args:
        attribute: Of the features, the class's name or one of its ids; None: every feature has the id 1.
        all_touched: Burn every pixel that a feature touches; else those whose centre it covers, and for lines
            those under them.
        layer: Of a file with several; None: the first.
    """

    attribute: str | None = None
    all_touched: bool = False
    layer: str | None = None

    def classes(self, paths: Iterable[Path], *, multilabel: bool) -> tuple[ClassSpec, ...]:
        """Classes for what the features of all files say of themselves; names count upwards from the id 1."""
        said: set[Any] = {1} if self.attribute is None else set()
        if self.attribute is not None:
            said.update(*(self._read(path).says for path in paths))
        if all(isinstance(value, int) for value in said):
            return classes_of_ids(sorted({*said} | (set() if multilabel else {0})), multilabel=multilabel)
        names = sorted(map(str, said - {"background"}))
        found = {} if multilabel else {"background": 0}
        return parse_classes(
            found | {name: i for i, name in enumerate(names, start=1)}, multilabel=multilabel
        )

    def burn(self, path: Path, like: Image, classes: Sequence[ClassSpec], *, multilabel: bool) -> np.ndarray:
        """Raw ids (H, W) on the image's grid, as a mask file would hold; a layer per id if classes overlap.

        Features are reprojected to the image's CRS. Of an image that lies nowhere they count pixels (column,
        row), from the corner of the first.

        Raises:
            FileError: If the file and the image cannot be brought together, or it names other classes.
        """
        from rasterio.features import rasterize
        from rasterio.transform import Affine

        geometry = like.geometry
        if like.valid.ndim != 2:
            raise FileError(f"{path}: polygons are masks of 2D images; this one is a volume")
        found = self._placed(path, like)
        ids = self._ids(path, found.says, classes)
        grid = {
            "out_shape": like.valid.shape,
            "transform": geometry.transform if isinstance(geometry, RasterGeometry) else Affine.identity(),
            "all_touched": self.all_touched,
            "dtype": "int32",
        }

        def drawn(wanted: int | None) -> np.ndarray:
            shapes = [(s, i) for s, i in zip(found.shapes, ids, strict=True) if wanted in (None, i)]
            return np.asarray(rasterize(shapes, **grid)) if shapes else np.zeros(like.valid.shape, np.int32)

        if not multilabel:
            return drawn(None)
        most = max(i for known in classes for i in known.ids)
        if ids and not 1 <= min(ids) <= max(ids) <= most:
            raise FileError(f"{path}: has the ids {short(sorted({*ids}))}, but the classes are 1 to {most}")
        return np.stack([drawn(i) for i in range(1, most + 1)])

    def _placed(self, path: Path, like: Image) -> "_Features":
        """The features, in the coordinates of the image's transform."""
        import shapely
        from rasterio.warp import transform

        geometry = like.geometry
        found = self._read(path, geometry if isinstance(geometry, RasterGeometry) else None)
        crs = geometry.crs if isinstance(geometry, RasterGeometry) else None
        if crs is None:
            if found.crs is not None and not found.crs.is_geographic:
                raise FileError(f"{path}: is in {found.crs}, but its image says of no place; georeference it")
            height, width = like.valid.shape
            frame = shapely.box(0, 0, width, height)
            placed = isinstance(geometry, RasterGeometry) and not geometry.transform.is_identity
            if not placed and len(found.shapes) and not shapely.intersects(frame, found.shapes).any():
                raise FileError(
                    f"{path}: no feature lies in the {width} x {height} pixels of its image, which says of "
                    "no place; georeference it, or count pixels from its upper left corner"
                )
            return found
        if found.crs is None:
            raise FileError(f"{path}: says of no coordinate system, but its image is in {crs}; assign one")

        def project(at: np.ndarray) -> np.ndarray:
            return np.stack(transform(found.crs, crs, at[:, 0], at[:, 1]), axis=1)

        return found if found.crs == crs else found._replace(shapes=shapely.transform(found.shapes, project))

    def _ids(self, path: Path, says: Sequence[Any], classes: Sequence[ClassSpec]) -> list[int]:
        names = {known.name.lower(): known.ids[0] for known in classes}
        ids = [value if isinstance(value, int) else names.get(value.lower()) for value in says]
        unknown = sorted({str(value) for value, i in zip(says, ids, strict=True) if i is None})
        if unknown:
            raise FileError(
                f"{path}: the attribute {self.attribute} says {', '.join(unknown[:5])}, which data.classes "
                f"does not name ({', '.join(known.name for known in classes)})"
            )
        return [i for i in ids if i is not None]

    def _read(self, path: Path, where: RasterGeometry | None = None) -> "_Features":
        """Features with an outline, and what their attribute says; those near a raster, if there is one."""
        try:
            import pyogrio.raw
            import shapely
            from rasterio.crs import CRS
        except ImportError as error:
            raise ImportError(
                "masks of polygons need shapely and pyogrio: pip install 'unetzoo[vector]'"
            ) from error
        with reading(existing(path), "a file of polygons"):
            about = pyogrio.read_info(path, layer=self.layer)
            crs = CRS.from_user_input(about["crs"]) if about["crs"] else None
            columns = [] if self.attribute is None else [self.attribute]
            if self.attribute is not None and self.attribute not in about["fields"]:
                fields = ", ".join(about["fields"])
                raise FileError(f"{path}: has no attribute '{self.attribute}'; it has {fields or 'none'}")
            near = None if where is None or crs is None or where.crs is None else _bounds(where, crs)
            _, _, shapes, values = pyogrio.raw.read(
                path, layer=self.layer, columns=columns, force_2d=True, bbox=near
            )
            outlines = shapely.from_wkb(shapes)
            there = ~(shapely.is_missing(outlines) | shapely.is_empty(outlines))
            says = [_plain(value) for value in values[0][there]] if columns else [1] * int(there.sum())
            if any(value is None for value in says):
                raise FileError(f"{path}: a feature has no {self.attribute}; fill it in, or take it out")
        return _Features(outlines[there], [value for value in says if value is not None], crs)


def vector_labels(config: Mapping[str, Any]) -> VectorLabels:
    """From the config.

    Raises:
        ValueError: If it has a key that there is not.
    """
    known = [field.name for field in fields(VectorLabels)]
    unknown = sorted({*config} - {*known})
    if unknown:
        raise ValueError(f"data.vector has the unknown key '{unknown[0]}'; known are {', '.join(known)}")
    return VectorLabels(**config)


class _Features(NamedTuple):
    shapes: np.ndarray
    says: list[int | str]
    crs: Any


def _bounds(where: RasterGeometry, crs: Any) -> tuple[float, float, float, float]:
    """Around a raster, and a pixel more, in another CRS."""
    from rasterio.warp import transform_bounds

    height, width = where.size
    corners = np.array([(x, y) for x in (-1, width + 1) for y in (-1, height + 1)])
    (left, bottom), (right, top) = (f(moved(corners, where.transform), axis=0) for f in (np.min, np.max))
    found: tuple[float, float, float, float] = transform_bounds(where.crs, crs, left, bottom, right, top)
    return found


def _plain(value: Any) -> int | str | None:
    """A whole number, or text, of an attribute; None where it is empty."""
    if value is None or value != value or value == "":
        return None
    if isinstance(value, str):
        return int(value) if value.isdecimal() else value
    return int(value) if int(value) == value else str(value)
