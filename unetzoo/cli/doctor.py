"""Look at this installation and this machine, and say what is wrong.

usage: unetzoo doctor

Prints versions, threads, memory, GPU, ONNX Runtime providers and which optional parts are there. Exit
code 0 when all is well, 3 when something needs doing; each problem is a sentence.
"""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from unetzoo import __version__
from unetzoo.configs import ROOT

PACKAGES = (
    "torch",
    "lightning",
    "timm",
    "monai",
    "albumentations",
    "hydra-core",
    "onnx",
    "onnxruntime",
    "numpy",
)
OPTIONAL = {  # module: what it is for
    "unetzoo_runtime": "the torch-free runtime, `unetzoo-infer`",
    "openvino": "another runtime for exported files",
}
_GIB = 1024**3


def run(args: list[str]) -> int:
    """Print what there is, then every problem."""
    if "-h" in args or "--help" in args:
        print(__doc__)
        return 0
    if args:
        raise ValueError(f"doctor takes no arguments, {' '.join(args)!r} was given")
    problems = [*_requirements(), *_tree()]
    _row("unetzoo", f"{__version__}, configs in {ROOT}")
    _row("python", f"{platform.python_version()}, {platform.platform()}")
    for package in PACKAGES:
        _row(package, _version(package) or "missing")
    problems += _machine()
    if find_spec("torch"):
        problems += _torch()
    if find_spec("onnxruntime"):
        import onnxruntime

        _row("ORT providers", ", ".join(onnxruntime.get_available_providers()))
    for module, purpose in OPTIONAL.items():
        _row(module, ("there" if find_spec(module) else "not there") + f" ({purpose})")
    print("\n" + ("\n".join(f"problem: {problem}" for problem in problems) or "no problems found"))
    return 3 if problems else 0


def _requirements() -> Iterator[str]:
    """Packages that are missing or of a version this release was not made for."""
    try:
        lines = requires("unetzoo") or []
    except PackageNotFoundError:  # a bare checkout on PYTHONPATH
        yield "unetzoo is not installed, so the packages it needs cannot be checked; pip install -e ."
        return
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed = _version(requirement.name)
        if installed is None:
            yield f"{requirement.name} is missing; pip install '{requirement.name}{requirement.specifier}'"
        elif not requirement.specifier.contains(installed, prereleases=True):
            wanted = f"{requirement.name}{requirement.specifier}"
            yield f"{requirement.name} is {installed} but {wanted} is needed; pip install '{wanted}'"


def _tree() -> Iterator[str]:
    if not (ROOT / "train.yaml").is_file():
        yield f"the config tree is not in {ROOT}; install unetzoo again"


def _machine() -> Iterator[str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    _row("cores", f"{cores}" + (f", OMP_NUM_THREADS={asked}" if asked else ""))
    if asked.isdigit() and int(asked) > cores:
        yield f"OMP_NUM_THREADS={asked} but there are {cores} cores; more threads than cores are slower"
    total, free = _memory()
    if total:
        _row("memory", f"{total / _GIB:.1f} GB, {free / _GIB:.1f} GB free")
    if total and free < 2 * _GIB:
        yield f"{free / _GIB:.1f} GB of memory is free and training wants 2 GB or more; close something"
    disk = shutil.disk_usage(Path.cwd()).free
    _row("disk", f"{disk / _GIB:.1f} GB free in {Path.cwd()}")
    if disk < 2 * _GIB:
        yield f"{disk / _GIB:.1f} GB is free in {Path.cwd()}, where runs/ would be; make room"
    if not os.access(Path.cwd(), os.W_OK):
        yield f"{Path.cwd()} is not writable, and runs/ would be made there; change to another folder"


def _memory() -> tuple[int, int]:
    """Total and available bytes; zeros where the system does not say (only Linux does without a package)."""
    try:
        rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(rows[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError):
        return 0, 0
    return total, free


def _torch() -> Iterator[str]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield f"torch is installed but does not import ({' '.join(str(error).split())}); install it again"
        return
    capability = torch.backends.cpu.get_cpu_capability()
    _row("CPU", f"{platform.machine()}, {capability}, torch uses {torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(index)
            _row(
                f"GPU {index}",
                f"{device.name}, {device.total_memory / _GIB:.0f} GB, CUDA {torch.version.cuda}",
            )
    elif torch.backends.mps.is_available():
        _row("GPU", "Apple (mps)")
    else:
        _row("GPU", "none that torch can use")
        if shutil.which("nvidia-smi"):
            built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
            yield f"nvidia-smi is here but torch, built {built}, sees no GPU; check the driver"
    yield from _kernels()


def _kernels() -> Iterator[str]:
    from unetzoo.ops import native

    try:
        library = native.library()
    except ValueError as error:
        _row("unetzoo_kernels", "not usable")
        yield str(error)
        return
    state = f"there, for {library.unetzoo_isa().decode()}" if library else "not there"
    _row("unetzoo_kernels", f"{state} (compiled for the CPU; without them plain PyTorch runs)")
    if library is None and find_spec("unetzoo_kernels") and os.environ.get("UNETZOO_KERNELS") != "0":
        yield "unetzoo-kernels is installed but not for this version of unetzoo; pip install ./kernels"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _row(what: str, value: str) -> None:
    print(f"{what:18}{value}")
    sys.stdout.flush()
