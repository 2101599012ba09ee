"""Take over a network that was trained with segmentation_models.pytorch or MONAI.

usage: unetzoo convert weights=... peer=... [encoder=...] out=folder [head=...] [bands=...] [classes=...]

  unetzoo convert weights=best.pth peer=smp.Unet encoder=resnet34 out=converted "classes=[ground,building]"
  unetzoo convert weights=net.pt peer=monai.AttentionUnet out=converted "bands=[mr]" value_range=null \\
    normalisation.method=zscore
  unetzoo export ckpt=converted                                  an ONNX file with its contract
  unetzoo train init=converted model=unet model/encoder=resnet34 data=folder ...      go on training

peer is smp.Unet, smp.UnetPlusPlus or smp.Linknet, or, without encoder=, monai.AttentionUnet (strides of 2) or
monai.BasicUNetPlusPlus (activation and norm as by default). The answer in eval mode is the peer's. What its
weights do not tell (names, normalisation, tile) is as configs/convert.yaml has it unless it is given.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from unetzoo.cli.app import run_app

if TYPE_CHECKING:
    from torch import Tensor


_TILES = {2: (512, 512), 3: (96, 96, 96)}


def run(args: list[str]) -> int:
    """Compose configs/convert.yaml and convert."""
    return run_app(_convert, "convert", args, __doc__)


def _convert(cfg: DictConfig) -> int:
    from unetzoo.convert import convert, recipe_of
    from unetzoo.datasets.classes import COLOURS
    from unetzoo.inference import ClassSpec, DataSpec, Normalisation
    from unetzoo.inference.image import default_bands

    weights = _weights(Path(cfg.weights), recipe_of(cfg.peer).last)
    model = convert(weights, cfg.peer, encoder=cfg.encoder, head=cfg.head)
    bands = tuple(cfg.bands or default_bands(model.in_channels))
    names = tuple(cfg.classes or (f"class_{i}" for i in range(model.num_classes)))
    for what, given, wanted in (("bands", bands, model.in_channels), ("classes", names, model.num_classes)):
        if len(given) != wanted:
            raise ValueError(f"{what}={[*given]} are {len(given)} but the network has {wanted}")
    colours = [(0, 0, 0), *COLOURS]
    how: dict[str, Any] = {
        key: tuple(value) if key in ("mean", "std", "window") and value else value
        for key, value in cfg.normalisation.items()
    }
    model.data = DataSpec(
        ndim=model.ndim,
        bands=bands,
        classes=tuple(ClassSpec(n, (i,), colours[i % len(colours)]) for i, n in enumerate(names)),
        normalisation=Normalisation(**how),
        tile=tuple(cfg.tile or _TILES[model.ndim]),
        multilabel=model.activation == "sigmoid" and cfg.head == "multilabel",
        value_range=tuple(cfg.value_range) if cfg.value_range else None,
    )
    folder = model.save_pretrained(Path(cfg.out))
    print(f"model       {folder}")
    print(f"next        unetzoo export ckpt={folder}")
    return 0


def _weights(path: Path, last: str) -> "dict[str, Tensor]":
    """A peer's ``state_dict``, out of whatever a training framework has put around it.

    Args:
        last: Ending of a name in it; what stands before is not the peer's.
    """
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        safe = path.suffix == ".safetensors"
        found: Any = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each of the formats has errors of its own
        raise ValueError(
            f"{path}: is no file of weights alone ({type(error).__name__}); save the network's state_dict()"
        ) from error
    while isinstance(found, dict) and "state_dict" in found:
        found = found["state_dict"]
    prefix = next((key.removesuffix(last) for key in found if str(key).endswith(last)), "")
    return {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}
