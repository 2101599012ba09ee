"""FFNet's backbones: plain ResNets, deeper and thinner than usual."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from unetzoo.blocks import ResidualBlock
from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level
from unetzoo.nd import Activation, Norm, activation, conv_unit

__all__ = ["FFNetEncoder"]


class _Plan(NamedTuple):
    """Width of the stem's convolutions, widths and numbers of blocks of the stages behind it."""

    stem: tuple[int, ...]
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    bottleneck: bool = False


def _large(*blocks: int, bottleneck: bool = False) -> _Plan:
    return _Plan((64,), (64, 128, 256, 512), blocks, bottleneck)


def _slim(*blocks: int) -> _Plan:
    return _Plan((32, 64), (64, 128, 192, 320), blocks)


def _three(*blocks: int, slim: bool = False) -> _Plan:
    return _Plan((64, 64, 64), (64, 128, 256) if slim else (96, 160, 320), blocks)


_PLANS = {
    "18": _large(2, 2, 2, 2),
    "34": _large(3, 4, 6, 3),
    "50": _large(3, 4, 6, 3, bottleneck=True),
    "56": _large(4, 8, 12, 3),
    "86": _large(8, 12, 16, 6),
    "101": _large(3, 4, 23, 3, bottleneck=True),
    "134": _large(8, 18, 28, 12),
    "150": _large(16, 18, 28, 12),
    "22S": _slim(2, 3, 3, 2),
    "30S": _slim(3, 4, 4, 3),
    "40S": _slim(4, 5, 6, 4),
    "54S": _slim(5, 8, 8, 5),
    "78S": _slim(6, 12, 12, 8),
    "86S": _slim(8, 12, 16, 6),
    "150S": _slim(16, 18, 28, 12),
    "46N": _three(6, 8, 8),
    "74N": _three(8, 12, 16),
    "122N": _three(16, 24, 20),
    "46NS": _three(6, 8, 8, slim=True),
    "74NS": _three(8, 12, 16, slim=True),
    "122NS": _three(16, 24, 20, slim=True),
}


class FFNetEncoder(Encoder):
    """ResNets of basic blocks, chosen for speed on phones and graphics cards.

    Mehta et al. 2022, "Simple and Efficient Architectures for Semantic Segmentation", arXiv:2206.08236. Four
    rows, of stride 4 to 32: the four stages of type A (a number alone) and B (S, slim), the stem and the
    three stages of type C (N and NS).

    Args:
        backbone: The number of layers, then the type: 18, 34, 50, 56, 86, 101, 134, 150; 22S, 30S, 40S, 54S,
            78S, 86S, 150S; 46N, 74N, 122N, 46NS, 74NS, 122NS.
        reduce: Let the first stage halve the size once more, so that strides are 8 to 64 (``_d`` in the
            paper's names). Not for type C.
        channels: Widths of the stages in place of the backbone's, finest first.
        blocks: Numbers of blocks in place of the backbone's, likewise.

    Raises:
        ValueError: If there is no such backbone, it cannot be reduced, or has another number of stages.
    """

    channels_last = True

    def __init__(
        self,
        in_channels: int,
        *,
        backbone: str = "86",
        reduce: bool = False,
        channels: Sequence[int] | None = None,
        blocks: Sequence[int] | None = None,
        ndim: int = 2,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        if str(backbone) not in _PLANS:
            raise ValueError(f"FFNet has no backbone {backbone!r}; choose one of {', '.join(_PLANS)}")
        plan = _PLANS[str(backbone)]
        three = len(plan.channels) == 3
        sizes, counts = tuple(channels or plan.channels), tuple(blocks or plan.blocks)
        if not len(sizes) == len(counts) == len(plan.channels):
            raise ValueError(
                f"backbone {backbone} has {len(plan.channels)} stages, but channels are {list(sizes)} and "
                f"blocks {list(counts)}; list one number for each"
            )
        if three and reduce:
            raise ValueError(f"backbone {backbone} cannot be reduced; choose one without an N")
        self.stem = _stem(ndim, in_channels, plan.stem, norm=norm, activation=activation)
        self.rows_from_stem = three
        width, first = plan.stem[-1], 1 + (three or reduce)
        widths = [c * 4 for c in sizes] if plan.bottleneck else list(sizes)
        block: Callable[..., nn.Module] = _Bottleneck if plan.bottleneck else ResidualBlock
        self.stages = nn.ModuleList()
        for row, (c_out, count) in enumerate(zip(widths, counts, strict=True)):
            self.stages.append(
                nn.Sequential(
                    *(
                        block(
                            ndim,
                            c_out if k else width,
                            c_out,
                            stride=1 if k else (2 if row else first),
                            norm=norm,
                            activation_name=activation,
                        )
                        for k in range(count)
                    )
                )
            )
            width = c_out
        rows = [plan.stem[-1], *widths] if three else widths
        self.levels = [Level(c, ((8 if reduce else 4) * 2**row,) * ndim) for row, c in enumerate(rows)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        x = self.stem(x)
        features = [x] if self.rows_from_stem else []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def _stem(
    ndim: int, in_channels: int, widths: tuple[int, ...], *, norm: Norm | None, activation: Activation
) -> nn.Sequential:
    """To stride 4: ResNet's 7x7 convolution and pooling, or 3x3 convolutions of which two are strided."""
    if len(widths) == 1:
        pool: type[nn.Module] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[ndim]
        return nn.Sequential(
            *conv_unit(ndim, in_channels, widths[0], 7, stride=2, norm_name=norm, activation_name=activation),
            pool(3, stride=2, padding=1),
        )
    layers: list[nn.Module] = []
    for k, (a, b) in enumerate(zip((in_channels, *widths), widths, strict=False)):
        stride = 2 if k < 2 else 1
        layers += conv_unit(ndim, a, b, stride=stride, norm_name=norm, activation_name=activation)
    return nn.Sequential(*layers)


class _Bottleneck(nn.Module):
    """``act(x' + F(x))``, 3x3 between two 1x1 convolutions in F (He et al. 2016, arXiv:1512.03385)."""

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        stride: int = 1,
        norm: Norm | None = "batch",
        activation_name: Activation = "relu",
    ) -> None:
        super().__init__()
        inner = c_out // 4
        self.body = nn.Sequential(
            *conv_unit(ndim, c_in, inner, 1, norm_name=norm, activation_name=activation_name),
            *conv_unit(ndim, inner, inner, stride=stride, norm_name=norm, activation_name=activation_name),
            *conv_unit(ndim, inner, c_out, 1, norm_name=norm, activation_name=None),
        )
        self.project: nn.Module = nn.Identity()
        if c_in != c_out or stride > 1:
            self.project = nn.Sequential(
                *conv_unit(ndim, c_in, c_out, 1, stride=stride, norm_name=norm, activation_name=None)
            )
        self.act = activation(activation_name)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *(size / stride))."""
        out: Tensor = self.act(self.project(x) + self.body(x))
        return out
