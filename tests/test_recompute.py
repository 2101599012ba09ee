"""Recomputed activations change memory, and nothing else."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo import create_model
from unetzoo.recompute import recomputed


def kept_bytes(model: nn.Module, x: torch.Tensor) -> int:
    """What the forward pass keeps for the backward pass, weights aside."""
    kept: dict[int, int] = {}
    weights = {p.data_ptr() for p in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(x)
    return sum(kept.values())


def test_gradients_dropout_and_running_statistics_are_those_of_the_plain_call() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
    again = copy.deepcopy(plain)
    x = torch.randn(2, 3, 8, 8)
    torch.manual_seed(1)
    plain(x).square().sum().backward()
    torch.manual_seed(1)
    recomputed(again, x, of=again).square().sum().backward()  # type: ignore[no-untyped-call]
    for one, other in zip(plain.parameters(), again.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)
    assert all(torch.equal(a, b) for a, b in zip(plain.buffers(), again.buffers(), strict=True))
    assert [norm.momentum for norm in again if isinstance(norm, nn.BatchNorm2d)] == [0.1]


@pytest.mark.parametrize("ndim", [2, 3])
def test_unet_plus_plus_trains_alike_and_keeps_less(ndim: int) -> None:
    small: dict[str, Any] = {"encoder.channels": [4, 8, 8, 8], "decoder.channels": [4, 8, 8]}
    parts = ("encoder", "skip", "decoder")
    made = {
        on: create_model(
            encoder=f"conv{ndim}d",
            skip="nested",
            overrides=small | {f"{part}.recompute": on for part in parts} | {"deep_supervision": True},
        )
        for on in (False, True)
    }
    made[True].load_state_dict(made[False].state_dict(), strict=True)
    x = torch.randn(2, 3, *(16,) * ndim)
    for model in made.values():
        torch.stack(model.train().forward_deep(x)).square().mean().backward()  # type: ignore[no-untyped-call]
    for (name, one), other in zip(made[False].named_parameters(), made[True].parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-5, atol=1e-6, msg=name)
    for running, again in zip(made[False].buffers(), made[True].buffers(), strict=True):
        torch.testing.assert_close(again, running)
    assert kept_bytes(made[True], x) < 0.6 * kept_bytes(made[False], x)


def test_nothing_is_recomputed_without_gradients() -> None:
    calls = []
    layer = nn.Identity()
    layer.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        recomputed(layer, torch.ones(1, requires_grad=True), of=layer)
    assert calls == [1]
