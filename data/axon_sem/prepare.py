"""AxonDeepSeg's SEM set: make images/, masks/ and splits.json from the raw download, and manifest.csv.

    python data/axon_sem/prepare.py data_axondeepseg_sem --out data/axon_sem

Raw: the BIDS folder with ``sub-rat1/.../sub-rat1_sample-data1_SEM.png`` and, below ``derivatives``, masks
``sub-rat1_sample-data1_SEM_seg-axonmyelin-manual.png``. Needs numpy and pillow.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.layout import run, write_splits

TEST = ("rat4", "rat7")


def rat(name: str) -> str:
    """``sub-rat1_sample-data1_SEM.png`` to ``rat1``."""
    return name.removeprefix("sub-").split("_")[0]


def convert(source: Path, out: Path) -> None:
    """Copy the pictures; of the masks' grey values make 0, 1 and 2."""
    import numpy as np
    from PIL import Image

    pictures = sorted(source.glob("sub-*/**/*_SEM.png"))
    if not pictures:
        raise FileNotFoundError(f"{source}: has no sub-*/**/*_SEM.png; give the folder of the download")
    for picture in pictures:
        found = f"{picture.stem}_seg-axonmyelin-manual.png"
        mask = next(source.glob(f"derivatives/**/{found}"), None)
        if mask is None:
            raise FileNotFoundError(f"{source}: has no {found} below derivatives")
        shutil.copyfile(picture, out / "images" / picture.name)
        grey = np.asarray(Image.open(mask).convert("L"))
        classes = np.digitize(grey, [64, 192]).astype(np.uint8)
        Image.fromarray(classes).save(out / "masks" / picture.name)
    names = [picture.name for picture in pictures]
    test = [name for name in names if rat(name) in TEST]
    write_splits(out, {"train": [name for name in names if name not in test], "val": [], "test": test})


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(argv, __doc__ or "", rat, convert)


if __name__ == "__main__":
    sys.exit(main())
