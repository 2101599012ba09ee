"""Any timm backbone as an encoder."""

import os
from collections.abc import Sequence
from math import lcm
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unetzoo.encoders.base import Encoder
from unetzoo.encoders.stem import Adaptation, adapt_kernel
from unetzoo.levels import Level
from unetzoo.nd import pad_to_multiple

__all__ = ["TimmEncoder"]


class TimmEncoder(Encoder):
    """A timm backbone with hierarchical features, NCHW or NHWC, first stride 2 or 4.

    A backbone that cuts its maps into windows without padding them itself (MaxViT) is given the image padded
    by its border to whole windows in every row; ``options.img_size`` sets their size.

    Args:
        name: timm's model name, for example ``resnet34`` (``unetzoo list encoders 'resnet*'``).
        pretrained: Download timm's weights; off by default, and never needed for a trained checkpoint.
        weights: File with weights of the backbone (``.safetensors`` or ``.pth``), for machines without
            network.
        depth: Number of rows kept, finest first; ``None`` keeps all.
        bands: Names of the input's bands, which ``stem=keep_rgb`` goes by.
        stem: How weights for red, green and blue become weights for the bands: keep_rgb | mean | cyclic.
        options: Passed on to ``timm.create_model``, for example ``drop_path_rate``, or ``output_stride``
            for a backbone that is dilated instead of strided from there on.

    Raises:
        ValueError: If timm has no such backbone, or it gives no feature pyramid or takes one image size only.
        OSError: If pretrained weights cannot be downloaded.
    """

    channels_last = True

    def __init__(
        self,
        in_channels: int,
        *,
        name: str,
        pretrained: bool = False,
        weights: str | Path | None = None,
        depth: int | None = None,
        bands: Sequence[str] | None = None,
        stem: Adaptation = "cyclic",
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        has_weights = pretrained or weights is not None
        self.body = _create(
            name, pretrained, weights, depth, 3 if has_weights else in_channels, dict(options or {})
        )
        if has_weights and (in_channels != 3 or stem == "keep_rgb"):
            # several branches may see the image (FastViT); no layer behind them has three channels
            for first in [m for m in self.body.modules() if isinstance(m, nn.Conv2d) and m.in_channels == 3]:
                first.weight = nn.Parameter(adapt_kernel(first.weight.detach(), in_channels, stem, bands))
                first.in_channels = in_channels
        info = self.body.feature_info
        # a backbone dilated to an output stride repeats it; the deepest feature of a stride is its row
        by_stride = {stride: i for i, stride in enumerate(info.reduction())}
        self.kept = list(by_stride.values())
        self.levels = [Level(info.channels()[i], (stride, stride)) for stride, i in by_stride.items()]
        if len(self.levels) == 1 < len(info.reduction()):
            raise ValueError(
                f"timm model {name!r} repeats a stride ({info.reduction()}); choose a hierarchical backbone"
            )
        self.channels_first = str(getattr(self.body, "output_fmt", "NCHW")).endswith("NCHW") or not hasattr(
            self.body, "output_fmt"
        )
        _drop_unused(self.body)
        deepest = self.levels[-1].stride[0]
        windows = {tuple(m.partition_size) for m in self.body.modules() if hasattr(m, "partition_size")}
        self.unit = tuple(deepest * lcm(*sides) for sides in zip(*windows, strict=True))
        if self.body.pretrained_cfg.get("fixed_input_size"):
            _refuse_fixed_size(self, name, in_channels, deepest)
        # window masks are built from the size while the graph is recorded, as is TensorFlow's padding
        self.dynamic_size = not any(
            hasattr(m, "window_size") or type(m).__name__.endswith("Same") for m in self.body.modules()
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """One (B, C_i, H / stride_i, W / stride_i) per row."""
        every: list[Tensor] = self.body(pad_to_multiple(x, self.unit) if self.unit else x)
        features = [every[i] for i in self.kept]
        if not self.channels_first:
            features = [f.permute(0, 3, 1, 2).contiguous() for f in features]
        if self.unit:
            height, width = x.shape[2:]
            strides = [level.stride[0] for level in self.levels]
            features = [f[..., : height // s, : width // s] for f, s in zip(features, strides, strict=True)]
        return features


def _create(
    name: str,
    pretrained: bool,
    weights: str | Path | None,
    depth: int | None,
    in_channels: int,
    options: dict[str, Any],
) -> Any:
    import timm

    if weights is not None and not Path(weights).is_file():
        raise FileNotFoundError(
            f"{weights}: no such weights file; give the path of timm's weights for {name}"
        )
    if name.split(".")[0] not in timm.list_models():
        from difflib import get_close_matches

        near = get_close_matches(name, timm.list_models(), 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; see unetzoo list encoders '*'"
        raise ValueError(f"timm has no model {name!r}{hint}")
    options |= {"features_only": True, "in_chans": in_channels}
    # without weights first, so that what goes wrong later is the weights' fault
    try:
        if depth is not None:
            options["out_indices"] = _first_rows(name, options, depth)
        body = _any_size(name, options)
    except (RuntimeError, AttributeError, AssertionError, IndexError) as error:
        raise ValueError(
            f"timm model {name!r} gives no such feature pyramid ({_first_line(error)}); choose another"
        ) from error
    if weights is not None:
        file = {"pretrained_cfg_overlay": {"file": os.fspath(weights)}}
        try:
            body = _any_size(name, options | file | {"pretrained": True})
            _refuse_partial(body, weights)
        except Exception as error:  # torch, timm and safetensors raise a kind of their own each
            raise ValueError(
                f"{weights}: cannot be read as weights of {name} ({_first_line(error)})"
            ) from error
    elif pretrained:
        try:
            body = _any_size(name, options | {"pretrained": True})
        except Exception as error:  # the hub's client raises its own kinds for each layer
            raise OSError(
                f"the weights of {name} could not be downloaded ({_first_line(error)}); "
                "set encoder.weights to a local file or encoder.pretrained=false to train from scratch"
            ) from error
    return body


def _first_rows(name: str, options: dict[str, Any], depth: int) -> tuple[int, ...]:
    """Numbers of the features that timm gives by default, which need not begin with 0, up to ``depth``."""
    with torch.device("meta"):
        body = _any_size(name, options)
    if type(body).__name__ == "HighResolutionNetFeatures":
        raise ValueError(f"timm model {name!r} makes all rows in its last stage; leave encoder.depth null")
    rows: tuple[int, ...] = tuple(body.feature_info.out_indices)
    if depth > len(rows):
        raise IndexError(f"it has {len(rows)} rows, not {depth}")
    return rows[:depth]


def _any_size(name: str, options: dict[str, Any]) -> Any:
    """The backbone; window transformers take any size only when told so, other families do not know how."""
    import timm

    try:
        return timm.create_model(name, dynamic_img_size=True, **options)
    except TypeError:
        return timm.create_model(name, **options)


def _own_features(body: nn.Module) -> bool:
    """Whether this is one of the two families that timm gives a feature network of its own."""
    from timm.models.efficientnet import EfficientNetFeatures
    from timm.models.mobilenetv3 import MobileNetV3Features

    return isinstance(body, EfficientNetFeatures | MobileNetV3Features)


def _refuse_partial(body: nn.Module, weights: str | Path) -> None:
    """Read the file again where timm is content with any part of it."""
    from timm.models import load_state_dict

    if _own_features(body):
        missing = body.state_dict().keys() - load_state_dict(os.fspath(weights)).keys()
        if missing:
            raise ValueError(f"it lacks {min(missing)}")


def _drop_unused(body: nn.Module) -> None:
    """Drop the stages below the last row, which timm keeps in some families."""
    if _own_features(body):
        info: Any = body.feature_info
        # stage 0 is the stem
        body.blocks = body.blocks[: max(row["stage"] for row in info.get_dicts())]  # type: ignore[index]


def _refuse_fixed_size(encoder: nn.Module, name: str, in_channels: int, stride: int) -> None:
    """Try a small image: timm marks more backbones as bound to one size than are."""
    try:
        with torch.no_grad():
            encoder.eval()(torch.zeros(1, in_channels, 2 * stride, 3 * stride))
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"timm model {name!r} takes images of one size only ({_first_line(error)}); "
            "choose another backbone"
        ) from error
    encoder.train()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
