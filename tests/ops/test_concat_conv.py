"""The convolution of several features is that of their concatenation, which is not kept."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kept import kept_bytes
from torch import Tensor

from unetzoo.ops import concat_conv
from unetzoo.ops.concat_conv import by_part, convolved


def features(
    widths: list[int], *size: int, batch: int = 2, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    return [torch.randn(batch, width, *size, dtype=dtype, requires_grad=True) for width in widths]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    ndim=st.sampled_from([2, 3]),
    batch=st.integers(1, 2),
    widths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    kernel=st.sampled_from([1, 3]),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    with_bias=st.booleans(),
    channels_last=st.booleans(),
    chunk=st.sampled_from([64, 2**24]),
)
def test_outputs_and_gradients_are_those_of_the_concatenation(
    seed: int, ndim: int, batch: int, widths: list[int], kernel: int, stride: int, dilation: int,
    with_bias: bool, channels_last: bool, chunk: int,
) -> None:  # fmt: skip
    torch.manual_seed(seed)
    size = [int(n) for n in torch.randint(3, 8, (ndim,))]
    x = features(widths, *size, batch=batch)
    if channels_last:
        layout = torch.channels_last if ndim == 2 else torch.channels_last_3d
        x = [t.detach().contiguous(memory_format=layout).requires_grad_() for t in x]
    weight = torch.randn(3, sum(widths), *[kernel] * ndim, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True) if with_bias else None
    wanted = [*x, weight, *([] if bias is None else [bias])]
    found, outputs = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_part, "CHUNK_BYTES", chunk)  # a small one takes samples and channels one by one
        for function in (concat_conv, convolved):
            out = function(x, weight, bias, stride, dilation * (kernel // 2), dilation)
            grad = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(seed))
            outputs.append(out)
            found.append(torch.autograd.grad(out, wanted, grad))
    torch.testing.assert_close(outputs[0], outputs[1])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradients_of_features_that_need_none_are_left_out() -> None:
    x = features([2, 3], 5, 5)
    weight = torch.randn(4, 5, 3, 3, dtype=torch.float64)
    concat_conv(x, weight, padding=1).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is None
    frozen = [t.detach() for t in x]
    weight.requires_grad_()
    concat_conv(frozen, weight, padding=1).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None


def test_the_concatenation_is_not_kept() -> None:
    x = features([4, 4, 4], 16, 16, dtype=torch.float32)
    weight = torch.randn(1, 12, 3, 3, requires_grad=True)
    result = 2 * 16 * 16 * 4
    concatenation = 12 * result
    assert kept_bytes(lambda: concat_conv(x, weight, padding=1)) == result
    assert kept_bytes(lambda: convolved(x, weight, padding=1)) == result + concatenation


def test_a_feature_changed_in_place_before_the_backward_pass_is_noticed() -> None:
    x = torch.ones(1, 2, 4, 4)
    out = concat_conv([x, x], torch.ones(1, 4, 3, 3, requires_grad=True))
    x.add_(1)
    with pytest.raises(RuntimeError, match=r"shape \(1, 2, 4, 4\) .* was changed in place"):
        out.sum().backward()  # type: ignore[no-untyped-call]


def test_autocast_is_that_of_a_convolution() -> None:
    torch.manual_seed(0)
    x = features([3, 5], 8, 8, dtype=torch.float32)
    weight = torch.randn(4, 8, 3, 3, requires_grad=True)
    found: list[Any] = []
    for function in (concat_conv, convolved):
        with torch.autocast("cpu", torch.bfloat16):
            out = function(x, weight, None, 1, 1)
        assert out.dtype == torch.bfloat16
        found.append((out, *torch.autograd.grad(out.float().square().sum(), [*x, weight])))
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == theirs.dtype
        torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2 * float(theirs.detach().abs().max()))


def test_compiles_as_one_graph() -> None:
    x = features([2, 3], 6, 6)
    weight = torch.randn(4, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    compiled = torch.compile(concat_conv, fullgraph=True, backend="eager", dynamic=False)
    torch.testing.assert_close(compiled(x, weight), convolved(x, weight))


def test_widths_that_are_not_the_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"for 4 channels, the features have \[2, 3\]"):
        concat_conv(features([2, 3], 4, 4), torch.ones(1, 4, 3, 3))
