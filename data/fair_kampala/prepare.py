"""Kampala buildings: make manifest.csv, and before that GeoTIFFs and masks from web tiles and polygons.

    python data/fair_kampala/prepare.py data/fair_kampala
    python data/fair_kampala/prepare.py ramp-data/sample_2/input --out data/fair_kampala

Raw: ``OAM-<x>-<y>-<zoom>.png`` (web tiles) and ``labels.geojson`` (polygons in longitude and latitude), as in
github.com/hotosm/fAIr-utilities. The second form needs numpy, pillow and rasterio.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.layout import run, write_splits

RADIUS = 6378137.0  # metres, of the sphere of Web Mercator (EPSG:3857)
ZOOM = "21"  # tiles of other zooms show the same place again
FIRST_TEST_COLUMN = 1238456  # the eastern quarter


def mercator(point: list[float]) -> tuple[float, float]:
    """Longitude and latitude, degrees, to EPSG:3857, metres."""
    longitude, latitude = math.radians(point[0]), math.radians(point[1])
    return RADIUS * longitude, RADIUS * math.log(math.tan(math.pi / 4 + latitude / 2))


def convert(source: Path, out: Path) -> None:
    """Give each tile its place from its numbers, and draw the polygons that fall into it."""
    import numpy as np
    import rasterio
    from PIL import Image
    from rasterio.features import rasterize

    tiles = sorted(source.rglob(f"OAM-*-{ZOOM}.png"))
    labels = next(source.rglob("labels.geojson"), None)
    if not tiles or labels is None:
        raise FileNotFoundError(f"{source}: has no OAM-*-{ZOOM}.png and labels.geojson")
    features = json.loads(labels.read_text(encoding="utf-8"))["features"]
    shapes = [
        ({"type": "Polygon", "coordinates": [[mercator(p) for p in ring] for ring in polygon]}, 1)
        for feature in features
        for polygon in _polygons(feature["geometry"])
    ]
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for tile in tiles:
        column, row, zoom = (int(n) for n in tile.stem.split("-")[1:])
        picture = np.asarray(Image.open(tile).convert("RGB"))
        size = 2 * math.pi * RADIUS / 2**zoom  # metres
        pixel = size / picture.shape[1]
        west, north = column * size - math.pi * RADIUS, math.pi * RADIUS - row * size
        profile = {
            "driver": "GTiff",
            "height": picture.shape[0],
            "width": picture.shape[1],
            "dtype": "uint8",
            "crs": "EPSG:3857",
            "transform": rasterio.Affine(pixel, 0, west, 0, -pixel, north),
            "compress": "deflate",
        }
        mask = rasterize(shapes, picture.shape[:2], transform=profile["transform"], dtype="uint8")
        name = f"{tile.stem}.tif"
        with rasterio.open(out / "images" / name, "w", count=3, **profile) as file:
            file.write(picture.transpose(2, 0, 1))
        with rasterio.open(out / "masks" / name, "w", count=1, **profile) as file:
            file.write(mask, 1)
        splits["test" if column >= FIRST_TEST_COLUMN else "train"].append(name)
    write_splits(out, splits)


def _polygons(geometry: dict[str, Any]) -> list[Any]:
    """Lists of rings."""
    coordinates = geometry["coordinates"]
    return list(coordinates) if geometry["type"] == "MultiPolygon" else [coordinates]


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(argv, __doc__ or "", lambda name: name.split("-")[1], convert)


if __name__ == "__main__":
    sys.exit(main())
