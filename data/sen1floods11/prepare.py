"""Sen1Floods11: list the chips labelled by hand, for Sentinel-2 and for Sentinel-1.

    python data/sen1floods11/prepare.py v1.1

Raw: ``data/flood_events/HandLabeled/{S1Hand,S2Hand,LabelHand}/Bolivia_103757_S1Hand.tif`` ... and
``splits/flood_handlabeled/flood_{train,valid,test,bolivia}_data.csv`` or ``.txt``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command, write_rows

HAND, LISTS = "data/flood_events/HandLabeled", "splits/flood_handlabeled"
TREES = {
    "sen1floods11": (
        f"{HAND}/S1Hand/*_S1Hand.tif",
        f"{HAND}/S2Hand/*_S2Hand.tif",
        f"{HAND}/LabelHand/*_LabelHand.tif",
        f"{LISTS}/flood_train_data.*",
    )
}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per chip of Sentinel-2; also writes manifests of Sentinel-1 and of Bolivia."""
    for kind in ("S1Hand", "S2Hand"):
        cases = [case for split in ("train", "valid", "test") for case in _listed(raw, kind, split)]
        radar = "_s1" if kind == "S1Hand" else ""
        if raw.files(f"{LISTS}/flood_bolivia_data.*"):
            held_out = (case._replace(split="test") for case in _listed(raw, kind, "bolivia"))
            write_rows(out / f"manifest{radar}_bolivia.csv", held_out)
        if radar:
            write_rows(out / "manifest_s1.csv", cases)
    yield from cases


def _listed(raw: Raw, kind: str, split: str) -> Iterator[Row]:
    # rows are Ghana_1_S1Hand.tif,Ghana_1_LabelHand.tif, or only Ghana_1
    for line in raw.names(f"{LISTS}/flood_{split}_data.*"):
        chip = line.split(",")[0].removesuffix("_S1Hand.tif")
        image = raw.one(f"{HAND}/{kind}/{chip}_{kind}.tif")
        yield Row(
            image, raw.one(f"{HAND}/LabelHand/{chip}_LabelHand.tif"), chip, split.removesuffix("id"), chip
        )


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
