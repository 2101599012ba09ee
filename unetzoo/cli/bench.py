"""Measure operations and models on this machine.

usage: unetzoo bench ops [operation ...] [threads=N] [rounds=N]
       unetzoo bench models [model ...] [encoder=...] [skip=...] [size=256] [batch=1] [threads=N] [rounds=N]

  unetzoo bench ops                         every operation with a kernel, with and without it, at five sizes
  unetzoo bench ops selective_scan threads=2
  unetzoo bench models unet unet_plus_plus encoder=resnet34
  unetzoo bench models unet meunet size=256 batch=4

Prints Markdown. What is compared takes turns, times are medians with their spread, and for operations the
roofline (memory, arithmetic) is measured in the same run. Quiet machines give steadier figures.
"""

from typing import Any

from unetzoo.cli.suggest import did_you_mean

_NUMBERS = {"ops": ("threads", "rounds"), "models": ("threads", "rounds", "size", "batch")}
_PARTS = ("encoder", "skip", "decoder")


def run(args: list[str]) -> int:
    """Print one table."""
    if not args or "-h" in args or "--help" in args:
        print(__doc__)
        return 0
    what, *words = args
    if what not in _NUMBERS:
        raise ValueError(f"bench measures ops or models, not {what!r}{did_you_mean(what, _NUMBERS)}")
    numbers, parts, names = _parsed(what, words)
    import torch

    from unetzoo.bench import bench_models, bench_ops

    torch.set_num_threads(numbers.pop("threads", torch.get_num_threads()))
    torch.manual_seed(0)
    lines = (
        bench_ops(names, **numbers) if what == "ops" else bench_models(names or ["unet"], parts, **numbers)
    )
    for line in lines:
        print(line, flush=True)
    return 0


def _parsed(what: str, words: list[str]) -> tuple[dict[str, int], dict[str, Any], list[str]]:
    """Whole numbers, parts of models, and names."""
    numbers: dict[str, int] = {}
    parts: dict[str, Any] = {}
    names = [word for word in words if "=" not in word]
    known = (*_NUMBERS[what], *(_PARTS if what == "models" else ()))
    for key, value in (word.split("=", 1) for word in words if "=" in word):
        if key not in known:
            raise ValueError(
                f"bench {what} does not take {key}={did_you_mean(key, known)}; it takes {', '.join(known)}"
            )
        if key in _PARTS:
            parts[key] = value
        elif value.isdecimal() and int(value) >= (2 if key == "rounds" else 1):
            numbers[key] = int(value)
        else:
            least = 2 if key == "rounds" else 1
            raise ValueError(f"{key}={value} is not a whole number from {least} on")
    return numbers, parts, names
