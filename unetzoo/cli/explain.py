"""Print what a config puts together, before anything is trained.

usage: unetzoo explain [experiment=...] [key=value ...] [size=512]

  unetzoo explain model=unet_plus_plus model/encoder=resnet34
  unetzoo explain experiment=hippocampus_msd size=64,64,64

Takes the overrides of `unetzoo train`. Prints each row of the U with channels and strides of encoder, skip
and decoder, the memory of the skips, the parameters of each part, the multiply-accumulate operations of one
image of that size, and of every operation with a kernel of its own whether it runs on this processor. Nothing
is downloaded and no weight is computed with.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from unetzoo.cli.app import run_app
from unetzoo.cli.errors import sentence

if TYPE_CHECKING:
    from unetzoo.network import SegmentationNetwork
    from unetzoo.ops.dispatch import Choice
    from unetzoo.unet import UNet


def run(args: list[str]) -> int:
    """Compose configs/train.yaml and describe its model."""
    sizes = [word.removeprefix("size=") for word in args if word.startswith("size=")]
    rest = [word for word in args if not word.startswith("size=")]
    size = _parse_size(sizes[-1]) if sizes else None
    return run_app(lambda cfg: _explain(cfg, size), "train", rest, __doc__)


def _parse_size(text: str) -> list[int]:
    numbers = text.strip("[]()").replace("x", ",").split(",")
    if not all(number.strip().isdecimal() and int(number) > 0 for number in numbers):
        raise ValueError(
            f"size={text} is not an image size in pixels; give one number, or one per axis as 512,512"
        )
    return [int(number) for number in numbers]


def _explain(cfg: DictConfig, size: list[int] | None) -> int:
    import torch
    from hydra.core.hydra_config import HydraConfig
    from torch.utils.flop_counter import FlopCounterMode

    from unetzoo.ops import dispatch
    from unetzoo.unet import UNet
    from unetzoo.zoo import build

    bands, classes, tile, assumed = _from_data(cfg)
    cfg = cfg.copy()
    OmegaConf.update(cfg, "model", {"in_channels": bands, "num_classes": classes}, force_add=True)
    config: Any = OmegaConf.to_container(cfg.model, resolve=True)
    encoder = config.get("encoder")
    while encoder:  # the shapes are the same without weights; an encoder may be around another
        for key in ("pretrained", "weights"):
            encoder.pop(key, None)
        encoder = encoder.get("encoder")
    model = build(config).eval()
    if size is None and tile is not None and len(tile) != model.ndim:
        raise ValueError(
            f"the model is {model.ndim}D but the data's patch is {_times(tile)}; choose other ones"
        )
    size = _full_size(size or tile, model)
    # built with weights first, because some backbones compute with theirs while they are built
    model = model.to("meta")
    x = torch.empty(1, bands, *size, device="meta")
    with FlopCounterMode(display=False) as counter, dispatch.noting() as operations, torch.no_grad():
        logits = model(x)
    choices = HydraConfig.get().runtime.choices
    chosen = [(part, choices.get(f"model/{part}")) for part in ("encoder", "skip", "decoder", "head")]
    parts = ", ".join(f"{part} {choice}" for part, choice in chosen if choice)
    print(f"{choices['model']}: {parts or type(model).__name__}")
    gives = _bands(classes) if model.activation == "none" else f"{classes} classes"
    print(f"{_bands(bands)} to {gives}, {model.ndim}D, {_times(size)}")
    if assumed:
        print(f"note: {assumed}")
    if isinstance(model, UNet):
        print("\n" + _rows(model, x))
    print("\n" + _parameters(model))
    if operations:
        print("\n" + _operations(operations))
    print(f"\nMACs            {_short(counter.get_total_flops() / 2)} for one image of {_times(size)}")
    print(f"logits          {_times(logits.shape[1:])}, {model.activation}")
    with torch.no_grad():
        heads = len(model.forward_deep(x))
    print(f"deep supervision {f'{heads} heads' if model.deep_supervision else 'off'}")
    print(f"divisor         {_times(model.divisor)} (padded to it inside, any size goes)")
    return 0


def _from_data(cfg: DictConfig) -> tuple[int, int, list[int] | None, str]:
    """Bands, classes, patch size, and a word on what was assumed because the data is not there."""
    bands, classes = cfg.model.in_channels, cfg.model.num_classes
    given, target = cfg.data.get("bands"), cfg.data.get("target") or {}
    named = cfg.data.get("classes") or target.get("bands")
    if bands is None and given is not None:
        bands = given if isinstance(given, int) else len(given)
    if classes is None and named is not None:
        classes = len(named)
    patch = cfg.data.get("patch")
    tile = None if patch is None else [int(p) for p in patch]
    if bands is not None and classes is not None:
        return bands, classes, tile, ""
    try:
        from hydra.utils import instantiate

        spec = instantiate(cfg.data).spec
    except Exception as error:
        cause = error.__cause__ or error
        if sentence(cause) is None:
            raise
        return bands or 3, classes or 2, tile, f"bands and classes are assumed, because {sentence(cause)}"
    return bands or len(spec.bands), classes or len(spec.outputs), tile or list(spec.tile), ""


def _bands(count: int) -> str:
    return f"{count} band" if count == 1 else f"{count} bands"


def _full_size(size: Sequence[int] | None, model: "SegmentationNetwork") -> list[int]:
    size = list(size or [256 if model.ndim == 2 else 64])
    if len(size) == 1:
        size *= model.ndim
    if len(size) != model.ndim:
        raise ValueError(f"size {_times(size)} has {len(size)} axes but the model is {model.ndim}D")
    return size


def _rows(model: "UNet", x: Any) -> str:
    """One line per row of the U, finest first."""
    encoder = {level.stride: level.channels for level in model.encoder.levels}
    decoder = {level.stride: level.channels for level in model.decoder.levels}
    strides = list(encoder)
    merged = dict(zip(strides[:-1], model.skip.merged, strict=True))
    skips = model.skip(model.encoder(model.pad(x)))
    table = [["row", "stride", "encoder", "skip", "size", "MB", "merged", "decoder"]]
    total = 0.0
    for stride in sorted({*encoder, *decoder}):
        row = ["-", _times(stride), str(encoder.get(stride, "-")), "-", "-", "-"]
        if stride in encoder:
            index = strides.index(stride)
            skip = skips[index]
            megabytes = skip.numel() * 4 / 1e6
            total += megabytes
            row[0] = str(index)
            row[3:] = [str(skip.shape[1]), _times(skip.shape[2:]), f"{megabytes:.2f}"]
        table.append([*row, str(merged.get(stride, "-")), str(decoder.get(stride, "-"))])
    lines = _align(table)
    return lines + f"\nchannels of each part; the skips of one image take {total:.2f} MB in float32"


def _parameters(model: "SegmentationNetwork") -> str:
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    total = sum(p.numel() for p in model.parameters())
    table = [["part", "parameters", "share"]]
    table += [
        [name, f"{count:,}", f"{count / total:.1%}"]
        for name, count in counts.items()
        if count or name == "skip"
    ]
    return _align([*table, ["all", f"{total:,}", ""]])


def _operations(choices: "list[Choice]") -> str:
    """Operations that have kernels, how often and on what, and what a processor runs."""
    from unetzoo.ops import native

    library = native.library()
    kernel = f"kernel, {library.unetzoo_isa().decode()}" if library else ""
    torch = "torch, as fast at this size" if library else "torch; unetzoo-kernels is not installed"
    rows = [
        [op, str(count), _times(size), kernel if compiled else torch]
        for (op, size, compiled), count in Counter(choices).items()
    ]
    return _align([["operation", "times", "size", "forward on a CPU in float32"], *rows])


def _align(table: list[list[str]]) -> str:
    """Columns two spaces apart, the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )


def _times(numbers: Sequence[int]) -> str:
    return " x ".join(map(str, numbers))


def _short(number: float) -> str:
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:.0f}"
