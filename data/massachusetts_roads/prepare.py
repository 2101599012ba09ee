"""Massachusetts Roads: write the labels as ids, and list the images.

    python data/massachusetts_roads/prepare.py tiff

Raw: ``tiff/train/10078660_15.tiff`` and ``tiff/train_labels/10078660_15.tif``; likewise val and test. Needs
numpy and pillow.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.massachusetts import TREE, rows
from data.raw import command

TREES = {"massachusetts_roads": TREE}


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
