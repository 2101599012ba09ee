"""A tiny set in the layout of Massachusetts Buildings.

python data/massachusetts_buildings/make_sample.py /tmp/massachusetts_buildings
"""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.massachusetts import write_sample
from data.sample import Write, command

LAYOUTS: dict[str, Write] = {"massachusetts_buildings": partial(write_sample, red=True)}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
