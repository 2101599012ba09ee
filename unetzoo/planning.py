"""From a set's fingerprint to an experiment, with the reason for each line.

The idea, and most of the rules, are nnU-Net's (Isensee et al. 2021, Nature Methods 18, 203-211); what is
planned is a file that is meant to be read and edited.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from unetzoo.datasets.statistics import Fingerprint
from unetzoo.inference.contract import DataSpec

__all__ = ["Line", "plan", "render"]

_GPU, _CPU = "on a GPU", "on a CPU"


class Line(NamedTuple):
    """One setting: a key with dots, or an entry of the defaults list if it has a slash."""

    key: str
    value: Any
    reason: str


def plan(found: Fingerprint, spec: DataSpec, *, memory: float, gpu: bool) -> list[Line]:
    """Settings for a U-Net on such data, in the order of an experiment file.

    Args:
        found: Of the training cases.
        spec: Says dimension, classes and whether they overlap.
        memory: Bytes that training may take.
        gpu: Train on a GPU; else patches and network are smaller, so that a step takes about a second.
    """
    device = _GPU if gpu else _CPU
    ndim = spec.ndim
    patch = _patch(found.median, gpu=gpu)
    strides = _strides(patch, found.spacing, most=5 if gpu and ndim == 2 else 4)
    widest = 512 if ndim == 2 else 320
    channels = [min((32 if gpu else 16) * 2**i, widest) for i in range(len(strides))]
    each = _patch_bytes(patch, strides, channels)
    batch, batch_reason = _batch(found, patch, each, memory, gpu=gpu)
    norm = "batch" if batch >= 4 else "instance"
    halvings = len(strides) - 1
    edge = " x ".join(str(p // s) for p, s in zip(patch, strides[-1], strict=True))
    shape, unit = " x ".join(map(str, found.median)), "voxels" if ndim == 3 else "px"
    whole = all(p >= n for p, n in zip(patch, found.median, strict=True))
    lines = [
        _augment(spec, found),
        Line("/model", "unet", "plain skips: the baseline to change one part of"),
        Line("/model/encoder", f"conv{ndim}d", f"the data is {ndim}D; trained from scratch"),
        _head(spec),
        _loss(spec, found),
        Line(
            "model.encoder.channels",
            channels,
            f"{halvings} halvings leave {edge} of the patch; {channels[0]} wide {device}",
        ),
    ]
    if any(len(set(stride)) > 1 for stride in strides):
        lines.append(
            Line("model.encoder.strides", strides, "the thick axis is not halved until the others are")
        )
    lines += [
        Line("model.encoder.norm", norm, f"batches of {batch}" + (" are few" if batch < 4 else "")),
        Line("model.decoder.channels", channels[:-1], "as the encoder's"),
        Line("model.decoder.norm", norm, "as the encoder's"),
        Line("model.decoder.activation", "leaky_relu" if ndim == 3 else "relu", "as the encoder's"),
        Line(
            "data.patch", list(patch), f"median image {shape} {unit}" + ("" if whole else f", less {device}")
        ),
        *_spacing(spec, found),
        Line("data.batch_size", batch, batch_reason),
        *_normalise(spec, found),
        _foreground(found, whole),
        Line("data.samples_per_epoch", batch * (250 if gpu else 50), f"{250 if gpu else 50} steps, then val"),
        Line("optimizer.lr", 3.0e-3 if ndim == 2 else 2.0e-3, f"per batch of {batch}"),
        Line("trainer.max_epochs", 100 if gpu else 10, f"a start {device}; longer is better"),
    ]
    return lines


def _patch(median: Sequence[int], *, gpu: bool) -> tuple[int, ...]:
    """The median image in multiples of 8, less along its longest axis until it is small enough."""
    most = {2: (128**2, 512**2), 3: (96_000, 128**3)}[len(median)][gpu]
    patch = [max(16, -(-n // 8) * 8) for n in median]
    while math.prod(patch) > most:
        patch[patch.index(max(patch))] -= 8
    # few halvings fit into odd multiples of 8
    return tuple(p if p <= 64 else p // 16 * 16 for p in patch)


def _strides(patch: Sequence[int], spacing: Sequence[float] | None, *, most: int) -> list[list[int]]:
    """Stride of each row: axes are halved together once their spacings are, down to 4 pixels."""
    steps = list(spacing or [1.0] * len(patch))
    strides = [[1] * len(patch)]
    for _ in range(most):
        last, current = strides[-1], [s * k for s, k in zip(steps, strides[-1], strict=True)]
        finest = min(current)
        following = [
            k * 2 if p % (k * 2) == 0 and p // (k * 2) >= 4 and c < 2 * finest else k
            for p, k, c in zip(patch, last, current, strict=True)
        ]
        if sum(a != b for a, b in zip(last, following, strict=True)) < min(2, len(patch)):
            break
        strides.append(following)
    return strides


def _patch_bytes(patch: Sequence[int], strides: list[list[int]], channels: Sequence[int]) -> float:
    """What a U-Net keeps of a patch for the backward pass: some 15 maps of each row's width, float32."""
    area = math.prod(patch)
    return sum(15 * 4 * c * area / math.prod(s) for c, s in zip(channels, strides, strict=True))


def _batch(
    found: Fingerprint, patch: Sequence[int], each: float, memory: float, *, gpu: bool
) -> tuple[int, str]:
    """As many as fit, seen at once no more than a twentieth of the set, and two at least."""
    fits = int(0.7 * memory / each)
    share = int(found.pixels / 20 / math.prod(patch))
    usual = (16 if len(patch) == 2 else 8) if gpu else (4 if len(patch) == 2 else 2)
    batch = max(2, min(fits, share, usual))
    size = f"about {each / 1e6:.0f} MB a patch of {memory / 1e9:.1f} GB"
    if batch == usual:
        return batch, f"{size}; more would make steps slow" if not gpu else size
    return batch, f"a twentieth of the {found.cases} training cases" if share < fits else size


def _augment(spec: DataSpec, found: Fingerprint) -> Line:
    if spec.ndim == 3:
        return Line("/augment", "volume", "volumes")
    if spec.unit in ("m", "deg"):
        return Line("/augment", "aerial", f"seen from above, in {spec.unit}; scale stays")
    return Line("/augment", "light", "2D without a place; or medical, microscopy, if that is what it is")


def _head(spec: DataSpec) -> Line:
    if spec.multilabel:
        return Line("/model/head", "multilabel", "classes overlap")
    if len(spec.classes) == 2:
        return Line("/model/head", "binary", f"{spec.classes[0].name} or {spec.classes[1].name}")
    return Line("/model/head", "multiclass", f"{len(spec.classes)} classes that exclude each other")


def _loss(spec: DataSpec, found: Fingerprint) -> Line:
    foreground = {c.name: found.shares[c.name] for c in spec.classes[0 if spec.multilabel else 1 :]}
    rarest = min(foreground, key=lambda name: foreground[name])
    share = f"{rarest} has {foreground[rarest]:.2%} of the labelled pixels"
    if foreground[rarest] < 5e-4:
        return Line("/loss", "dice_focal", f"{share}, so easy pixels count less")
    return Line("/loss", "dice_ce", f"{share}; Dice for overlap, cross-entropy for smooth gradients")


def _normalise(spec: DataSpec, found: Fingerprint) -> list[Line]:
    low, high = found.value_range
    if spec.ndim == 3 and low <= -500:
        return [Line("data.normalise.method", "fixed", f"values from {low:g} mean something, as HU do")]
    if found.contrast > 10 or found.drift > 1 or spec.ndim == 3:
        return [
            Line(
                "data.normalise.method",
                "zscore",
                f"images differ: contrast by a factor of {found.contrast:.3g}, brightness by "
                f"{found.drift:.2g} of their spread",
            )
        ]
    if not found.eight_bit and len(spec.bands) > 3:
        return [
            Line(
                "data.normalise.method", "fixed", f"{len(spec.bands)} bands of measured values, alike in all"
            )
        ]
    return [
        Line(
            "data.normalise.method",
            "percentile",
            f"values from {low:g} to {high:g}, contrast differs by a factor of {found.contrast:.3g} only",
        )
    ]


def _spacing(spec: DataSpec, found: Fingerprint) -> list[Line]:
    """The median spacing as that of all volumes, where they differ."""
    if spec.ndim == 2 or found.spacing is None or found.spacing_range is None:
        return []
    if max(found.spacing_range) < 1.1:
        return []
    target = [round(s, 4) for s in found.spacing]
    factor = max(found.spacing_range)
    return [Line("data.spacing", target, f"the median; they differ by a factor of {factor:.3g}")]


def _foreground(found: Fingerprint, whole: bool) -> Line:
    rarest = min(list(found.shares.values())[1:] or [1.0])
    if whole:
        return Line("data.foreground", 0.0, "the patch is the image")
    if rarest > 0.1:
        return Line("data.foreground", 0.0, f"the rarest class has {rarest:.0%} of the pixels")
    return Line(
        "data.foreground", 0.5, f"a class has {rarest:.2%} of the pixels; half of the patches show one"
    )


def render(
    lines: Sequence[Line], *, data: str, given: Sequence[tuple[str, Any]], run_id: str, header: str
) -> str:
    """An experiment file for Hydra, reasons as comments.

    Args:
        data: The data config it changes.
        given: Keys and values that the plan was asked for with, such as ``data.root``.
        header: What stands above, without #.
    """
    entries = [(f"  - override {line.key}: {line.value}", line.reason) for line in lines if "/" in line.key]
    values = [Line(key, value, "as given") for key, value in given]
    values += [line for line in lines if "/" not in line.key]
    sections = list(dict.fromkeys(line.key.split(".")[0] for line in values))
    values.sort(key=lambda line: sections.index(line.key.split(".")[0]))
    body: list[tuple[str, str]] = []
    before: list[str] = []
    for line in values:
        *parents, last = line.key.split(".")
        shared = next((i for i, (a, b) in enumerate(zip(before, parents, strict=False)) if a != b), None)
        start = min(len(before), len(parents)) if shared is None else shared
        body += [("  " * i + f"{name}:", "") for i, name in enumerate(parents) if i >= start]
        body.append(("  " * len(parents) + f"{last}: {_yaml(line.value)}", line.reason))
        before = parents
    wide = min(48, max(len(text) for text, reason in [*entries, *body] if reason) + 2)
    table, rest = (
        [f"{text + '  ':{wide}}# {reason}" if reason else text for text, reason in part]
        for part in ([("defaults:", ""), (f"  - override /data: {data}", ""), *entries], body)
    )
    top = ["# @package _global_", *(f"# {line}" for line in header.splitlines())]
    return "\n".join([*top, *table, f"run_id: {run_id}-seed${{seed}}", *rest]) + "\n"


def _yaml(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return text.removesuffix("\n...\n").strip()
