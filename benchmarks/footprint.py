"""What it takes to run an exported file: installed size and seconds to import, beside a torch install.

    python -m benchmarks.footprint --rounds 5

Sizes are the files of the distributions installed here and of everything they require, counted once. Seconds
are of whole processes that take turns, less those of a bare interpreter, median: on the clock, and of the
processor, which what else runs does not lengthen.
"""

import argparse
import resource
import subprocess
import sys
import time
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from statistics import median

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

INSTALLS = {
    "unetzoo-runtime": "unetzoo-runtime",
    "unetzoo-runtime[image,geo,med]": "unetzoo-runtime[image,geo,med]",
    "unetzoo-runtime[image,geo,med,serve]": "unetzoo-runtime[image,geo,med,serve]",
    "torch": "torch",
    "unetzoo (training)": "unetzoo",
}
IMPORTS = {
    "unetzoo_runtime": "import unetzoo_runtime",
    "unetzoo_runtime, onnxruntime": "import unetzoo_runtime, onnxruntime",
    "torch": "import torch",
}


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| installed | distributions | MB |\n|---|---:|---:|")
    for name, wanted in INSTALLS.items():
        found = closure(Requirement(wanted))
        print(f"| {name} | {len(found)} | {sum(map(size, found.values())) / 1e6:.0f} |")
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ("", *IMPORTS)}
    for _ in range(1 + rounds):
        for name in seconds:
            seconds[name].append(timed(IMPORTS.get(name, "")))
    # the first round fills the page cache
    clock, processor = ({n: median(t[i] for t in times[1:]) for n, times in seconds.items()} for i in (0, 1))
    print("\n| import | seconds | of the processor |\n|---|---:|---:|")
    for name in IMPORTS:
        print(f"| {name} | {clock[name] - clock['']:.2f} | {processor[name] - processor['']:.2f} |")


def timed(code: str) -> tuple[float, float]:
    """Seconds of a process."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    took, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def closure(wanted: Requirement) -> dict[str, Distribution]:
    """A distribution and all that it requires, with its extras, by name."""
    found: dict[str, Distribution] = {}
    waiting, seen = [wanted], set()
    while waiting:
        one = waiting.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            here = found[key[0]] = distribution(one.name)
        except PackageNotFoundError:
            sys.exit(f"{one.name} is not installed, so it cannot be weighed: pip install '{wanted}'")
        for text in here.requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in ("", *one.extras)
            ):
                waiting.append(needed)
    return found


def size(installed: Distribution) -> int:
    """Bytes of a distribution's files."""
    paths = [Path(str(installed.locate_file(file))) for file in installed.files or []]
    return sum(path.stat().st_size for path in paths if path.is_file())


if __name__ == "__main__":
    main()
