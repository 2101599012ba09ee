"""The selective scan against the recurrence in float64, forwards and backwards."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.ops import selective_scan
from unetzoo.ops.selective_scan import _scan, recorded_as, scan_step_by_step, segments
from unetzoo.ops.selective_scan.export_forms import as_doubling, as_scan

step_by_step: Any = scan_step_by_step
scan: Any = selective_scan
LENGTHS = [1, 2, 7, 63, 64, 65, 75, 1000, 4096]


def sequences(length: int, decay: str, dtype: torch.dtype, groups: int = 1, width: int = 3) -> list[Any]:
    """u, delta, A, B and C in groups; slow decays keep 95 % over the length, fast ones forget at once."""
    g = torch.Generator().manual_seed(length)
    u = torch.randn(2, length, groups, width, generator=g, dtype=torch.float64)
    delta = torch.rand(2, length, groups, width, generator=g, dtype=torch.float64)
    rate = {"slow": 0.1 / length, "fast": 100.0, "mixed": 1.0}[decay]
    A = -rate * torch.rand(groups, width, 4, generator=g, dtype=torch.float64)
    B, C = (torch.randn(2, length, groups, 4, generator=g, dtype=torch.float64) for _ in "BC")
    return [t.to(dtype) for t in (u, delta, A, B, C)]


def flattened(inputs: list[Any]) -> list[Any]:
    u, delta, A, B, C = inputs
    return [u.flatten(2), delta.flatten(2), A.flatten(0, 1), B, C]


def flat(length: int = 20, **options: Any) -> list[Any]:
    return flattened(sequences(length, "mixed", torch.float64, **options))


def defined(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, *rest: Any, order: tuple[int, int] = (1, 1)
) -> Tensor:
    """The whole operation by its definition: every piece around the recurrence as the docstring says it."""
    given: list[Any] = [*rest, *[None, None, None, False, False][len(rest) :]]
    D, z, bias, softplus, reverse = given
    place = torch.arange(u.shape[1]).reshape(-1, *order).transpose(1, 2).flatten()
    width = delta if bias is None else delta + bias
    width = F.softplus(width) if softplus else width
    groups = B.shape[2]
    met, steps = (torch.unflatten(t[:, place], 2, (groups, -1)) for t in (u, width))
    grouped = torch.unflatten(A, 0, (groups, -1))
    y: Tensor = step_by_step(met, steps, grouped, B[:, place], C[:, place], reverse)
    y = y.flatten(2)[:, place.argsort()]
    y = y if D is None else y + D * u
    return y if z is None else y * F.silu(z)


def relative(actual: Tensor, expected: Tensor) -> float:
    return float((actual.double() - expected).detach().abs().max() / expected.detach().abs().max())


def in_torch(u: Any, delta: Any, A: Any, B: Any, C: Any, reverse: bool) -> Any:
    inputs: Any = flattened([u, delta, A, B, C])
    run: Any = segments.forward
    y, _ = run(*inputs, None, None, None, False, reverse, 1, 1)
    return y.reshape(u.shape)


FORMS: dict[str, Any] = {"segments": in_torch, "scan": as_scan, "doubling": as_doubling}


@pytest.mark.parametrize("decay", ["slow", "mixed", "fast"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_recurrence_at_every_length(form: str, decay: str) -> None:
    for length in LENGTHS:
        if form == "scan" and length > 100:
            continue  # eager torch takes a second per hundred steps; its graph is run in the export tests
        for reverse in (False, True):
            exact = sequences(length, decay, torch.float64)
            expected = step_by_step(*exact, reverse=reverse)
            assert relative(FORMS[form](*exact, reverse), expected) < 1e-12
            single = [t.float() for t in exact]
            expected = step_by_step(*(t.double() for t in single), reverse=reverse)
            assert relative(FORMS[form](*single, reverse), expected) < 1e-5


def everything(length: int, decay: str, **options: Any) -> list[Any]:
    """u, delta, A, B, C, D, z and the bias."""
    inputs = flattened(sequences(length, decay, torch.float64, **options))
    g = torch.Generator().manual_seed(1)
    channels = inputs[0].shape[2]
    D, bias = (torch.randn(channels, generator=g, dtype=torch.float64) for _ in "Db")
    return [*inputs, D, torch.randn(inputs[0].shape, generator=g, dtype=torch.float64), bias]


@pytest.mark.parametrize("decay", ["slow", "mixed", "fast"])
def test_gradients_of_everything_are_those_of_the_definition(decay: str) -> None:
    for length, order in ((1, (1, 1)), (63, (7, 9)), (64, (8, 4)), (65, (1, 1)), (200, (5, 20))):
        for reverse in (False, True):
            inputs = [t.requires_grad_() for t in everything(length, decay, groups=2)]
            weight = torch.randn_like(inputs[0])
            expected = defined(*inputs, True, reverse, order=order)
            actual = scan(*inputs, True, reverse, order)
            assert relative(actual, expected) < 1e-12
            right = torch.autograd.grad((expected * weight).sum(), inputs)
            for a, e in zip(torch.autograd.grad((actual * weight).sum(), inputs), right, strict=True):
                assert torch.allclose(a, e, rtol=1e-10, atol=1e-12 * float(e.abs().max() + 1))


def test_gradcheck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "STEPS", 4)
    inputs = [t.requires_grad_() for t in everything(9, "mixed", groups=2, width=1)]
    assert torch.autograd.gradcheck(lambda *args: scan(*args, True, False, (3, 3)), inputs)


def test_the_doubling_of_other_devices_is_the_same_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = sequences(150, "mixed", torch.float64)
    expected = [step_by_step(*inputs, reverse=reverse) for reverse in (False, True)]

    class Elsewhere:
        type = "elsewhere"

    class Moved(Tensor):
        device = Elsewhere()  # type: ignore[assignment]

    original = segments._prefix

    def elsewhere(decay: Tensor, entering: Tensor, carry: Tensor, reverse: bool) -> Tensor:
        moved = original(decay, entering.as_subclass(Moved), carry, reverse)
        return moved.as_subclass(Tensor)

    torch_form: Any = in_torch
    monkeypatch.setattr(segments, "_prefix", elsewhere)
    for reverse in (False, True):
        assert torch.allclose(torch_form(*inputs, reverse), expected[reverse], atol=1e-12)


def test_columns_of_a_map_are_met_without_turning_it() -> None:
    u, delta, A, B, C = flat(6 * 5)
    turned = [t.unflatten(1, (6, 5)).transpose(1, 2).flatten(1, 2) for t in (u, delta, B, C)]
    expected = scan(turned[0], turned[1], A, *turned[2:]).unflatten(1, (5, 6)).transpose(1, 2).flatten(1, 2)
    assert torch.allclose(scan(u, delta, A, B, C, order=(6, 5)), expected)


def test_a_group_has_its_own_projections() -> None:
    u, delta, A, B, C = flat(groups=3)
    together = scan(u, delta, A, B, C)
    for g, part in enumerate(together.chunk(3, 2)):
        one = (slice(None), slice(None), slice(3 * g, 3 * g + 3))
        alone = scan(u[one], delta[one], A[one[2]], B[:, :, g], C[:, :, g])
        assert torch.allclose(part, alone)


def test_it_is_causal_and_in_reverse_the_other_way_round() -> None:
    u, delta, A, B, C = flat()
    changed = u.clone()
    changed[:, 10] += 1
    forwards = (scan(changed, delta, A, B, C) - scan(u, delta, A, B, C)).abs().sum((0, 2))
    assert not forwards[:10].any()
    assert forwards[10:].all()
    back = scan(changed, delta, A, B, C, reverse=True) - scan(u, delta, A, B, C, reverse=True)
    assert not back[:, 11:].any()
    assert back[:, :11].abs().sum((0, 2)).all()
    turned = scan(*(t.flip(1) for t in (u, delta)), A, B.flip(1), C.flip(1)).flip(1)
    assert torch.allclose(turned, scan(u, delta, A, B, C, reverse=True))


def test_without_decay_it_sums_up_and_without_steps_it_does_nothing() -> None:
    u = torch.randn(1, 30, 2).double()
    one = torch.ones(1, 30, 1).double()
    slow = scan(u, torch.ones_like(u), torch.full((2, 1), -1e-15).double(), one, one)
    assert torch.allclose(slow, u.cumsum(1))
    D = torch.tensor([2.0, 3.0]).double()
    steps = torch.full_like(u, -100.0)
    still = scan(u, steps, -torch.ones(2, 1).double(), one, one, D, delta_softplus=True)
    assert torch.allclose(still, D * u)


def test_half_precision_keeps_its_state_in_single() -> None:
    u, delta, A, B, C = (t.float() for t in flat(4000))
    with torch.autocast("cpu", torch.bfloat16):
        y = scan(u.bfloat16(), delta, A / 4000, B, C)
    assert y.dtype == torch.bfloat16
    exact = scan(u.bfloat16().double(), delta.double(), A.double() / 4000, B.double(), C.double())
    assert relative(y, exact) < 2**-8


@pytest.mark.parametrize("reverse", [False, True])
def test_torch_accepts_the_registration(reverse: bool) -> None:
    inputs = [t.float().requires_grad_() for t in everything(70, "mixed")]
    torch.library.opcheck(_scan, (*inputs, True, reverse, 7, 2))
    torch.library.opcheck(_scan, (*inputs[:5], None, None, None, False, reverse, 1, 1))


def test_it_compiles_without_a_graph_break() -> None:
    inputs = [t.float() for t in flat(70)]
    compiled = torch.compile(selective_scan, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(*inputs), scan(*inputs))


class Scan(nn.Module):
    def forward(self, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Any:
        args = (u, delta, A, B, C)
        return scan(*args) + scan(*args, reverse=True, order=(u.shape[1], 1))


@pytest.mark.parametrize("form", ["scan", "doubling"])
def test_it_is_exported_for_any_length_with_slow_decays(form: str, tmp_path: Any) -> None:
    import onnxruntime

    free = torch.export.Dim("length", min=2, max=65536)
    inputs = [t.float() for t in flat(21)]
    with recorded_as(form):
        torch.onnx.export(
            Scan().eval(),
            tuple(inputs),
            tmp_path / "scan.onnx",
            dynamo=True,
            opset_version=18,
            dynamic_shapes=[{1: free}, {1: free}, None, {1: free}, {1: free}],
            verbose=False,
        )
    session = onnxruntime.InferenceSession(tmp_path / "scan.onnx", providers=["CPUExecutionProvider"])
    for length in (2, 7, 75, 1000):
        u, delta, A, B, C = (t.float() for t in flat(length))
        values = (u, delta, A / length, B, C)
        names = [i.name for i in session.get_inputs()]
        (y,) = session.run(None, {n: v.numpy() for n, v in zip(names, values, strict=True)})
        assert relative(torch.from_numpy(y), Scan()(*(v.double() for v in values))) < 1e-5


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="choose scan or doubling"), recorded_as("loop"):
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: torch.zeros(2, 20, 4)}, "u and delta"),
        ({2: torch.zeros(4, 4)}, "A must be"),
        ({3: torch.zeros(2, 20, 2, 4)}, "G a divisor of 3"),
        ({4: torch.zeros(2, 20, 1, 5)}, "with N = 4"),
    ],
)
def test_wrong_shapes_are_refused_by_name(change: dict[int, Tensor], message: str) -> None:
    inputs = flat()
    for place, value in change.items():
        inputs[place] = value
    with pytest.raises(ValueError, match=message):
        scan(*inputs)
