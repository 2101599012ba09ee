"""Heads: from features to logits at the image's resolution."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.auxiliary import ForegroundPresence
from unetzoo.blocks import patch_expanding
from unetzoo.levels import Level, ratio
from unetzoo.nd import Norm, Resize, conv, conv_unit, norm, resize

__all__ = [
    "BinaryFusedHead",
    "BinaryHead",
    "ClassGuidedHead",
    "ConcatHead",
    "FusedHead",
    "Head",
    "HiddenHead",
    "NestedHead",
    "PatchExpandingHead",
]


class Head(nn.Module):
    """A convolution on the finest row; logits are resized where that row is coarser than the image.

    Args:
        kernel_size: ``None`` takes the row itself as logits, for decoders of scores (FCN).

    Attributes:
        activation: What turns logits into probabilities, softmax or sigmoid; none: they are an image.
        outputs: Number of logit channels.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        outputs: int,
        *,
        activation: Literal["softmax", "sigmoid", "none"],
        kernel_size: int | None = 3,
    ) -> None:
        super().__init__()
        self.activation, self.outputs = activation, outputs
        finest = levels[0]
        if kernel_size is None and finest.channels != outputs:
            raise ValueError(
                f"head.kernel_size=null takes the decoder's {finest.channels} channels for {outputs} logits; "
                "give it a kernel size, or a decoder of scores (decoder=score)"
            )
        self.conv = (
            nn.Identity()
            if kernel_size is None
            else conv(len(finest.stride), finest.channels, outputs, kernel_size)
        )
        self.resize = resize(finest.stride)

    def forward(self, decoded: list[Tensor]) -> Tensor:
        """Decoder outputs, coarsest first, to (B, outputs, *size)."""
        out: Tensor = self.resize(self.conv(decoded[-1]))
        return out


class BinaryHead(Head):
    """A single logit for two classes: background, and the object where the logit is positive."""

    def __init__(
        self,
        levels: Sequence[Level],
        num_classes: int,
        *,
        activation: Literal["sigmoid"] = "sigmoid",
        kernel_size: int = 3,
    ) -> None:
        _refuse_more_than_two(num_classes)
        super().__init__(levels, 1, activation=activation, kernel_size=kernel_size)


class HiddenHead(Head):
    """A 3x3 convolution with norm and ReLU in front of the logits' own (Yu et al. 2018, arXiv:1808.00897).

    Args:
        hidden: Channels between the two.
        side_hidden: The same in the heads of deep supervision; ``None`` is ``hidden``.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        outputs: int,
        *,
        activation: Literal["softmax", "sigmoid"] = "softmax",
        kernel_size: int = 1,
        hidden: int = 64,
        side_hidden: int | None = None,
        norm: Norm | None = "batch",
    ) -> None:
        finest = levels[0]
        super().__init__(
            [Level(hidden, finest.stride)], outputs, activation=activation, kernel_size=kernel_size
        )
        unit = conv_unit(len(finest.stride), finest.channels, hidden, norm_name=norm)
        self.conv = nn.Sequential(*unit, self.conv)
        self.side = partial(
            HiddenHead,
            activation=activation,
            kernel_size=kernel_size,
            hidden=hidden if side_hidden is None else side_hidden,
            norm=norm,
        )


class PatchExpandingHead(Head):
    """Norm, learned upsampling to the image's resolution by `patch_expanding`, 1x1 convolution without bias.

    The end of Swin-Unet (Cao et al. 2021, arXiv:2105.05537, sec. 3.5), and of VM-UNet (arXiv:2402.02491) with
    ``normed=False``, ``reduction=4`` and ``bias=True``. The heads of deep supervision are plain ones:
    expanding a coarser row so would cost as many channels as it has pixels to fill.

    Args:
        channels: Width at the image's resolution; ``None`` is the row's, divided by ``reduction``.
        reduction: See ``channels``.
        normed: Whether the norm stands first.
        bias: Of the last convolution.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        outputs: int,
        *,
        activation: Literal["softmax", "sigmoid"] = "softmax",
        kernel_size: int = 1,
        channels: int | None = None,
        reduction: int = 1,
        normed: bool = True,
        bias: bool = False,
    ) -> None:
        width, stride = levels[0]
        ndim = len(stride)
        image = Level(channels or max(1, width // reduction), (1,) * ndim)
        super().__init__([image], outputs, activation=activation, kernel_size=kernel_size)
        expand, _ = patch_expanding(levels[0], image)
        logits = conv(ndim, image.channels, outputs, kernel_size, bias=bias)
        self.conv = nn.Sequential(norm("layer" if normed else None, ndim, width), expand, logits)
        self.side = partial(Head, activation=activation, kernel_size=kernel_size)


class FusedHead(nn.Module):
    """Logits of every decoder row, resized and fused by a 1x1 convolution.

    The deep supervision of the Attention U-Net (Oktay et al. 2018, arXiv:1804.03999), where the loss sees
    only the fused logits. U2-Net (Qin et al. 2020, arXiv:2005.09007) supervises the rows' own logits too:
    with the network's ``deep_supervision`` it is ``forward_deep`` that is trained.

    Args:
        kernel_size: Of the convolution on each row.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        num_classes: int,
        *,
        activation: Literal["softmax", "sigmoid"] = "softmax",
        kernel_size: int = 1,
    ) -> None:
        super().__init__()
        self.activation, self.outputs = activation, num_classes
        self.rows = nn.ModuleList(
            Head([level], num_classes, activation=activation, kernel_size=kernel_size)
            for level in reversed(levels)
        )
        self.fuse = conv(len(levels[0].stride), num_classes * len(levels), num_classes)

    def forward(self, decoded: list[Tensor]) -> Tensor:
        """Decoder outputs, coarsest first, to (B, num_classes, *size)."""
        return self.forward_deep(decoded)[0]

    def forward_deep(self, decoded: list[Tensor]) -> list[Tensor]:
        """The fused logits, then each row's, finest first."""
        sides = [row([d]) for row, d in zip(self.rows, decoded, strict=True)]
        return [self.fuse(torch.cat(sides, 1)), *reversed(sides)]


class BinaryFusedHead(FusedHead):
    """`FusedHead` with a single logit for two classes."""

    def __init__(
        self,
        levels: Sequence[Level],
        num_classes: int,
        *,
        activation: Literal["sigmoid"] = "sigmoid",
        kernel_size: int = 1,
    ) -> None:
        _refuse_more_than_two(num_classes, "head=fused")
        super().__init__(levels, 1, activation=activation, kernel_size=kernel_size)


class ClassGuidedHead(nn.Module):
    """Turns the logits of an image off where a classifier finds no foreground in it.

    The classification-guided module of UNet 3+ (Huang et al. 2020, arXiv:2004.08790, sec. 2.3): a classifier
    on the coarsest decoder row multiplies the logits of every supervised row by 0 or 1. The choice lets no
    gradient through, so the classifier has an objective of its own, which is trained beside the loss.

    Args:
        head: Makes the head that is guided.
        activation: The guided head's.
        gate: hard (0 or 1) or soft (the classifier's probability, which keeps every pixel's best class).
        weight: Factor of the classifier's loss beside the main one.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        num_classes: int,
        *,
        head: Callable[..., Head],
        activation: Literal["softmax", "sigmoid"],
        gate: Literal["hard", "soft"] = "hard",
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        if gate not in ("hard", "soft"):
            raise ValueError(f"gate must be hard or soft, not {gate!r}")
        self.make_head = partial(head, activation=activation)
        self.head = self.make_head(levels, num_classes)
        self.activation, self.outputs = activation, self.head.outputs
        self.soft, self.coarsest = gate == "soft", levels[-1]
        self.presence = ForegroundPresence(levels, num_classes, weight=weight)

    def side(self, levels: Sequence[Level], num_classes: int) -> nn.Module:
        """A head for a side output; guided too, unless it does not see the coarsest row."""
        head = self.make_head(levels, num_classes)
        return _GuidedSide(self, head) if levels[-1] == self.coarsest else head

    def guide(self, coarsest: Tensor) -> Tensor:
        """(B, C, *size) to the factor of the logits, (B, 1, *ones)."""
        absent, present = self.presence.classify(coarsest).chunk(2, 1)
        return (present - absent).sigmoid() if self.soft else (present > absent).to(coarsest.dtype)

    def forward(self, decoded: list[Tensor]) -> Tensor:
        """Decoder outputs, coarsest first, to (B, outputs, *size)."""
        out: Tensor = self.head(decoded) * self.guide(decoded[0])
        return out


class _GuidedSide(nn.Module):
    """A side head under the main one's classifier: held, not owned, so its weights are listed once."""

    def __init__(self, main: ClassGuidedHead, head: nn.Module) -> None:
        super().__init__()
        self.main, self.head = (main,), head

    def forward(self, decoded: list[Tensor]) -> Tensor:
        out: Tensor = self.head(decoded) * self.main[0].guide(decoded[0])
        return out


class NestedHead(nn.Module):
    """One number per pixel for classes that contain one another: whole tumour, its core, enhancing part.

    Hu et al. 2018, arXiv:1810.09488, on the multi-level activation of Piraud et al. 2018, arXiv:1804.01910:
    ``a(x) = sum_n sigmoid(k (x + h (n - (N + 1) / 2)))`` is the number of sets that hold the pixel. The head
    gives the N summands' logits, outermost set first, as if every set had a channel of its own: they differ
    by a constant, so a pixel of an inner set is one of every outer set, before and after tiles are blended.
    For ``data.multilabel=true`` and classes listed from the outermost to the innermost.

    Args:
        num_classes: N, the nested sets; the background is none of them.
        k: Steepness of a step.
        h: Distance between two steps, in units of x; plateaus are flat where ``k h`` is large.
        rows: Decoder rows, finest first, whose 1x1 convolutions are added up to x, as in Isensee et al. 2017,
            arXiv:1802.10508.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        num_classes: int,
        *,
        activation: Literal["sigmoid"] = "sigmoid",
        k: float = 10.0,
        h: float = 0.5,
        rows: int = 1,
        kernel_size: int = 1,
    ) -> None:
        super().__init__()
        if min(k, h) <= 0:
            raise ValueError(f"steepness and distance of the steps must be positive, got k={k} and h={h}")
        self.activation, self.outputs, self.k, self.h = activation, num_classes, float(k), float(h)
        finest, ndim = levels[0], len(levels[0].stride)
        self.convs = nn.ModuleList(conv(ndim, row.channels, 1, kernel_size) for row in levels[:rows])
        self.ups = nn.ModuleList(
            nn.Identity() if row is finest else Resize(ratio(row.stride, finest.stride), "nearest")
            for row in levels[:rows]
        )
        self.resize = resize(finest.stride)

    def steps(self, x: Tensor) -> Tensor:
        """(B, 1, *size) to the logits (B, N, *size) of the nested sets, outermost first."""
        middle = (self.outputs - 1) / 2
        # float32: k times a rounded x would shift the steps
        return torch.cat([self.k * (x.float() + self.h * (middle - n)) for n in range(self.outputs)], 1)

    def forward(self, decoded: list[Tensor]) -> Tensor:
        """Decoder outputs, coarsest first, to (B, N, *size)."""
        finest_first = decoded[: -len(self.convs) - 1 : -1]
        maps = [up(conv(row)) for up, conv, row in zip(self.ups, self.convs, finest_first, strict=True)]
        return self.steps(self.resize(torch.stack(maps).sum(0)))


class ConcatHead(nn.Module):
    """All decoder rows at the finest one's size, concatenated, and two convolutions (FFNet).

    Mehta et al. 2022, arXiv:2206.08236, section 3. Convolutions have a bias, as in the authors' code.

    Args:
        channels: Between the convolutions: 512 in the paper's head A, 256 in B, 128 in C.
        kernel_size: Of the second: 1 in A and C, 3 in B.
        up: nearest | linear.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        outputs: int,
        *,
        activation: Literal["softmax", "sigmoid"] = "softmax",
        channels: int = 512,
        kernel_size: int = 1,
        up: Literal["nearest", "linear"] = "linear",
    ) -> None:
        super().__init__()
        self.activation, self.outputs = activation, outputs
        finest, *coarser = levels
        ndim, width = len(finest.stride), sum(level.channels for level in levels)
        self.ups = nn.ModuleList(Resize(ratio(row.stride, finest.stride), up) for row in reversed(coarser))
        self.body = nn.Sequential(
            *conv_unit(ndim, width, channels, bias=True), conv(ndim, channels, outputs, kernel_size)
        )
        self.resize = resize(finest.stride)

    def forward(self, decoded: list[Tensor]) -> Tensor:
        """Decoder outputs, coarsest first, to (B, outputs, *size)."""
        *coarser, finest = decoded
        rows = [up(row) for up, row in zip(self.ups, coarser, strict=True)]
        out: Tensor = self.resize(self.body(torch.cat([finest, *reversed(rows)], 1)))
        return out


def _refuse_more_than_two(num_classes: int, instead: str = "head=multiclass or multilabel") -> None:
    if num_classes != 2:
        raise ValueError(f"the binary head is for 2 classes, got {num_classes}; choose {instead}")
