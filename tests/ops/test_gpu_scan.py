"""The scan for a GPU: in Triton's interpreter, through its compiler, and on a GPU where there is one."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.kernels.test_scan_kernel import values

from unetzoo.ops.selective_scan import _scan, _scan_backward, gpu, segments, selective_scan

kernel: Any = gpu
op = sys.modules["unetzoo.ops.selective_scan"]
plain: Any = segments
INTERPRETED = Path(__file__).with_name("interpreted_gpu_scan.py")
needs_triton = pytest.mark.skipif(gpu.kernels() is None, reason="triton is not installed")


@needs_triton
def test_in_the_interpreter_the_kernels_are_the_scan() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", INTERPRETED],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


HALF = ["dy", "u", "delta", "B", "C", "z", "y", "du", "ddelta", "dz"]
POINTERS = [*HALF, "A", "D", "bias", "starts", "totals", "ends", "handed", "scratch"]
POINTERS += ["dA", "dB", "dC", "dD", "dbias"]
SETTINGS = {"STEPS": segments.STEPS, "TILE": 2, "BLOCK": 8, "STATES": 4}


@needs_triton
@pytest.mark.parametrize("name", gpu._Kernels._fields)
@pytest.mark.parametrize("most", [True, False])
def test_the_compiler_makes_machine_code_of_the_kernels(
    name: str, most: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything there is in single precision, and with nothing more than it takes in half."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    run = getattr(gpu.kernels(), name)
    flags = dict.fromkeys(("softplus", "reverse", "carried", "backwards"), most)
    constants: dict[str, Any] = SETTINGS | flags
    if not most:
        # the compiler is given sizes of 1 as constants, and so is what is absent
        sizes = [n for n in run.arg_names if n not in POINTERS and n not in constants]
        constants |= dict.fromkeys(sizes, 1)
        constants |= dict.fromkeys(("D", "z", "bias", "y", "handed", "dD", "dz", "dbias"))
        if name == "hand_back":
            del constants["handed"]
    types = dict.fromkeys(run.arg_names, "i32") | dict.fromkeys(POINTERS, "*fp32")
    types |= dict.fromkeys(HALF, "*fp32" if most else "*bf16") | dict.fromkeys(constants, "constexpr")
    source = ASTSource(
        run,
        {n: types[n] for n in run.arg_names},
        {(i,): constants[n] for i, n in enumerate(run.arg_names) if n in constants},
    )
    made = compile(
        source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1, "enable_fp_fusion": True}
    )
    assert made.asm["cubin"].startswith(b"\x7fELF")


def test_a_graph_for_a_gpu_keeps_half_precision_and_states_in_single() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    scan: Any = selective_scan
    with FakeTensorMode():
        dy, *inputs = (t.to("cuda") for t in values((2, 70, 1, 5, 3)).values())
        half = [t.bfloat16() if t.dim() > 2 else t for t in inputs]
        assert gpu.takes(half[0], half[2])
        assert scan(*half, True).dtype == torch.bfloat16
        y, starts = _scan(*half, True, False, 1, 1)
        assert (y.dtype, starts.dtype, starts.shape) == (torch.bfloat16, torch.float32, (2, 2, 5, 3))
        grads = _scan_backward(dy.bfloat16(), *half, starts, True, False, 1, 1)
        assert [(g.dtype, g.shape) for g in grads] == [(t.dtype, t.shape) for t in half]


def test_without_triton_plain_torch_runs_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.kernels.cache_clear()
    monkeypatch.setitem(sys.modules, "triton", None)
    for name in ("gpu_forward", "gpu_backward", "gpu_tiles"):
        monkeypatch.delitem(sys.modules, f"{op.__name__}.{name}", raising=False)
        monkeypatch.delattr(op, name, raising=False)
    dy, *inputs = values((1, 70, 1, 5, 3)).values()
    half = [t.bfloat16() if t.dim() > 2 else t for t in inputs]
    try:
        with caplog.at_level(logging.INFO):
            y, starts = kernel.forward(*half, True, False, 1, 1)
            grads = kernel.backward(dy, *half, starts, True, False, 1, 1)
    finally:
        gpu.kernels.cache_clear()
    assert [r.message for r in caplog.records] == [
        "triton is not installed, so state spaces run in plain torch on a GPU, many times slower"
    ]
    expected, _ = plain.forward(*(t.float() for t in half), True, False, 1, 1)
    assert torch.equal(y, expected.bfloat16())
    assert [g.dtype for g in grads] == [t.dtype for t in half]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("length", [1, 63, 64, 65, 200, 5000])
@pytest.mark.parametrize("rate", [1e-4, 3.0, 100.0])
def test_on_a_gpu_the_kernels_are_the_scan_and_two_runs_are_equal_bit_for_bit(
    length: int, rate: float
) -> None:
    for groups, width, state in ((1, 19, 16), (2, 40, 3), (1, 200, 1), (1, 5, 64)):
        given = {n: t.cuda() for n, t in values((2, length, groups, width, state), rate).items()}
        for reverse, order in (
            (False, (1, 1)),
            (True, (1, 1)),
            (False, (length, 1)),
            (True, (5, length // 5)),
        ):
            if length % (order[0] * order[1]) or not order[1]:
                continue
            flags = (True, reverse, *order)
            dy, *inputs = given.values()
            y, starts = kernel.forward(*inputs, *flags)
            once = [y, starts, *kernel.backward(dy, *inputs, starts, *flags)]
            y, starts = kernel.forward(*inputs, *flags)
            again = [y, starts, *kernel.backward(dy, *inputs, starts, *flags)]
            exact_dy, *exact = (t.double() for t in given.values())
            expected, states = plain.forward(*exact, *flags)
            right = [expected, states, *plain.backward(exact_dy, *exact, states, *flags)]
            for a, b, r in zip(once, again, right, strict=True):
                assert torch.equal(a, b)
                assert (a - r).norm() <= 1e-5 * r.norm() + 1e-30
