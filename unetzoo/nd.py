"""Convolution, norm, activation, pooling and upsampling for 2D and 3D, chosen by name.

The dimension is an argument everywhere (``len(level.stride)``), so that parts are written once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, reduce
from math import gcd
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.levels import Level, ratio

__all__ = [
    "Activation",
    "Norm",
    "Resize",
    "Upsample",
    "activation",
    "conv",
    "conv_unit",
    "crop_to",
    "full_precision",
    "max_pool",
    "mean_pool",
    "norm",
    "pad_to_multiple",
    "resize",
    "sum_of",
    "upsample",
]

Norm = Literal["batch", "instance", "plain_instance", "group", "layer"]
_Activation = Literal["relu", "leaky_relu", "gelu", "silu", "relu6", "prelu"]
Activation = _Activation | tuple[_Activation, Mapping[str, Any]]
Upsample = Literal["nearest", "linear", "transposed"]

_ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "leaky_relu": partial(nn.LeakyReLU, inplace=True),
    "relu6": partial(nn.ReLU6, inplace=True),
    "gelu": nn.GELU,
    "silu": partial(nn.SiLU, inplace=True),
    "prelu": nn.PReLU,
}


def conv(
    ndim: int,
    c_in: int,
    c_out: int,
    size: int | tuple[int, ...] = 1,
    *,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | None = None,
    bias: bool = True,
    groups: int = 1,
    dilation: int = 1,
) -> nn.Module:
    """``Conv2d`` or ``Conv3d``, padded to keep an odd kernel's size unless ``padding`` says otherwise."""
    if padding is None:
        padding = dilation * (size // 2) if isinstance(size, int) else 0
    kind: type[nn.Module] = {2: nn.Conv2d, 3: nn.Conv3d}[ndim]
    return kind(c_in, c_out, size, stride, padding, groups=groups, bias=bias, dilation=dilation)


def norm(name: Norm | None, ndim: int, channels: int) -> nn.Module:
    """Norm by name; ``None`` is the identity. Groups are the largest divisor of ``channels`` up to 8.

    A plain instance norm has no weights.
    """
    if name is None:
        return nn.Identity()
    if name == "batch":
        return nn.BatchNorm2d(channels) if ndim == 2 else nn.BatchNorm3d(channels)
    if name == "instance":
        return _InstanceNorm(channels)
    if name == "plain_instance":
        return _InstanceNorm(channels, affine=False)
    if name == "group":
        return nn.GroupNorm(gcd(8, channels), channels)
    if name == "layer":
        return _ChannelNorm(channels)
    choices = "batch, instance, plain_instance, group, layer or null"
    raise ValueError(f"norm {name!r} is unknown; choose {choices}")


class _ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every pixel, as transformers take it of a token."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class _InstanceNorm(nn.Module):
    """Instance norm in any dimension; a single pixel gives the bias, where torch's layers refuse."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, channels: int, eps: float = 1e-5, *, affine: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return torch.instance_norm(
            x, self.weight, self.bias, None, None, True, 0.0, self.eps, torch.backends.cudnn.enabled
        )


def activation(name: Activation) -> nn.Module:
    """Activation by name, or by name and options: ``[leaky_relu, {negative_slope: 0.1}]``."""
    kind, options = (name, {}) if isinstance(name, str) else name
    if kind not in _ACTIVATIONS:
        raise ValueError(f"activation {kind!r} is unknown; choose {', '.join(_ACTIVATIONS)}")
    try:
        return _ACTIVATIONS[kind](**options)
    except TypeError as error:
        raise ValueError(f"activation {kind!r} has no such options: {dict(options)}; see torch.nn") from error


def conv_unit(
    ndim: int,
    c_in: int,
    c_out: int,
    size: int = 3,
    *,
    stride: int | tuple[int, ...] = 1,
    norm_name: Norm | None = "batch",
    activation_name: Activation | None = "relu",
    bias: bool | None = None,
    dilation: int = 1,
    groups: int = 1,
) -> list[nn.Module]:
    """Convolution, norm, activation, as a list to be spread into a ``Sequential``.

    Args:
        bias: ``None`` gives the convolution a bias only where no norm follows it.
    """
    bias = norm_name is None if bias is None else bias
    layers = [conv(ndim, c_in, c_out, size, stride=stride, bias=bias, groups=groups, dilation=dilation)]
    # He et al. 2015, arXiv:1502.01852: torch's own default lets a deep network without norm fade
    nn.init.kaiming_normal_(cast(Tensor, layers[0].weight), nonlinearity="relu")
    if norm_name is not None:
        layers.append(norm(norm_name, ndim, c_out))
    if activation_name is not None:
        layers.append(activation(activation_name))
    return layers


def max_pool(factor: tuple[int, ...], *, ceil: bool = False) -> nn.Module:
    """Max pooling whose window is its stride; ``ceil`` keeps what is left over at the far end."""
    kind: type[nn.Module] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[len(factor)]
    return kind(factor, ceil_mode=ceil)


def mean_pool(factor: tuple[int, ...]) -> nn.Module:
    """Average pooling whose window is its stride."""
    kind: type[nn.Module] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}[len(factor)]
    return kind(factor)


def full_precision(x: Tensor) -> torch.autocast:
    """A context in which autocast leaves what is computed from ``x`` as it is."""
    # the meta device knows no autocast
    known = torch.amp.is_autocast_available(x.device.type)
    return torch.autocast(x.device.type if known else "cpu", enabled=False)


def pad_to_multiple(x: Tensor, unit: Sequence[int]) -> Tensor:
    """Repeat the border of (B, C, *size) at the far end of each axis up to the next multiple of ``unit``."""
    # written so that divisions stay positive: ONNX rounds negative ones the other way
    missing = [(size + n - 1) // n * n - size for size, n in zip(x.shape[2:], unit, strict=True)]
    # while a graph with dynamic sizes is recorded these are symbols, and padding must stay in the graph
    if all(isinstance(m, int) and m == 0 for m in missing):
        return x
    # F.pad lists the last axis first
    return F.pad(x, [p for m in reversed(missing) for p in (0, m)], mode="replicate")


def crop_to(x: Tensor, like: Tensor) -> Tensor:
    """Take the padding off again."""
    for axis in range(2, x.dim()):
        x = x.narrow(axis, 0, like.shape[axis])
    return x


class Resize(nn.Module):
    """Interpolate by a constant factor per axis; channels are kept.

    The factor comes from strides and is exact, so the operator exports with constants instead of
    shape arithmetic.
    """

    def __init__(self, factor: tuple[int, ...], mode: Literal["nearest", "linear"] = "linear") -> None:
        super().__init__()
        self.factor = tuple(float(f) for f in factor)
        self.mode = {"nearest": "nearest", "linear": "bilinear" if len(factor) == 2 else "trilinear"}[mode]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, C, *(size * factor))."""
        # torch wants a list here, and align_corners left alone for nearest
        corners: dict[str, Any] = {} if self.mode == "nearest" else {"align_corners": False}
        return F.interpolate(x, scale_factor=list(self.factor), mode=self.mode, **corners)

    def extra_repr(self) -> str:
        """Factor and mode for ``print(model)``."""
        return f"{self.factor}, {self.mode}"


def resize(factor: tuple[int, ...]) -> nn.Module:
    """Linear interpolation by a factor per axis, the identity where all are 1."""
    return nn.Identity() if max(factor) == 1 else Resize(factor)


def sum_of(maps: Iterable[Tensor]) -> Tensor:
    """Sum of tensors of one shape, one after the other; a stack of them would be written and read again."""
    return reduce(torch.add, maps)


def upsample(kind: Upsample, coarse: Level, fine: Level) -> tuple[nn.Module, int]:
    """The module from a coarse row to a fine one, and the channels it delivers.

    ``nearest`` and ``linear`` keep the coarse row's channels; ``transposed`` is a transposed convolution
    whose kernel is its stride (no checkerboard) and delivers the fine row's.
    """
    factor = ratio(coarse.stride, fine.stride)
    if kind == "transposed":
        transposed: type[nn.Module] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[len(factor)]
        return transposed(coarse.channels, fine.channels, factor, stride=factor), fine.channels
    if kind not in ("nearest", "linear"):
        raise ValueError(f"upsample {kind!r} is unknown; choose nearest, linear or transposed")
    return Resize(factor, kind), coarse.channels
