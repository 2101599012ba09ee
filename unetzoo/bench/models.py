"""Whole models: a prediction and a training step, with and without the kernels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from unetzoo.allocation import keep_freed_memory
from unetzoo.bench.machine import machine
from unetzoo.bench.timing import interleaved
from unetzoo.ops import dispatch, native
from unetzoo.zoo import create_model

__all__ = ["bench_models"]


def bench_models(
    names: Sequence[str],
    parts: Mapping[str, Any],
    *,
    size: int = 256,
    batch: int = 1,
    rounds: int = 5,
) -> Iterator[str]:
    """Lines of a Markdown table, as they are measured; the models take turns.

    Args:
        names: Of `list_models`.
        parts: What else `create_model` takes.
        size: Pixels along every axis.
        batch: Images at a time.
        rounds: In which the models take turns.

    Raises:
        ValueError: If there is no such model or part.
    """
    models = {name: create_model(name, **parts) for name in names}
    keep_freed_memory()  # as training does
    yield f"{machine()}; {batch} x {size} pixels along every axis, float32"
    yield f"milliseconds, median of {rounds} rounds ± half the distance of their quartiles\n"
    yield "| model | parameters | prediction | training step | the step without kernels |"
    yield "|---|---:|---:|---:|---:|"
    images = {name: _image(model, batch, size) for name, model in models.items()}
    predictions = interleaved({n: partial(_predict, m, images[n]) for n, m in models.items()}, rounds)
    runs: dict[str, Callable[[], None]] = {}
    for name, model in models.items():
        runs[name] = _step_of(model.train(), images[name])
        if native.library() is not None and _has_kernels(model, images[name]):
            runs[f"{name} without"] = partial(_without_kernels, runs[name])
    steps = interleaved(runs, rounds)
    for name, model in models.items():
        parameters = sum(p.numel() for p in model.parameters())
        cells = [f"{parameters:,}", str(predictions[name]), str(steps[name])]
        yield f"| {name} | {' | '.join(cells)} | {steps.get(f'{name} without', '-')} |"


def _image(model: Any, batch: int, size: int) -> torch.Tensor:
    return torch.randn(batch, model.in_channels, *[size] * model.ndim)


def _predict(model: nn.Module, x: torch.Tensor) -> None:
    with torch.inference_mode():
        model.eval()(x)


def _step_of(model: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        model.train()(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _has_kernels(model: nn.Module, x: torch.Tensor) -> bool:
    with dispatch.noting() as choices:
        _predict(model, x)
    return any(choice.compiled for choice in choices)


def _without_kernels(step: Callable[[], None]) -> None:
    with patch.object(native, "library", lambda: None):
        step()
