"""Lean training changes memory, and nothing else."""

import copy
import gc
import weakref
from functools import partial
from typing import Any

import pytest
import torch
from tests.kept import kept_bytes
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.lean import lean

SMALL: dict[str, Any] = {"encoder.channels": [5, 8, 12], "decoder.channels": [5, 8, 12]}
NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {"encoder": "conv2d"},
    "unet, 3D": {"encoder": "conv3d"},
    "unet++": {"encoder": "conv2d", "skip": "nested"},
    "unet++, 3D": {"encoder": "conv3d", "skip": "nested"},
    "unet 3+": {"model": "unet_3plus", "skip.channels": 5, "decoder.channels": 5},
}


def pair(name: str = "unet++", **changes: Any) -> tuple[Any, Any]:
    options = NETWORKS[name].copy()
    where = {key: options.pop(key) for key in ("model", "encoder", "skip") if key in options}
    overrides = SMALL | {"deep_supervision": True} | options | changes
    torch.manual_seed(0)
    plain = create_model(**where, overrides=overrides).train()
    lean = create_model(**where, overrides=overrides | {"memory": "lean"}).train()
    lean.load_state_dict(plain.state_dict(), strict=True)
    return plain, lean


def step(model: Any, x: Tensor) -> Tensor:
    torch.manual_seed(1)
    outputs = torch.cat([out.flatten() for out in model.forward_deep(x)])
    torch.autograd.backward(outputs.float().square().mean())
    return outputs.detach()


def assert_alike(plain: nn.Module, lean: nn.Module, tolerance: float = 1e-5) -> None:
    gradients = [
        torch.cat([p.grad.flatten() for p in m.parameters() if p.grad is not None]) for m in (plain, lean)
    ]
    assert float((gradients[0] - gradients[1]).norm()) <= tolerance * float(gradients[0].norm())
    for wanted, found in zip(plain.buffers(), lean.buffers(), strict=True):
        assert torch.equal(wanted, found)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_gradients_and_running_statistics_are_those_of_the_plain_network(
    name: str, batch: int
) -> None:
    plain, lean = pair(name)
    x = torch.randn(batch, 3, *(11, 14, 9)[: plain.ndim])
    assert torch.equal(step(plain, x), step(lean, x))
    assert_alike(plain, lean)


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "instance", "activation": "leaky_relu"},
        {"norm": "group", "activation": "gelu"},
        {"norm": None, "activation": "relu"},
        {"dropout": 0.5, "activation": "silu"},
        {"activation": "relu6"},
    ],
    ids=lambda changes: ", ".join(map(str, changes.values())),
)
def test_every_norm_activation_and_dropout_is_made_again_as_it_was(changes: dict[str, Any]) -> None:
    everywhere = {f"{part}.{k}": v for part in ("encoder", "skip", "decoder") for k, v in changes.items()}
    plain, lean = pair(**everywhere, **{"skip.up": "transposed", "decoder.up": "linear"})
    x = torch.randn(2, 3, 12, 16)
    assert torch.equal(step(plain, x), step(lean, x))
    assert_alike(plain, lean)


def test_autocast_trains_alike() -> None:
    plain, lean = pair()
    x = torch.randn(2, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = [step(model, x) for model in (plain, lean)]
    assert torch.equal(*outputs)
    # weights' gradients of the parts are rounded to bfloat16 as those of the whole are
    assert_alike(plain, lean, 1e-2)


@pytest.mark.parametrize(
    ("name", "share"), [("unet", 0.65), ("unet++", 0.5), ("unet++, 3D", 0.5), ("unet 3+", 0.5)]
)
def test_less_is_kept(name: str, share: float) -> None:
    plain, lean = pair(name)
    x = torch.randn(2, 3, *[16] * plain.ndim)
    kept = [kept_bytes(partial(model.forward_deep, x)) for model in (plain, lean)]
    assert kept[1] <= share * kept[0]


def test_of_a_unit_the_convolutions_output_alone_is_kept() -> None:
    unit = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 1))
    x = torch.randn(2, 3, 18, 18)

    def forward() -> Tensor:
        with lean():
            out: Tensor = unit(x)
        return out

    plane, statistics = 2 * 16 * 16 * 4, 2 * 8 * 4
    assert kept_bytes(forward) == 8 * plane + plane + statistics


def test_nothing_is_left_when_a_graph_is_dropped_without_a_backward_pass() -> None:
    layer = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Sigmoid())
    with lean():
        out = layer(torch.randn(1, 1, 5, 5))
    node = weakref.ref(out)
    gc.disable()
    try:
        del out
        assert node() is None
    finally:
        gc.enable()


def test_two_backward_passes_through_one_graph_agree() -> None:
    _, model = pair()
    out = model(torch.randn(1, 3, 8, 8)).square().sum()
    first, second = (torch.autograd.grad(out, [*model.encoder.parameters()], retain_graph=True) for _ in "ab")
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_what_was_changed_in_place_is_noticed() -> None:
    x = torch.randn(1, 2, 4, 4, requires_grad=True) * 1
    with lean():
        out = F.conv2d(F.interpolate(x, scale_factor=2.0), torch.ones(1, 2, 3, 3, requires_grad=True))
    x.add_(1)
    with pytest.raises(RuntimeError, match="was changed in place"):
        out.sum().backward()  # type: ignore[no-untyped-call]


def test_frozen_batch_norm_keeps_its_statistics() -> None:
    plain, lean = pair()
    for model in (plain, lean):
        model.encoder.eval().requires_grad_(False)
    x = torch.randn(2, 3, 12, 12)
    before = copy.deepcopy(lean.encoder.state_dict())
    assert torch.equal(step(plain, x), step(lean, x))
    assert_alike(plain, lean)
    assert all(
        torch.equal(a, b) for a, b in zip(before.values(), lean.encoder.state_dict().values(), strict=True)
    )


def test_a_compiled_network_trains_alike() -> None:
    plain, lean = pair()
    torch.compiler.reset()
    compiled = torch.compile(lean, fullgraph=True, backend="eager", dynamic=False)
    x = torch.randn(2, 3, 8, 8)
    for model, call in ((plain, plain), (lean, compiled)):
        call(x).square().mean().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert_alike(plain, lean)


def test_inference_records_nothing() -> None:
    plain, lean = pair()
    x = torch.randn(1, 3, 9, 13)
    with torch.no_grad():
        assert torch.equal(plain.eval()(x), lean.eval()(x))
    assert plain.state_dict().keys() == lean.state_dict().keys()


def test_other_memories_are_refused() -> None:
    with pytest.raises(ValueError, match="memory must be plain or lean, not 'none'"):
        create_model(encoder="conv2d", overrides=SMALL | {"memory": "none"})
