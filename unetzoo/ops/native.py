"""The compiled kernels, if they are installed."""

import ctypes
import logging
import os
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["addresses", "call", "has", "library", "pointers", "threads"]

ABI = 5
INSTRUCTION_SETS = ("baseline", "avx2", "avx512")
_log = logging.getLogger(__name__)


@cache
def library() -> ctypes.CDLL | None:
    """The library of ``unetzoo-kernels``, or ``None`` where it is missing, too old or too new.

    Raises:
        ValueError: If ``UNETZOO_ISA`` names an instruction set that there is not, or not on this processor.
    """
    if os.environ.get("UNETZOO_KERNELS", "1") == "0":
        return None
    try:
        import unetzoo_kernels
    except ImportError:
        _log.info("unetzoo-kernels is not installed, so state spaces run in plain torch, many times slower")
        return None
    return _load(Path(unetzoo_kernels.LIBRARY))


def _load(path: Path) -> ctypes.CDLL | None:
    try:
        loaded = ctypes.CDLL(os.fspath(path))
        abi = loaded.unetzoo_abi()
    except (OSError, AttributeError) as error:
        _log.warning(
            "%s: cannot be loaded (%s), so plain torch runs; install unetzoo-kernels again", path, error
        )
        return None
    if abi != ABI:
        _log.warning(
            "%s: has interface %d and this version of unetzoo needs %d, so plain torch runs; "
            "install the unetzoo-kernels that belongs to it",
            path,
            abi,
            ABI,
        )
        return None
    loaded.unetzoo_isa.restype = ctypes.c_char_p
    _check_instruction_set(os.environ.get("UNETZOO_ISA", ""), loaded.unetzoo_isa().decode())
    loaded.unetzoo_use_threads_of.argtypes = [ctypes.c_void_p]
    # torch loads its OpenMP for everybody: work in its threads, a second pool would fight over the cores
    pool = getattr(ctypes.CDLL(None), "GOMP_parallel", None)
    loaded.unetzoo_use_threads_of(pool and ctypes.cast(pool, ctypes.c_void_p))
    return loaded


def _check_instruction_set(wanted: str, taken: str) -> None:
    """Refuse what the library, which reads the variable by itself, takes for something else."""
    if wanted in ("", taken):
        return
    ways = f"set it to one of {', '.join(INSTRUCTION_SETS)}, or unset it for the widest of this processor"
    if wanted not in INSTRUCTION_SETS:
        raise ValueError(f"UNETZOO_ISA={wanted} is no instruction set of the kernels; {ways}")
    raise ValueError(f"UNETZOO_ISA={wanted}: this processor does not have it, but has {taken}; {ways}")


def has(function: str) -> bool:
    """Whether there is a library and it has this function."""
    return hasattr(library(), function)


def call(
    function: str, problem: ctypes.Structure, *others: Tensor | ctypes.Structure | ctypes.Array[Any]
) -> None:
    """Call a function that takes a structure and pointers, and returns 0 if sizes make sense."""
    pointers = [
        ctypes.c_void_p(*addresses(other)) if isinstance(other, Tensor) else ctypes.byref(other)
        for other in others
    ]
    if getattr(library(), function)(ctypes.byref(problem), *pointers):
        raise ValueError(f"{function} refuses these sizes: {_numbers(problem)}")


def _numbers(problem: ctypes.Structure) -> dict[str, Any]:
    fields = {name: getattr(problem, name) for name, *_ in problem._fields_}
    nested = {name: _numbers(value) for name, value in fields.items() if isinstance(value, ctypes.Structure)}
    sizes = {name: fields[name] for name, kind, *_ in problem._fields_ if kind is ctypes.c_int64}
    return sizes | nested


def threads() -> int:
    """As many as torch uses."""
    return torch.get_num_threads()


def addresses(*tensors: Tensor) -> list[int]:
    """Pointers to contiguous float32 tensors of the CPU, or int32 for indices."""
    for tensor in tensors:
        fits = tensor.dtype in (torch.float32, torch.int32) and tensor.device.type == "cpu"
        if not fits or not tensor.is_contiguous():
            raise ValueError(
                f"a kernel was given {tensor.dtype} on {tensor.device}, strides {tensor.stride()}; "
                "it takes contiguous float32 on the CPU"
            )
    return [tensor.data_ptr() for tensor in tensors]


def pointers(tensors: dict[str, Tensor]) -> dict[str, int]:
    """The same by name, as fields of a structure."""
    return dict(zip(tensors, addresses(*tensors.values()), strict=True))
