"""Make the synthetic demo sets: nuclei (PNG), scene (GeoTIFF), volumes (NIfTI).

    python data/demo/make_sample.py nuclei data/demo_nuclei --count 60 --seed 0

Needs numpy, scipy and pillow, rasterio or nibabel. The generators live in the library's folder (an installed
unetzoo makes the same sets on first use); they are loaded from there by path, without importing unetzoo.
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

GENERATORS = Path(__file__).resolve().parents[2] / "unetzoo" / "datasets" / "synthetic"


def load() -> ModuleType:
    """Import the package of generators from its folder."""
    spec = importlib.util.spec_from_file_location("synthetic", GENERATORS / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["synthetic"] = module
    spec.loader.exec_module(module)
    return module


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("kind", choices=("nuclei", "scene", "volumes"))
    parser.add_argument("out", type=Path, help="folder to write images/, masks/ and manifest.csv into")
    parser.add_argument("--count", type=int, help="number of images")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    options = {"seed": arguments.seed} | ({"count": arguments.count} if arguments.count else {})
    try:
        getattr(load(), f"make_{arguments.kind}")(arguments.out, **options)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wrote {arguments.out / 'manifest.csv'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
