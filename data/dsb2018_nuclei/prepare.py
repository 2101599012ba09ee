"""2018 Data Science Bowl: make manifest.csv, and before that images/ and masks/ from the raw download.

    python data/dsb2018_nuclei/prepare.py data/dsb2018_nuclei
    python data/dsb2018_nuclei/prepare.py stage1_train --out data/dsb2018_nuclei

Raw: ``stage1_train/<id>/images/<id>.png`` and ``stage1_train/<id>/masks/*.png``, one picture per nucleus. The
second form needs numpy and pillow.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.layout import hashed_splits, run, write_splits


def convert(source: Path, out: Path) -> None:
    """Copy the pictures and merge the masks of their nuclei into one, 0 and 255."""
    import numpy as np
    from PIL import Image

    names = sorted(folder.name for folder in source.iterdir() if (folder / "masks").is_dir())
    if not names:
        raise FileNotFoundError(f"{source}: has no folder <id>/masks; give the folder stage1_train")
    for name in names:
        shutil.copyfile(source / name / "images" / f"{name}.png", out / "images" / f"{name}.png")
        nuclei = sorted((source / name / "masks").glob("*.png"))
        mask = np.any([np.asarray(Image.open(file)) > 0 for file in nuclei], axis=0)
        Image.fromarray(mask.astype(np.uint8) * 255).save(out / "masks" / f"{name}.png")
    write_splits(out, hashed_splits((f"{name}.png" for name in names), val=0.1, test=0.2))


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(argv, __doc__ or "", lambda name: Path(name).stem, convert)


if __name__ == "__main__":
    sys.exit(main())
