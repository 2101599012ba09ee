"""A tiny set in the layout of CamVid as SegNet has it.

python data/camvid/make_sample.py /tmp/camvid
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Three frames to train on, two to validate and two to test, with all classes and void."""
    for split, video, count in (("train", "0006R0", 3), ("val", "0016E5", 2), ("test", "Seq05VD_f", 2)):
        for number in range(count):
            ids = draw(rng, (48, 64), 12)
            name = f"{video}{'' if video.endswith('f') else '_f'}{number:05}.png"
            save(out / "CamVid" / split / name, paint(rng, ids))
            save(out / "CamVid" / f"{split}annot" / name, ids)
        (out / "CamVid" / f"{split}.txt").write_text("")


LAYOUTS: dict[str, Write] = {"camvid": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
