from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unetzoo.blocks.fourier import Fourier
from unetzoo.levels import Gate, Level
from unetzoo.skips import FourierFusion

SIZES = [(8, 6), (7, 9), (5, 4, 6)]
RULES = ["lowhigh", "amp_phase", "max_amp"]
every_size = pytest.mark.parametrize("size", SIZES, ids=str)
every_rule = pytest.mark.parametrize("rule", RULES)


def pair(*size: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    skip, gate = torch.randn(2, 1, 4, *size, generator=generator, dtype=dtype)
    return skip, gate


def fused(skip: Tensor, gate: Tensor, **options: Any) -> Tensor:
    rows = [Level(4, (1,) * (skip.dim() - 2)), Level(4, (2,) * (skip.dim() - 2))]
    pathway = FourierFusion(rows, [Gate(4, rows[0].stride, rows[1])], **options)
    assert not list(pathway.parameters())
    return pathway.merge(0, skip, gate, gate)


@every_size
def test_all_low_is_the_decoder_and_none_is_the_skip_but_for_its_mean(size: tuple[int, ...]) -> None:
    skip, gate = pair(*size)
    torch.testing.assert_close(fused(skip, gate, cutoff=1), gate)
    axes = tuple(range(2, skip.dim()))
    mean = gate.mean(axes, keepdim=True) - skip.mean(axes, keepdim=True)
    torch.testing.assert_close(fused(skip, gate, cutoff=0), skip + mean)


def test_the_cutoff_is_a_fraction_of_the_highest_frequency() -> None:
    skip, gate = pair(16, 16)
    transform = Fourier((16, 16), skip.device)
    re, of_skip, of_gate = (  # frequencies up to 2 of 8
        transform.there(x)[0] for x in (fused(skip, gate, cutoff=0.25), skip, gate)
    )
    for k, expected in [(0, of_gate), (2, of_gate), (3, of_skip), (8, of_skip), (13, of_skip), (14, of_gate)]:
        torch.testing.assert_close(re[:, :, k, :3], expected[:, :, k, :3])
        torch.testing.assert_close(re[:, :, k, 3:], of_skip[:, :, k, 3:])


@every_size
@every_rule
def test_a_map_fused_with_itself_stays(rule: str, size: tuple[int, ...]) -> None:
    x, _ = pair(*size)
    torch.testing.assert_close(fused(x, x, rule=rule), x)


@every_size
@every_rule
def test_fusion_follows_circular_shifts(rule: str, size: tuple[int, ...]) -> None:
    skip, gate = pair(*size)
    shifts, axes = tuple(range(1, len(size) + 1)), tuple(range(2, len(size) + 2))
    moved = fused(skip.roll(shifts, axes), gate.roll(shifts, axes), rule=rule)
    torch.testing.assert_close(moved, fused(skip, gate, rule=rule).roll(shifts, axes))


@every_size
@every_rule
def test_the_fused_spectrum_is_that_of_a_real_map(rule: str, size: tuple[int, ...]) -> None:
    skip, gate = pair(*size)
    axes = tuple(range(2, skip.dim()))
    s, g = torch.fft.fftn(skip, dim=axes), torch.fft.fftn(gate, dim=axes)
    if rule == "amp_phase":
        z = g.abs() * torch.exp(1j * s.angle())
    elif rule == "max_amp":
        z = torch.where(g.abs() > s.abs(), g, s)
    else:
        low = torch.ones(1, dtype=torch.bool)
        for n in size:
            low = low.unsqueeze(-1) & (torch.fft.fftfreq(n).abs() <= 0.125)
        z = torch.where(low, g, s)
    expected = torch.fft.ifftn(z, dim=axes)
    assert expected.imag.abs().max() < 1e-12
    # amplitudes near zero are floored, which tells in phases
    torch.testing.assert_close(fused(skip, gate, rule=rule), expected.real, rtol=0, atol=1e-2)


def test_sum_is_addition() -> None:
    skip, gate = pair(6, 7)
    assert torch.equal(fused(skip, gate, rule="sum"), skip + gate)


@every_rule
def test_maps_without_a_frequency_have_finite_gradients(rule: str) -> None:
    skip, gate = torch.zeros(1, 4, 6, 6, requires_grad=True), torch.ones(1, 4, 6, 6, requires_grad=True)
    fused(skip, gate, rule=rule).square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (skip, gate))


@every_rule
def test_half_precision_is_fused_in_float32(rule: str) -> None:
    skip, gate = (x.bfloat16() for x in pair(8, 6, dtype=torch.float32))
    with torch.autocast("cpu", torch.bfloat16):
        out = fused(skip, gate, rule=rule)
    assert out.dtype == torch.bfloat16
    expected = fused(skip.float(), gate.float(), rule=rule)
    torch.testing.assert_close(out.float(), expected, rtol=2**-8, atol=1e-5)


def test_a_skip_of_another_width_is_projected_without_bias() -> None:
    rows = [Level(3, (1, 1)), Level(4, (2, 2))]
    merge: Any = FourierFusion(rows, [Gate(4, (1, 1), rows[1])]).merges[0]
    assert [name for name, _ in merge.named_parameters()] == ["project.weight"]
    assert merge(torch.randn(2, 3, 5, 6), torch.randn(2, 4, 5, 6), torch.empty(0)).shape == (2, 4, 5, 6)


class _Both(nn.Module):
    """The rules that see the whole spectrum; the third is recorded by the contract of all skips."""

    def __init__(self) -> None:
        super().__init__()
        rows = [Level(4, (1, 1)), Level(4, (2, 2))]
        rules = (partial(FourierFusion, rule="amp_phase"), partial(FourierFusion, rule="max_amp"))
        self.merges = nn.ModuleList(rule(rows, [Gate(4, (1, 1), rows[1])]).merges[0] for rule in rules)

    def forward(self, skip: Tensor, gate: Tensor) -> Tensor:
        return torch.cat([merge(skip, gate, gate) for merge in self.merges], 1)


@pytest.mark.parametrize("opset", [pytest.param(18, marks=pytest.mark.full), 20])
def test_exported_rules_agree_at_every_size(opset: int) -> None:
    ort = pytest.importorskip("onnxruntime")
    both, sizes = _Both().eval(), {2: torch.export.Dim("h", min=2), 3: torch.export.Dim("w", min=2)}
    example = pair(8, 6, dtype=torch.float32)
    program = torch.onnx.export(
        both, example, dynamo=True, opset_version=opset, dynamic_shapes=(sizes, sizes), verbose=False
    )
    assert program is not None
    graph = program.model_proto
    assert "DFT" not in {node.op_type for node in graph.graph.node}  # which many runtimes lack
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    for size in [(8, 6), (13, 9), (5, 31)]:
        maps = pair(*size, dtype=torch.float32)
        (out,) = session.run(None, dict(zip(names, (x.numpy() for x in maps), strict=True)))
        assert np.abs(out - both(*maps).numpy()).max() < 1e-4


def test_refuses_what_cannot_be() -> None:
    x, _ = pair(4, 4)
    with pytest.raises(ValueError, match="rule 'mean' is unknown"):
        fused(x, x, rule="mean")
    with pytest.raises(ValueError, match="cutoff=2 is no fraction"):
        fused(x, x, cutoff=2)
