"""Reversible stages: the gradients of plain autograd from the last output alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unetzoo.blocks import ReversibleStage, conv_block, mbconv, norm_first_conv
from unetzoo.blocks.reversible import Recompute
from unetzoo.blocks.stage import Block

INNER: dict[str, Block] = {"conv": norm_first_conv, "mbconv": mbconv}
SIZE = {2: (6, 5), 3: (4, 3, 5)}


def spread(module: nn.Module) -> nn.Module:
    # zeros and ones of a fresh network hide mistakes
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module


def stage(recompute: Recompute = "reversible", **options: Any) -> Any:
    torch.manual_seed(0)
    return spread(ReversibleStage(3, 8, 8, **{"depth": 3, "recompute": recompute} | options).double())


def gradients(module: nn.Module, x: Tensor, seed: int = 3) -> list[Tensor]:
    """Output, gradient of the input and of every parameter."""
    module.zero_grad()
    x = x.clone().requires_grad_()
    torch.manual_seed(seed)
    y = module(x)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    (y.square() * weights).sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in module.parameters() if p.grad is not None)]


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("ndim", [2, 3])
def test_the_input_can_be_had_back(inner: str, ndim: int) -> None:
    module: Any = spread(ReversibleStage(ndim, 8, 8, inner=INNER[inner]).double())
    block = module.blocks[0]
    x1, x2 = torch.randn(2, 2, 4, *SIZE[ndim], dtype=torch.float64)
    back = block.inverse(*block(x1, x2))
    torch.testing.assert_close(back, (x1, x2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("recompute", ["reversible", "checkpoint"])
def test_gradients_are_those_of_plain_autograd(inner: str, ndim: int, recompute: Recompute) -> None:
    torch.manual_seed(0)
    kept = spread(ReversibleStage(ndim, 6, 8, depth=3, inner=INNER[inner], recompute="none").double())
    computed = ReversibleStage(ndim, 6, 8, depth=3, inner=INNER[inner], recompute=recompute).double()
    computed.load_state_dict(kept.state_dict())
    x = torch.randn(2, 6, *SIZE[ndim], dtype=torch.float64)
    for a, b in zip(gradients(computed, x), gradients(kept, x), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12 * float(b.abs().max()))


def test_random_numbers_are_drawn_again_and_no_others_are_disturbed() -> None:
    def inner(ndim: int, c_in: int, c_out: int) -> nn.Module:
        return nn.Sequential(norm_first_conv(ndim, c_in, c_out), nn.Dropout3d(0.5))

    x = torch.randn(2, 8, 4, 3, 5, dtype=torch.float64)
    expected = gradients(stage("none", inner=inner), x)
    after = torch.rand(3)
    for a, b in zip(gradients(stage(inner=inner), x), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    assert torch.equal(torch.rand(3), after)


def saved(module: nn.Module, x: Tensor) -> int:
    """Numbers that wait for the backward pass, parameters left out."""
    own = {p.untyped_storage().data_ptr() for p in module.parameters()}
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            seen[tensor.untyped_storage().data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = module(x)
        assert out.requires_grad
        return sum(seen.values())


def test_what_is_kept_does_not_grow_with_the_depth() -> None:
    x = torch.randn(1, 8, 8, 8, 8, dtype=torch.float64, requires_grad=True)
    assert [saved(stage(depth=depth), x) for depth in (1, 2, 8)] == [x.numel()] * 3
    # a block's input each; two of the blocks' halves are one tensor for the first
    assert saved(stage("checkpoint", depth=8), x) <= 8 * x.numel()
    assert saved(stage("none", depth=8), x) > 100 * x.numel()


@pytest.mark.parametrize("inner", [mbconv, norm_first_conv])
def test_a_zero_start_is_the_identity(inner: Callable[..., nn.Module]) -> None:
    module = ReversibleStage(3, 8, 8, depth=2, inner=partial(inner, zero_init=True))
    x = torch.randn(1, 8, 4, 4, 4)
    assert torch.equal(module(x), x)


def test_a_graph_may_be_walked_twice() -> None:
    module = stage()
    x = torch.randn(1, 8, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    loss = module(x).square().sum()
    loss.backward(retain_graph=True)
    once = [p.grad.clone() for p in [x, *module.parameters()]]
    loss.backward()
    for p, g in zip([x, *module.parameters()], once, strict=True):
        torch.testing.assert_close(p.grad, 2 * g)


def test_frozen_parameters_stay_frozen() -> None:
    module, kept = stage(), stage("none")
    x = torch.randn(1, 8, 4, 3, 5, dtype=torch.float64)
    for one in (module, kept):
        one.blocks[1].requires_grad_(False)
        one.blocks[2].g.requires_grad_(False)
    for a, b in zip(gradients(module, x), gradients(kept, x), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    assert all(p.grad is None for p in module.blocks[1].parameters())
    module.requires_grad_(False)
    assert not module(x).requires_grad


def test_autocast_is_entered_again() -> None:
    x = torch.randn(2, 8, 4, 3, 5)
    results = []
    for recompute in ("reversible", "none"):
        module = stage(recompute).float()
        module.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            y = module(x)
            assert module.blocks[0].f(x[:, :4]).dtype == torch.bfloat16
        assert y.dtype == torch.float32
        y.square().mean().backward()
        results.append([p.grad for p in module.parameters()])
    for a, b in zip(*results, strict=True):
        # the input of a block is recovered to float32's precision, and bfloat16 rounds it to 2^-8
        torch.testing.assert_close(a, b, rtol=2**-6, atol=2**-6 * float(b.abs().max()))


def test_compiled_it_has_the_same_gradients() -> None:
    module, x = stage(depth=1, inner=norm_first_conv), torch.randn(2, 8, 4, 3, 5, dtype=torch.float64)
    expected = gradients(module, x)
    torch._dynamo.reset()
    compiled: Any = torch.compile(module, fullgraph=True, backend="aot_eager")
    for a, b in zip(gradients(compiled, x), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_what_cannot_be_reversed_is_refused() -> None:
    with pytest.raises(ValueError, match="two halves, got 7 channels"):
        ReversibleStage(3, 7, 7)
    with pytest.raises(ValueError, match="norm: group"):
        ReversibleStage(3, 8, 8, inner=conv_block)
    with pytest.raises(ValueError, match="choose reversible, checkpoint or none"):
        ReversibleStage(3, 8, 8, recompute="always")  # type: ignore[arg-type]


def test_an_inverted_bottleneck_widens_works_per_channel_and_narrows() -> None:
    convolutions: list[Any] = [m for m in mbconv(3, 4, 6, expansion=3).modules() if isinstance(m, nn.Conv3d)]
    plan = [(c.in_channels, c.out_channels, c.kernel_size[0], c.groups) for c in convolutions]
    assert plan == [(4, 12, 1, 1), (12, 12, 3, 12), (12, 6, 1, 1)]
    assert isinstance(mbconv(3, 4, 6)[-1], nn.GroupNorm)
