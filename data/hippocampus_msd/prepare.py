"""Medical Segmentation Decathlon, task 4: make manifest.csv, and before that the layout from the raw files.

    python data/hippocampus_msd/prepare.py data/hippocampus_msd
    python data/hippocampus_msd/prepare.py Task04_Hippocampus --out data/hippocampus_msd

Raw: ``imagesTr/hippocampus_001.nii.gz`` and ``labelsTr`` of the same names, beside ``._*`` left by macOS.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.layout import hashed_splits, run, write_splits


def convert(source: Path, out: Path) -> None:
    """Copy the volumes that have a label; the test volumes of the challenge have none."""
    names = sorted(f.name for f in (source / "labelsTr").glob("[!.]*.nii.gz"))
    if not names:
        raise FileNotFoundError(f"{source}: has no labelsTr/*.nii.gz; give the folder Task04_Hippocampus")
    for name in names:
        shutil.copyfile(source / "imagesTr" / name, out / "images" / name)
        shutil.copyfile(source / "labelsTr" / name, out / "masks" / name)
    write_splits(out, hashed_splits(names, val=0.1, test=0.2))


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(argv, __doc__ or "", lambda name: name.removesuffix(".nii.gz"), convert)


if __name__ == "__main__":
    sys.exit(main())
