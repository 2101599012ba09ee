"""A tiny set in the layout of Sen1Floods11.

python data/sen1floods11/make_sample.py /tmp/sen1floods11
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_tiff
from data.sample import Write, command, draw, paint, placed


def write(out: Path, rng: np.random.Generator, *, table: bool = True) -> None:
    """Three chips to train on, one to validate, two to test, one of Bolivia; clouds are -1, edges NaN."""
    hand = out / "v1.1" / "data" / "flood_events" / "HandLabeled"
    lists = out / "v1.1" / "splits" / "flood_handlabeled"
    lists.mkdir(parents=True)
    lists_of = {
        "train": ["Ghana_1", "Ghana_2", "India_3"],
        "valid": ["Ghana_4"],
        "test": ["India_5", "Spain_6"],
        "bolivia": ["Bolivia_103757"],
    }
    for row, (split, chips) in enumerate(lists_of.items()):
        for i, chip in enumerate(chips):
            water = draw(rng, (48, 48), 2).astype(np.int16)
            place = placed("EPSG:4326", -1.0 + i, 9.0 + row, 9e-5)
            optical = paint(rng, water, 13, 9000.0).astype(np.uint16).transpose(2, 0, 1)
            radar = (paint(rng, water, 2, 30.0) - 35).astype(np.float32).transpose(2, 0, 1)
            radar[:, :, -3:] = np.nan
            water[:4, :9] = -1
            for kind, values in (("S2Hand", optical), ("S1Hand", radar), ("LabelHand", water[None])):
                save_tiff(hand / kind / f"{chip}_{kind}.tif", values, **place)
        rows = [f"{chip}_S1Hand.tif,{chip}_LabelHand.tif" if table else chip for chip in chips]
        (lists / f"flood_{split}_data.{'csv' if table else 'txt'}").write_text("\n".join(rows) + "\n")


def write_stems(out: Path, rng: np.random.Generator) -> None:
    """The same with lists of names as text."""
    write(out, rng, table=False)


LAYOUTS: dict[str, Write] = {"sen1floods11": write, "sen1floods11_s1": write_stems}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
