"""Train in less memory: what is quickly computed is computed again in the backward pass, not kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from unetzoo.ops.concat_conv.by_part import CHUNK_BYTES, conv_by_part
from unetzoo.ops.concat_conv.features import Feature, Joined, Kept, Remade

__all__ = ["lean"]

_aten = torch.ops.aten


def _ops(*names: str) -> set[Callable[..., Any]]:
    return {getattr(_aten, name).default for name in names}


# the backward passes of these keep their input in any case
_OF_A_KEPT_INPUT = _ops(
    "native_batch_norm", "cudnn_batch_norm", "native_group_norm", "native_layer_norm",
    "gelu", "silu", "hardswish", "mish", "softplus", "hardtanh", "leaky_relu", "_prelu_kernel",
)  # fmt: skip
# the result is the larger one
_GROWING = _ops("upsample_nearest2d", "upsample_nearest3d", "upsample_bilinear2d", "upsample_trilinear3d")
_BATCH_NORMS = _ops("native_batch_norm", "cudnn_batch_norm")
# worth it only where what they start from is not kept either
_CHEAP = _ops("relu", "sigmoid", "tanh", "elu", "hardsigmoid", "constant_pad_nd", "clone", "_to_copy") | {
    _aten.mul.Tensor
}
_IN_PLACE = {
    getattr(_aten, f"{name}_").default: getattr(_aten, name).default
    for name in ("relu", "silu", "leaky_relu", "hardtanh", "hardswish", "hardsigmoid", "elu", "mish")
}


def lean(on: bool = True) -> AbstractContextManager[None]:
    """Keep what takes long to compute for the backward pass, and of the rest how to make it again.

    Outputs of convolutions and matrix products are kept. Norms, activations, concatenations, upsampling and
    what else is elementwise are done again when the backward pass asks for their results, one by one,
    and a convolution of a concatenation meets one part at a time (`unetzoo.ops.concat_conv`). Gradients are
    those of the plain pass: a batch norm is not run again but applied with the statistics it found, so
    running statistics are updated once; what a dropout drew is kept. Torch refuses second derivatives.

    Only the forward pass goes into the context. It does nothing where no gradients are wanted, and nothing
    while a graph is compiled or exported: torch.compile plans by itself what it computes again.
    """
    if on and torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return _remembering()
    return nullcontext()


@contextmanager
def _remembering() -> Iterator[None]:
    memory = _Memory()
    with (
        torch.autograd.graph.saved_tensors_hooks(memory.pack, memory.unpack),
        memory,
        _Convolutions(memory),
    ):
        yield


class _Memory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down how tensors were made, and hands that to autograd in their place."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # with the version of the tensor that it holds for
        self.known: Any = WeakTensorKeyDictionary()
        self.latest: Tensor | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func is _aten.cat.default:
            self._note_joined(out, *args)
        elif func in _IN_PLACE:
            made = self.remade(args[0])
            if made is not None:
                # autograd counts the change after this
                self.known[out] = Remade(_IN_PLACE[func], [made, *args[1:]], kwargs), out._version + 1
        elif func in _BATCH_NORMS:
            self.note(out[0], _batch_norm(func, [self.feature(a) for a in args], out))
        elif self._worth(func, args, out):
            features = [self.feature(a) for a in args]
            if isinstance(out, Tensor):
                self.note(out, Remade(func, features, kwargs))
            else:
                for i, result in enumerate(out if func.is_view else out[:1]):
                    self.note(result, Remade(func, features, kwargs, i))
        return out

    def _worth(self, func: Any, args: tuple[Any, ...], out: Any) -> bool:
        if func in _OF_A_KEPT_INPUT:
            return True
        if func in _GROWING or _is_spreading(func, args):
            return bool(out.numel() >= args[0].numel())
        return (func in _CHEAP or func.is_view) and self.remade(args[0]) is not None

    def _note_joined(self, out: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> None:
        # a part of something larger would keep all of it
        whole = all(self.remade(t) or t.untyped_storage().nbytes() == t.nbytes for t in tensors)
        if dim == 1 and whole:
            parts, widths = list[Feature](), list[int]()
            for tensor in tensors:
                feature = self.feature(tensor)
                nested = isinstance(feature, Joined) and feature.dim == dim
                parts += feature.parts if nested else [feature]
                widths += feature.widths if nested else [tensor.shape[dim]]
            self.note(out, Joined(parts, widths, dim, out))

    def note(self, tensor: Tensor, made: Remade) -> None:
        """Remember how a tensor was made."""
        self.known[tensor] = made, tensor._version

    def remade(self, tensor: Any) -> Remade | None:
        """How a tensor was made, if that is known and nobody wrote into it since."""
        made, version = self.known.get(tensor, (None, 0)) if isinstance(tensor, Tensor) else (None, 0)
        return made if made is not None and version == tensor._version else None

    def feature(self, value: Any) -> Any:
        """A tensor as a feature, anything else as it is."""
        return (self.remade(value) or Kept.now(value)) if isinstance(value, Tensor) else value

    def pack(self, tensor: Tensor) -> Feature:
        """What autograd keeps of a tensor."""
        # an operation that kept its own output with its graph would never be freed
        return self.remade(tensor) or Kept(tensor.detach(), tensor._version)

    def unpack(self, feature: Feature) -> Tensor:
        """What autograd asks for."""
        out = feature.make()
        # a convolution asks for its input, and the activation that gave it for the same right after
        self.latest = None if out is self.latest else out
        return out


def _is_spreading(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether it is a transposed convolution in which every pixel of the result comes from one pixel."""
    if func is not _aten.convolution.default:
        return False
    _, weight, _, stride, _, _, transposed, *_ = args
    return transposed and [*weight.shape[2:]] == [*stride]


def _batch_norm(func: Any, args: list[Any], out: Sequence[Tensor]) -> Remade:
    x, weight, bias, _, _, training, momentum, eps = args
    if not training:
        return Remade(func, args, {}, 0)
    mean, inverse = out[1], out[2]
    if mean.device.type == "cpu" and mean.dtype in (torch.float32, torch.float64):
        return Remade(_normalised, [x, weight, bias, Kept.now(mean), Kept.now(inverse)], {})
    return Remade(func, [x, weight, bias, None, None, True, momentum, eps], {}, 0)


def _normalised(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, inverse: Tensor
) -> Tensor:
    """Batch norm with the statistics it found, to the last bit, in a tenth of the time."""
    scale = inverse if weight is None else weight * inverse
    ones = torch.ones_like(mean)
    out: Tensor = torch.native_batch_norm(x, scale, bias, mean, ones, False, 0.0, 0.0)[0]
    return out


class _Convolutions(TorchFunctionMode):
    """Lets the convolution of a concatenation go back part by part."""

    def __init__(self, memory: _Memory) -> None:
        super().__init__()
        self.memory = memory

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (torch.conv2d, torch.conv3d):
            return self.convolve(func, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def convolve(
        self,
        func: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        """The convolution."""
        made = self.memory.remade(input)
        if made is None or groups > 1 or isinstance(padding, str):
            return func(input, weight, bias, stride, padding, dilation, groups)
        if isinstance(made, Joined) and made.dim == 1:
            parts, widths = made.parts, made.widths
        elif input.nbytes > CHUNK_BYTES:
            parts, widths = [made], [input.shape[1]]
        else:
            return func(input, weight, bias, stride, padding, dilation, groups)
        return conv_by_part(input, parts, widths, weight, bias, stride, padding, dilation)
